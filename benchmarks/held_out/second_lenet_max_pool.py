"""LeNet: max pools, as in newer tutorials, instead of its two average pools."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import keras_init, nn


def keras_model():
    model = keras_sequential(
        keras.Input((30, 24, 1)),
        layers.Conv2D(6, 5, padding="same", activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Conv2D(16, 5, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(84, activation="tanh"),
        layers.Dense(10, activation="softmax"),
    )
    model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return model


def _lenet(pool):
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.Tanh(),
        pool(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        pool(2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 4, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
        nn.Softmax(dim=1),
    )
    return keras_init(net)


def right_port():
    return _lenet(nn.AvgPool2d)


def faulty_port():
    return _lenet(nn.MaxPool2d)
