"""A port keeps what Keras's dropouts keep in the same step, however it is written."""

from types import SimpleNamespace

import pytest
from programs_here import result_of, spec_of, trained
from rows import each_row
from torch import nn

import parity.halves.keras
from parity.halves.torch.program.masks import drawing_dropouts
from torch_impl.layers import Dropout

pytestmark = pytest.mark.long

SOURCE = """
import keras, numpy as np, torch
import torch.nn.functional as F
from torch import nn
from keras_impl import Reference
from torch_impl import Port, optim

draw = np.random.default_rng(4)
x, y = draw.normal(size=(30, 5, 4)), draw.normal(size=(30, 2))

def reference():
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((5, 4)),
        layers.LSTM(3, return_sequences=True),
        layers.Dropout(0.4),
        layers.LSTM(3, return_sequences=True),
        layers.SpatialDropout1D(0.3),
        layers.Flatten(),
        layers.Dense(6, activation="tanh"),
        layers.Dropout(0.5),
        layers.Dense(2),
    ])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return Reference(model, x=x, y=y, batch_size=7, epochs=4)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 3, num_layers=2, dropout=0.4, batch_first=True)
        for name, weight in self.lstm.named_parameters():
            if "bias_hh" in name:  # Keras has one bias
                nn.init.zeros_(weight.requires_grad_(False))
        self.hidden, self.out = nn.Linear(15, 6), nn.Linear(6, 2)

    def forward(self, x):
        h, _ = self.lstm(x)
        h = F.dropout1d(h.transpose(1, 2), 0.3, self.training).transpose(1, 2)
        h = torch.tanh(self.hidden(h.flatten(1)))
        return self.out(F.dropout(h, 0.5, self.training))

def port():
    net = Net()
    loss = nn.MSELoss()
    return Port(net, loss, optim.SGD(net.parameters(), learning_rate=0.1))

def other_rate():
    made = port()
    made.module.lstm.dropout = 0.3
    return made
"""


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The training of Keras."""
    folder = tmp_path_factory.mktemp("reference")
    trained(parity.halves.keras, spec_in(folder, SOURCE, "port"), folder / "run")
    return folder / "run"


def spec_in(folder, source, port):
    (folder / "pair.py").write_text(source)
    return spec_of("pair.py:reference", f"pair.py:{port}").replace(folder=str(folder))


def test_functions_and_dropout_between_recurrent_layers_get_keras_masks(reference, tmp_path):
    spec = spec_in(tmp_path, SOURCE, "port")
    result = result_of(spec, tmp_path / "run", reference)
    statuses = {level.id: level.status for level in result.levels}
    assert statuses["init"] == "fail"  # torch's own initial weights
    assert {name for name, status in statuses.items() if status == "fail"} == {"init"}
    assert next(level for level in result.levels if level.id == "trajectory").worst.worst < 1e-12
    assert len(result.history["torch"]["loss"]) == 4
    wrong = result_of(spec.replace(torch="pair.py:other_rate"), tmp_path / "wrong", reference)
    assert next(level for level in wrong.levels if level.id == "trajectory").status == "fail"


def port_of(*pairs):
    """A paired port: (layer of Keras, module of the port) for each call."""
    return SimpleNamespace(
        all_pairs=[
            SimpleNamespace(node={"name": name}, call=SimpleNamespace(module=module))
            for name, module in pairs
        ]
    )


STATES = {"dropout": [1, 0], "dropout_1": [2, 0], "dropout_2": [3, 0]}


FIRST, SECOND = Dropout(0.5, 1), Dropout(0.25, 2)
# What calls are paired -> the layers of Keras whose generator a module of the port has.
DRAWING = {
    "layers that draw as Keras's do": (
        [("dropout", FIRST), ("dense", nn.Linear(2, 2)), ("dropout_1", SECOND)],
        {"dropout": FIRST, "dropout_1": SECOND},
    ),
    "one that is called twice, as that of Keras is": (
        [("dropout", FIRST), ("dropout#2", FIRST)],
        {"dropout": FIRST},
    ),
    # It is given the masks of both.
    "one that stands for two layers": (
        [("dropout", FIRST), ("dropout_1", FIRST), ("dropout_2", SECOND)],
        {"dropout_2": SECOND},
    ),
    "torch's own": ([("dropout", nn.Dropout(0.5))], {}),
    "of a layer that draws nothing": ([("no_generator", FIRST)], {}),
    "a function": ([("dropout", None)], {}),
}


@each_row("pairs, expected", DRAWING.values(), ids=DRAWING)
def test_a_layer_that_draws_as_keras_does_is_known_by_the_layer_of_keras(pairs, expected):
    assert drawing_dropouts(port_of(*pairs), STATES) == expected
