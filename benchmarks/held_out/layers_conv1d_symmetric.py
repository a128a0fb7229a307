"""A Conv1D with stride and 'same' got padding=k//2 on both sides.

Keras pads 1 on the left and 2 on the right here.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses
from benchmarks.held_out.torch_side import F, keras_init, nn, ports


def keras_model():
    model = keras_sequential(
        keras.Input((26, 3)),
        layers.Conv1D(8, 5, strides=3, padding="same", activation="relu"),
        layers.Conv1D(12, 3, padding="same", activation="relu"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(5),
        name="activity_recognition",
    )
    model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(symmetric):
    class ActivityNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(12, 5)
            self.conv1 = nn.Conv1d(3, 8, 5, stride=3, padding=2 if symmetric else 0)
            self.conv2 = nn.Conv1d(8, 12, 3, padding=1)
            keras_init(self)

        def forward(self, x):
            x = x.transpose(1, 2)
            if not symmetric:
                x = F.pad(x, (1, 2))  # 9 outputs: (9 - 1) * 3 + 5 - 26 = 3 cells
            x = F.relu(self.conv1(x))
            x = F.relu(self.conv2(x))
            return self.fc(x.mean(dim=-1))

    return ActivityNet()


right_port, faulty_port = ports(_make, False, True)
