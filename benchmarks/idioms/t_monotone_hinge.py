"""A classifier that is monotone in its hidden units: NonNeg weights, a hinge loss.

The faulty twin forgets the constraint, does not turn labels 0 and 1 into -1 and 1, and draws
normal weights with deviation 1, where Keras's "random_normal" has 0.05.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, nn, torch


def keras_model():
    model = keras_sequential(
        keras.Input((15,)),
        layers.Dense(22, activation="tanh", kernel_initializer="random_normal"),
        layers.Dense(12, activation="sigmoid", kernel_constraint="non_neg"),
        layers.Dense(1),
    )
    model.compile(optimizers.SGD(0.1), "hinge")
    return model


def _port(std, signed, clamp):
    class MonotoneNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(15, 22)
            self.fc2 = nn.Linear(22, 12)
            self.fc3 = nn.Linear(12, 1)
            nn.init.normal_(self.fc1.weight, **std)
            nn.init.xavier_uniform_(self.fc2.weight)
            nn.init.xavier_uniform_(self.fc3.weight)
            for fc in (self.fc1, self.fc2, self.fc3):
                nn.init.zeros_(fc.bias)

        def forward(self, x):
            return self.fc3(torch.sigmoid(self.fc2(torch.tanh(self.fc1(x)))))

    class ClampingSGD(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure=None):
            super().step(closure)
            if clamp:
                net.fc2.weight.clamp_(min=0)

    def hinge(scores, y):
        y = y.to(scores.dtype).view_as(scores)
        return torch.relu(1 - (2 * y - 1 if signed else y) * scores).mean()

    net = MonotoneNet()
    return Port(net, loss=hinge, optimizer=ClampingSGD(net.parameters(), lr=0.1))


def right_port():
    return _port({"std": 0.05}, True, True)


def faulty_port():
    return _port({}, False, False)
