"""CRNN.

The port reshapes the feature map (N, C, H, W) to (N, W, C*H) without moving the width to the
front first.
"""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import F, keras_init, nn, ports


def keras_model():
    x = inputs = keras.Input((16, 36, 1))
    x = layers.Conv2D(12, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D((2, 2))(x)
    x = layers.Conv2D(20, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D((2, 1))(x)
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((18, 80))(x)
    x = layers.LSTM(24, return_sequences=True)(x)
    model = keras.Model(inputs, layers.Dense(11)(x))
    model.compile("rmsprop", losses.CategoricalCrossentropy(from_logits=True))
    return model


def _crnn(permute):
    class CRNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
            self.conv2 = nn.Conv2d(12, 20, 3, padding=1)
            self.rnn = nn.LSTM(80, 24, batch_first=True)
            self.out = nn.Linear(24, 11)
            keras_init(self)
            nn.init.xavier_uniform_(self.rnn.weight_ih_l0)
            nn.init.orthogonal_(self.rnn.weight_hh_l0)
            nn.init.zeros_(self.rnn.bias_ih_l0)
            self.rnn.bias_ih_l0.data[24:48] = 1.0  # forget gate
            nn.init.zeros_(self.rnn.bias_hh_l0)  # Keras has one bias
            self.rnn.bias_hh_l0.requires_grad_(False)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            x = F.max_pool2d(F.relu(self.conv2(x)), (2, 1))
            n, c, h, w = x.shape
            if permute:
                x = x.permute(0, 3, 2, 1)
            x = x.reshape(n, w, h * c)
            x, _ = self.rnn(x)
            return self.out(x)

    return CRNN()


right_port, faulty_port = ports(_crnn, True, False)
