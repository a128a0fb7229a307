"""A self-normalising network for regression on tables, Huber loss, rate cut on plateaus.

Three mistakes.

Style: Kaggle tabular PyTorch: layers built in a loop into nn.Sequential, weights by a function for
net.apply. Mistakes: 1. hidden weights from an untruncated normal distribution (Keras's lecun_normal
is truncated); 2. SmoothL1Loss(beta=2) instead of Huber loss with delta 2 (half as large); 3.
torch's ReduceLROnPlateau with Keras's patience as it is.
"""


def keras_model():
    import keras
    from keras import layers

    from keras_impl import Reference

    model = keras.Sequential([keras.Input((10,)), layers.BatchNormalization(momentum=0.9)])
    for units in (32, 24):
        model.add(layers.Dense(units, activation="selu", kernel_initializer="lecun_normal"))
    model.add(layers.Dense(1))
    model.compile(keras.optimizers.Adam(1e-2), keras.losses.Huber(delta=2.0))
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=0.5, patience=3, min_delta=1e-4
    )
    return Reference(model, callbacks=[callback])


def _port(normal, criterion, plateau):
    import torch
    from torch import nn

    from torch_impl import Port, optim, schedule
    from torch_impl.layers import BatchNormalization

    def mlp(n_in, hidden, n_out):
        mods = [BatchNormalization(n_in, momentum=0.9)]
        for h in hidden:
            mods += [nn.Linear(n_in, h), nn.SELU()]
            n_in = h
        return nn.Sequential(*mods, nn.Linear(n_in, n_out))

    def init_selu(m):
        if isinstance(m, nn.Linear):
            if m.out_features == 1:
                nn.init.xavier_uniform_(m.weight)
            else:
                normal(nn.init, m.weight, m.in_features**-0.5)
            nn.init.zeros_(m.bias)

    net = mlp(10, (32, 24), 1)
    net.apply(init_selu)
    loss = criterion(nn)
    optimizer = optim.Adam(net.parameters(), learning_rate=1e-2)
    return Port(
        net,
        loss=lambda out, y: loss(out, y.view_as(out)),
        optimizer=optimizer,
        scheduler=plateau(optimizer, schedule, torch.optim.lr_scheduler),
        monitor="val_loss",
    )


def _truncated(init, weight, std):
    std = std / 0.87962566103423978
    init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def right_port():
    return _port(
        _truncated,
        lambda nn: nn.HuberLoss(delta=2.0),
        lambda opt, ours, theirs: ours.ReduceLROnPlateau(
            opt, factor=0.5, patience=3, min_delta=1e-4
        ),
    )


def faulty_port():
    return _port(
        lambda init, weight, std: init.normal_(weight, std=std),
        lambda nn: nn.SmoothL1Loss(beta=2.0),
        lambda opt, ours, theirs: theirs.ReduceLROnPlateau(
            opt, factor=0.5, patience=3, threshold=1e-4, threshold_mode="abs", eps=0.0
        ),
    )
