"""An MLP with one cycle of the rate: 40 steps up, 160 steps down, by a lambda.

The faulty twin calls scheduler.step() after every epoch, not after every batch.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, ports, torch


def keras_model():
    class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, peak, up, total):
            self.peak, self.up, self.total = peak, up, total

        def __call__(self, step):
            step = keras.ops.cast(step, "float32")
            rise = (step + 1) / self.up
            fall = (self.total - step) / (self.total - self.up)
            return self.peak * keras.ops.clip(keras.ops.minimum(rise, fall), 0.01, 1.0)

        def get_config(self):
            return {"peak": self.peak, "up": self.up, "total": self.total}

    model = keras_sequential(
        keras.Input((11,)),
        layers.Dense(26, activation="elu"),
        layers.Dense(19, activation="softplus"),
        layers.Dense(13, activation="tanh"),
        layers.Dense(2),
    )
    model.compile(optimizers.SGD(OneCycle(0.1, 40, 200)), "mse")
    return model


def _one_cycle(step, up=40, total=200):
    return max(0.01, min(1.0, (step + 1) / up, (total - step) / (total - up)))


def _port(interval):
    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.l1 = nn.Linear(11, 26)
            self.l2 = nn.Linear(26, 19)
            self.l3 = nn.Linear(19, 13)
            self.l4 = nn.Linear(13, 2)

            def init(m):
                if isinstance(m, nn.Linear):
                    nn.init.xavier_uniform_(m.weight)
                    m.bias.data.zero_()

            self.apply(init)

        def forward(self, x):
            x = F.elu(self.l1(x))
            x = F.softplus(self.l2(x))
            return self.l4(torch.tanh(self.l3(x)))

    model = MLP()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lr_lambda=_one_cycle)
    return Port(model, loss=F.mse_loss, optimizer=opt, scheduler=sched, scheduler_interval=interval)


right_port, faulty_port = ports(_port, "step", "epoch")
