"""torch.optim.SGD with momentum.

Its buffer does not contain the rate, so a cut of the rate acts on old steps too.
"""

from benchmarks.held_out.keras_side import Reference, keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, schedule, torch


def keras_model():
    x = inputs = keras.Input((19,))
    x = layers.Dense(31, activation="selu", kernel_initializer="lecun_normal")(x)
    x = layers.Dropout(0.15)(x)
    x = layers.Dense(23, activation="selu", kernel_initializer="lecun_normal")(x)
    model = keras.Model(inputs, layers.Dense(8)(x))
    model.compile(
        optimizers.SGD(0.03, momentum=0.875), losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return Reference(model, callbacks=[keras.callbacks.ReduceLROnPlateau(patience=4)])


def _port(make_optimizer):
    class SelfNormalizing(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(19, 31), nn.Linear(31, 23)])
            self.drop = nn.Dropout(p=0.15)
            self.classify = nn.Linear(23, 8)
            for layer in self.layers:
                s = layer.in_features**-0.5 / 0.87962566103423978
                nn.init.trunc_normal_(layer.weight, std=s, a=-2 * s, b=2 * s)
                nn.init.zeros_(layer.bias)
            nn.init.xavier_uniform_(self.classify.weight)
            nn.init.zeros_(self.classify.bias)

        def forward(self, x):
            x = self.drop(F.selu(self.layers[0](x)))
            return self.classify(F.selu(self.layers[1](x)))

    net = SelfNormalizing()
    optimizer = make_optimizer(net.parameters())
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        scheduler=schedule.ReduceLROnPlateau(optimizer, patience=4),
        target=lambda y: torch.as_tensor(y).long().flatten(),
    )


def right_port():
    class KerasSGD(torch.optim.Optimizer):
        def __init__(self, params, lr, momentum):
            super().__init__(params, {"lr": lr, "momentum": momentum})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        v = self.state[p].setdefault("velocity", torch.zeros_like(p))
                        v.mul_(group["momentum"]).sub_(group["lr"] * p.grad)
                        p.add_(v)

    return _port(lambda params: KerasSGD(params, lr=0.03, momentum=0.875))


def faulty_port():
    return _port(lambda params: torch.optim.SGD(params, lr=0.03, momentum=0.875))
