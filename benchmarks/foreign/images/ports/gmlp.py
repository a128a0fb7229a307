"""gMLP as a twin of the config. Mistake: the two halves of the gate are exchanged."""

from common import config_of, keras_init, patches
from torch import nn

from torch_impl import Port, from_keras_config, losses
from torch_impl.optim import AdamW


class GMLPLayer(nn.Module):
    """Attributes have Keras's names, as a twin needs them."""

    def __init__(self, tokens, dim, rate, exchanged):
        super().__init__()
        self.normalize1 = nn.LayerNorm(dim, eps=1e-6)
        self.channel_projection1 = nn.ModuleDict({"hidden": nn.Linear(dim, 2 * dim)})
        self.normalize2 = nn.LayerNorm(dim, eps=1e-6)
        self.spatial_projection = nn.Linear(tokens, tokens)
        self.channel_projection2 = nn.Linear(dim, dim)
        self.drop = nn.Dropout(rate)
        self.exchanged = exchanged
        keras_init(self)
        nn.init.ones_(self.spatial_projection.bias)

    def forward(self, inputs):
        x = self.normalize1(inputs)
        y = self.drop(nn.functional.gelu(self.channel_projection1["hidden"](x)))
        u, v = y.chunk(2, dim=2)
        if self.exchanged:
            u, v = v, u
        v = self.spatial_projection(self.normalize2(v).transpose(1, 2)).transpose(1, 2)
        return x + self.channel_projection2(u * v)


def build(mistake=False):
    def gmlp_layer(entry):
        config = entry.config
        return GMLPLayer(
            config["num_patches"], config["embedding_dim"], config["dropout_rate"], mistake
        )

    twin = from_keras_config(
        config_of("gmlp"), custom={"gmlp>Patches": patches, "gmlp>gMLPLayer": gmlp_layer}
    )
    return Port(
        twin,
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=AdamW(twin.parameters(), learning_rate=0.003, weight_decay=1e-4),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
