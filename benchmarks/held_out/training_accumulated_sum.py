"""Gradients of three accumulated steps are summed; Keras takes their mean."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, nn, ports, torch, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((13,)),
        layers.Dense(20, activation="selu"),
        layers.Dense(20, activation="tanh"),
        layers.Dense(4, activation="softmax"),
    )
    model.compile(optimizers.SGD(0.06, gradient_accumulation_steps=3), "categorical_crossentropy")
    return model


def _port(divisor):
    class AccumulatingSGD(torch.optim.SGD):
        def __init__(self, params, lr, every):
            super().__init__(params, lr=lr)
            self.every, self.count, self.sums = every, 0, {}

        @torch.no_grad()
        def step(self, closure=None):
            self.count += 1
            parameters = [p for group in self.param_groups for p in group["params"]]
            for p in parameters:
                if p.grad is not None:
                    self.sums[p] = self.sums.get(p, 0) + p.grad.clone()
            if self.count % self.every:
                return
            for p in parameters:
                if p in self.sums:
                    p.grad = self.sums[p] / divisor
            super().step()
            self.sums = {}

    net = torch_sequential(
        nn.Linear(13, 20), nn.SELU(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 4)
    )
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),  # takes one-hot rows
        optimizer=AccumulatingSGD(net.parameters(), lr=0.06, every=3),
    )


right_port, faulty_port = ports(_port, 3, 1)
