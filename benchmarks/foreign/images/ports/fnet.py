"""FNet as a twin. Mistake: the transform is over the features only, not over the tokens too."""

import torch
from common import config_of, keras_init, patches
from torch import nn

from torch_impl import Port, from_keras_config, losses, metrics
from torch_impl.optim import AdamW


class FNetLayer(nn.Module):
    def __init__(self, dim, rate, axes):
        super().__init__()
        self.axes = axes
        self.ffn1, self.ffn2 = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.drop, self.gelu = nn.Dropout(rate), nn.GELU()
        self.normalize1 = nn.LayerNorm(dim, eps=1e-6)
        self.normalize2 = nn.LayerNorm(dim, eps=1e-6)
        keras_init(self)

    def forward(self, x):
        x = self.normalize1(x + torch.fft.fftn(x, dim=self.axes).real)
        return self.normalize2(x + self.ffn2(self.drop(self.gelu(self.ffn1(x)))))


def build(mistake=False):
    def layer(entry):
        axes = (-1,) if mistake else (-2, -1)
        return FNetLayer(entry.config["embedding_dim"], entry.config["dropout_rate"], axes)

    twin = from_keras_config(
        config_of("fnet"), custom={"fnet>Patches": patches, "fnet>FNetLayer": layer}
    )
    return Port(
        twin,
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=AdamW(twin.parameters(), learning_rate=1e-3, weight_decay=1e-4),
        metrics=[metrics.SparseTopKCategoricalAccuracy(2, name="top2")],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
