"""A network from a config: stages in a ModuleDict, activations as functions by their name.

The faulty twin takes silu where the config says hard_swish.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, optim

CONFIG = {
    "input": (23, 17, 2),
    "stages": {
        "low": {"filters": [6, 9], "kernel": 3, "act": "elu"},
        "mid": {"filters": [12], "kernel": 2, "act": "hard_swish"},
        "high": {"filters": [14, 10], "kernel": 3, "act": "selu"},
    },
    "pool_after": ["mid"],
    "classes": 4,
}


def keras_model():
    x = inputs = keras.Input(CONFIG["input"])
    for name, stage in CONFIG["stages"].items():
        for i, filters in enumerate(stage["filters"]):
            x = layers.Conv2D(filters, stage["kernel"], name=f"{name}_{i}")(x)
            x = layers.Activation(stage["act"], name=f"{name}_{i}_{stage['act']}")(x)
        if name in CONFIG["pool_after"]:
            x = layers.AveragePooling2D(2, name=f"{name}_pool")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    outputs = layers.Dense(CONFIG["classes"], name="classes")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizers.SGD(0.03, momentum=0.9),
        losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(hard_swish):
    functions = {"elu": F.elu, "selu": F.selu, "hard_swish": hard_swish}

    class ConfiguredNet(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config = config
            self.stages = nn.ModuleDict()
            channels = config["input"][-1]
            for name, stage in config["stages"].items():
                convs = nn.ModuleList()
                for filters in stage["filters"]:
                    convs.append(nn.Conv2d(channels, filters, stage["kernel"]))
                    channels = filters
                self.stages[name] = convs
            self.classes = nn.Linear(channels, config["classes"])

        def forward(self, x):
            for name, convs in self.stages.items():
                act = functions[self.config["stages"][name]["act"]]
                for conv in convs:
                    x = act(conv(x))
                if name in self.config["pool_after"]:
                    x = F.avg_pool2d(x, 2)
            return self.classes(x.mean(dim=(-2, -1)))

    net = ConfiguredNet(CONFIG)
    for name, p in net.named_parameters():
        nn.init.zeros_(p) if name.endswith("bias") else nn.init.xavier_uniform_(p)
    return Port(
        net,
        loss=lambda out, y: F.cross_entropy(out, y.long().squeeze(-1)),
        optimizer=optim.SGD(net.parameters(), learning_rate=0.03, momentum=0.9),
    )


def right_port():
    return _port(F.hardswish)


def faulty_port():
    return _port(F.silu)
