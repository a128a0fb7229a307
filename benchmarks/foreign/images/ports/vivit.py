"""ViViT as a twin. Mistake: the config says "gelu", and is taken at its word.

Keras writes `keras.ops.gelu`, which approximates, by the name of the exact one.
"""

import torch
from common import config_of, keras_init
from torch import nn

from torch_impl import Port, from_keras_config, losses, metrics
from torch_impl.optim import Adam


class Tubelets(nn.Module):
    def __init__(self, dim, size, channels):
        super().__init__()
        self.projection = nn.Conv3d(channels, dim, tuple(size), stride=tuple(size))
        keras_init(self)

    def forward(self, videos):  # (N, T, H, W, C)
        x = self.projection(videos.permute(0, 4, 1, 2, 3))
        return x.flatten(2).transpose(1, 2)


class Positions(nn.Module):
    def __init__(self, tokens, dim):
        super().__init__()
        self.position_embedding = nn.Embedding(tokens, dim)
        nn.init.uniform_(self.position_embedding.weight, -0.05, 0.05)

    def forward(self, x):
        return x + self.position_embedding.weight


def build(mistake=False):
    custom = {
        "TubeletEmbedding": lambda entry: Tubelets(
            entry.config["embed_dim"], entry.config["patch_size"], entry.shape[-1]
        ),
        "PositionalEncoder": lambda entry: Positions(entry.shape[1], entry.config["embed_dim"]),
    }
    if not mistake:
        custom["gelu"] = lambda x: torch.nn.functional.gelu(x, approximate="tanh")
    twin = from_keras_config(config_of("vivit"), custom=custom)
    return Port(
        twin,
        loss=losses.SparseCategoricalCrossentropy(),
        optimizer=Adam(twin.parameters(), learning_rate=1e-4),
        metrics=[
            metrics.SparseCategoricalAccuracy(name="accuracy"),
            metrics.SparseTopKCategoricalAccuracy(3, name="top-3-accuracy"),
        ],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
