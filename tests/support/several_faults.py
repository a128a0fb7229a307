"""One Keras model, and ports of it with no fault, with one, and with several at once.

x (8, 8, 2) -> conv 4 -> relu -> max pool 2 -> conv 6, 'same', stride 2 -> tanh -> flatten
  -> dense 5 -> relu -> dense 3, softmax; SGD with momentum, on a staircase
"""

from functools import partial


def keras_net():
    import keras
    from keras import layers

    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, padding="same", name="conv_a")(inputs)
    x = layers.ReLU(name="relu_a")(x)
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="tanh", name="conv_b")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(5, activation="relu", name="hidden")(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5, staircase=True)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), "sparse_categorical_crossentropy")
    return model


def port(
    *,
    relu_first=True,
    is_symmetric=False,
    is_detached=False,
    frozen="",
    has_biases=False,
    momentum=0.9,
    steps=4,
    is_trained=True,
):
    """A port, which is right unless it is told otherwise.

    Args:
        relu_first: whether the first ReLU comes before the pool, as in Keras; both are right.
        is_symmetric: whether the second convolution pads both sides.
        is_detached: whether no gradient reaches the convolutions.
        frozen: name of a layer whose weights are not trained.
        has_biases: whether biases do not start at zero.
        momentum: of the optimizer.
        steps: of the staircase.
        is_trained: whether the port has an optimizer.
    """
    import torch
    from small_nets import Net
    from torch import nn
    from torch.nn import functional as F

    from torch_impl import Port, optim

    def run(net, x):
        x = net.conv_a(x)
        x = F.max_pool2d(F.relu(x), 2) if relu_first else F.relu(F.max_pool2d(x, 2))
        x = x if is_symmetric else F.pad(x, (0, 1, 0, 1))
        x = torch.tanh(net.conv_b(x)).movedim(1, -1).flatten(1)
        return net.head(F.relu(net.hidden(x.detach() if is_detached else x)))

    net = Net(
        run,
        conv_a=nn.Conv2d(2, 4, 3, padding=1),
        conv_b=nn.Conv2d(4, 6, 3, stride=2, padding=int(is_symmetric)),
        hidden=nn.Linear(24, 5),
        head=nn.Linear(5, 3),
    )
    for layer in (net.conv_a, net.conv_b, net.hidden, net.head):
        nn.init.xavier_uniform_(layer.weight)
        if not has_biases:
            nn.init.zeros_(layer.bias)
    if frozen:
        getattr(net, frozen).requires_grad_(False)
    if not is_trained:
        return Port(net, loss=nn.CrossEntropyLoss())
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = optim.SGD(trained, learning_rate=0.1, momentum=momentum)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.StepLR(optimizer, steps, gamma=0.5),
        scheduler_interval="step",
    )


right = port
relu_behind_pool = partial(port, relu_first=False)
padding = partial(port, is_symmetric=True)
padding_and_relu_behind_pool = partial(padding, relu_first=False)
padding_and_detached = partial(padding, is_detached=True)
frozen_without_optimizer = partial(port, frozen="hidden", is_trained=False)
padding_and_frozen = partial(padding, frozen="hidden", is_trained=False)
five_at_once = partial(padding_and_detached, has_biases=True, momentum=0.8, steps=5)
