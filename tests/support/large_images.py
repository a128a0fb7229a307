"""A small Keras model of large images, and ports of it: right, and with one fault each.

x (160, 163, 3) -> conv 8, 'same' -> normalisation -> relu -> global average -> dense 3, softmax
"""

from functools import partial

SIDES, FILTERS = (160, 163), 8


def keras_net():
    import keras
    from keras import layers

    inputs = keras.Input((*SIDES, 3))
    x = layers.Conv2D(FILTERS, 3, padding="same", name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model


def port(*, epsilon=1e-3, border="zeros"):
    import torch
    from small_nets import Net
    from torch import nn

    from torch_impl import Port, optim
    from torch_impl.layers import BatchNormalization

    module = Net(
        lambda net, x: net.head(torch.relu(net.norm(net.conv(x))).mean((2, 3))),
        conv=nn.Conv2d(3, FILTERS, 3, padding=1, padding_mode=border),
        norm=BatchNormalization(FILTERS, epsilon=epsilon),
        head=nn.Linear(FILTERS, 3),
    )
    return Port(
        module,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(module.parameters(), learning_rate=0.01),
    )


right = port
other_epsilon = partial(port, epsilon=1e-5)
other_border = partial(port, border="replicate")
