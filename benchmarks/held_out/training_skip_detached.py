"""A detach() left over from debugging cuts a skip branch out of the backward pass."""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, optim, ports


def keras_model():
    inputs = keras.Input((12, 15, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    y = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.Activation("relu")(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(5, activation="softmax")(x))
    model.compile(optimizers.Adamax(0.002), "sparse_categorical_crossentropy")
    return model


def _port(is_cut):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1)
            self.block = nn.Conv2d(8, 8, 3, padding=1)
            self.relu = nn.ReLU()
            self.head = nn.Linear(8, 5)

        def forward(self, x):
            x = self.relu(self.stem(x))
            skip = x.detach() if is_cut else x
            x = self.relu(skip + self.block(x))
            return self.head(x.mean((2, 3)))

    net = keras_init(Net())
    optimizer = optim.Adamax(net.parameters(), learning_rate=0.002)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


right_port, faulty_port = ports(_port, False, True)
