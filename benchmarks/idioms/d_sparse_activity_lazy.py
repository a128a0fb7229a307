"""Regression on images with an activity regulariser and kernel penalties.

Style: nn.LazyConv2d / nn.LazyLinear with a dry run, the activation kept by a forward hook, all
penalties in the loss function. Mistake of the twin: the L2 penalty is summed over all parameters,
biases included.
"""


def keras_model():
    import keras
    from keras import layers, regularizers

    model = keras.Sequential(
        [
            keras.Input((14, 14, 3)),
            layers.Conv2D(
                8,
                3,
                strides=2,
                activation="relu",
                activity_regularizer=regularizers.L1(1e-3),
                kernel_regularizer=regularizers.L2(1e-2),
            ),
            layers.Flatten(),
            layers.Dense(24, activation="relu", kernel_regularizer=regularizers.L2(1e-2)),
            layers.Dense(1, kernel_regularizer=regularizers.L2(1e-2)),
        ]
    )
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.8), loss="mse")
    return model


def _port(all_parameters):
    import torch
    from torch import nn

    from torch_impl import Port

    net = nn.Sequential()
    net.add_module("conv", nn.LazyConv2d(8, 3, stride=2))
    net.add_module("act", nn.ReLU())
    net.add_module("flat", nn.Flatten())
    net.add_module("hidden", nn.LazyLinear(24))
    net.add_module("act2", nn.ReLU())
    net.add_module("out", nn.LazyLinear(1))
    net(torch.zeros(1, 3, 14, 14))
    for name, p in net.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(p)
        else:
            nn.init.xavier_uniform_(p)

    seen = {}
    net.act.register_forward_hook(lambda module, args, output: seen.update(act=output))

    def loss(out, y):
        mse = ((out - y.reshape(out.shape)) ** 2).mean()
        sparsity = seen["act"].abs().sum() / len(seen["act"])
        decayed = (
            net.parameters()
            if all_parameters
            else (p for n, p in net.named_parameters() if n.endswith("weight"))
        )
        return mse + 1e-3 * sparsity + 1e-2 * sum(p.square().sum() for p in decayed)

    return Port(
        net,
        loss=loss,
        optimizer=torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.8),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
