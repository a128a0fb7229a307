"""Distillation into a residual MLP with identity shortcuts; ReduceLROnPlateau on the loss.

The faulty twin has no ReLU behind the shortcuts, kl_div with reduction="mean", and the patience of
Keras in torch's scheduler, which waits for one epoch more.
"""

from benchmarks.held_out.keras_side import Reference, keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, ports, torch


def keras_model():
    def res_block(x):
        y = layers.Dense(20, activation="relu")(x)
        y = layers.Dense(20)(y)
        return layers.ReLU()(layers.Add()([x, y]))

    student_in = keras.Input((9,))
    x = layers.Dense(20, activation="relu")(student_in)
    x = res_block(res_block(x))
    model = keras.Model(student_in, layers.Dense(6, activation="softmax")(x))
    model.compile(optimizers.SGD(0.06), losses.KLDivergence())
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3)
    return Reference(model, callbacks=[plateau])


def _port(rectify, reduction, patience):
    class ResBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(20, 20)
            self.fc2 = nn.Linear(20, 20)

        def forward(self, x):
            out = x + self.fc2(torch.relu(self.fc1(x)))
            return torch.relu(out) if rectify else out

    class Student(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Linear(9, 20)
            self.blocks = nn.Sequential(ResBlock(), ResBlock())
            self.head = nn.Linear(20, 6)

        def forward(self, x):
            return F.softmax(self.head(self.blocks(torch.relu(self.stem(x)))), dim=1)

    def kl(p, y):
        p, y = p.clamp(1e-7, 1), y.to(p.dtype).clamp(1e-7, 1)
        return F.kl_div(p.log(), y, reduction=reduction)

    net = keras_init(Student())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.06)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience, threshold=1e-4, threshold_mode="abs", eps=0
    )
    return Port(net, loss=kl, optimizer=optimizer, scheduler=scheduler)


right_port, faulty_port = ports(
    _port,
    {"rectify": True, "reduction": "batchmean", "patience": 2},
    {"rectify": False, "reduction": "mean", "patience": 3},
)
