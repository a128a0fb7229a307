"""RMSprop with momentum, handwritten: epsilon is outside the root, in Keras it is inside."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, ports, torch


def keras_model():
    model = keras_sequential(
        keras.Input((21, 17, 3)),
        layers.ZeroPadding2D(1),
        layers.Conv2D(12, 3, strides=2, activation="relu"),
        layers.Conv2D(15, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(4),
    )
    model.compile(
        optimizers.RMSprop(4e-4, rho=0.95, momentum=0.4, epsilon=1e-5),
        losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(denominator):
    class RMSpropTF(torch.optim.Optimizer):
        """RMSprop as in TensorFlow: the momentum buffer holds steps with their rate."""

        def __init__(self, params, lr, rho, momentum, eps):
            super().__init__(params, {"lr": lr, "rho": rho, "momentum": momentum, "eps": eps})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if not state:
                        state["square_avg"] = torch.zeros_like(p)
                        state["buf"] = torch.zeros_like(p)
                    v, buf, rho = state["square_avg"], state["buf"], group["rho"]
                    v.mul_(rho).addcmul_(p.grad, p.grad, value=1 - rho)
                    buf.mul_(group["momentum"])
                    buf.add_(group["lr"] * p.grad / denominator(v, group["eps"]))
                    p.sub_(buf)

    net = nn.Sequential(
        nn.Conv2d(3, 12, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 15, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(15 * 5 * 4, 4),
    )
    keras_init(net)
    optimizer = RMSpropTF(net.parameters(), lr=4e-4, rho=0.95, momentum=0.4, eps=1e-5)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


right_port, faulty_port = ports(
    _port, lambda v, eps: (v + eps).sqrt(), lambda v, eps: v.sqrt() + eps
)
