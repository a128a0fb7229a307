"""In a custom weight loader, transpose(3, 2, 1, 0) swaps height and width of kernels too."""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, ports, torch


def keras_model():
    inputs = keras.Input((11, 17, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem")(inputs)
    x = layers.PReLU(shared_axes=[1, 2], name="prelu")(x)
    x = layers.AveragePooling2D(2, name="pool")(x)
    x = layers.Conv2D(12, 3, activation="relu", name="body")(x)
    x = layers.GlobalMaxPooling2D(name="gmp")(x)
    outputs = layers.Dense(3, name="head")(x)
    model = keras.Model(inputs, outputs)
    model.compile("adam", losses.CategoricalCrossentropy(from_logits=True))
    return model


def _make(axes):
    import numpy as np

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1)
            self.prelu = nn.PReLU(8, init=0.0)
            self.body = nn.Conv2d(8, 12, 3)
            self.head = nn.Linear(12, 3)
            keras_init(self)

        def forward(self, x):
            x = F.avg_pool2d(self.prelu(self.stem(x)), 2)
            x = F.relu(self.body(x))
            return self.head(x.amax(dim=(2, 3)))

    def load(net, weights):
        state = {"prelu.weight": weights["prelu.alpha"].reshape(-1)}
        for name in ("stem", "body"):
            state[f"{name}.weight"] = weights[f"{name}.kernel"].transpose(axes)
            state[f"{name}.bias"] = weights[f"{name}.bias"]
        state["head.weight"] = weights["head.kernel"].T
        state["head.bias"] = weights["head.bias"]
        net.load_state_dict({k: torch.tensor(np.ascontiguousarray(v)) for k, v in state.items()})

    return Port(Net(), load=load)


right_port, faulty_port = ports(_make, (3, 2, 0, 1), (3, 2, 1, 0))
