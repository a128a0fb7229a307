"""A port keeps what Keras's dropouts keep in the same step, however it is written."""

from programs_here import result_of, spec_of

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


def test_functions_and_dropout_between_recurrent_layers_get_keras_masks(tmp_path):
    (tmp_path / "pair.py").write_text(SOURCE)
    spec = spec_of("pair.py:reference", "pair.py:port").replace(folder=str(tmp_path))
    result = result_of(spec, tmp_path / "run")
    statuses = {level.id: level.status for level in result.levels}
    assert statuses["init"] == "fail"  # torch's own initial weights
    assert {name for name, status in statuses.items() if status == "fail"} == {"init"}
    trajectory = next(level for level in result.levels if level.id == "trajectory")
    assert trajectory.worst.worst < 1e-12
    assert len(result.history["torch"]["loss"]) == 4
    wrong = result_of(
        spec.replace(torch="pair.py:other_rate"), tmp_path / "wrong", tmp_path / "run"
    )
    assert next(level for level in wrong.levels if level.id == "trajectory").status == "fail"
