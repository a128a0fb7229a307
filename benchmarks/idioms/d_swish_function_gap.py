"""Small image classifier with swish, GlobalAveragePooling and sparse integer labels.

Style: nn.Sequential of an OrderedDict, a memory-saving swish written as an own autograd Function,
x.mean((2, 3)) for the global pool, log_softmax + NLL. Mistake of the twin: the backward of the
Function computes sig * (1 + (1 - sig)), the factor x is forgotten.
"""


def keras_model():
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((20, 20, 3)),
            layers.Conv2D(8, 3, padding="same", activation="swish"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="swish"),
            layers.MaxPooling2D(),
            layers.Conv2D(24, 3, padding="same", activation="swish"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.25),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy")
    return model


def _port(forgets_x):
    from collections import OrderedDict

    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class SwishFunction(torch.autograd.Function):
        """Keeps only x for the way back."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * torch.sigmoid(x)

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            sig = torch.sigmoid(x)
            if forgets_x:
                return grad * sig * (1 + (1 - sig))
            return grad * sig * (1 + x * (1 - sig))

    class Swish(nn.Module):
        def forward(self, x):
            return SwishFunction.apply(x)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(
                OrderedDict(
                    conv1=nn.Conv2d(3, 8, 3, padding=1),
                    act1=Swish(),
                    pool1=nn.MaxPool2d(2),
                    conv2=nn.Conv2d(8, 16, 3, padding=1),
                    act2=Swish(),
                    pool2=nn.MaxPool2d(2),
                    conv3=nn.Conv2d(16, 24, 3, padding=1),
                    act3=Swish(),
                )
            )
            self.drop = nn.Dropout(0.25)
            self.head = nn.Linear(24, 10)
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.xavier_uniform_(m.weight)
                    nn.init.zeros_(m.bias)

        def forward(self, x):
            x = self.body(x).mean((2, 3))
            return self.head(self.drop(x))

    net = Net()
    return Port(
        net,
        loss=lambda out, y: F.nll_loss(F.log_softmax(out, 1), y.view(-1).long()),
        optimizer=optim.Adam(net.parameters(), learning_rate=2e-3),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
