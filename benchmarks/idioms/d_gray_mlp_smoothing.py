"""MLP on one-channel images, one-hot labels with label smoothing, Nesterov's momentum.

Style: raw nn.Parameters in Keras's layout (in, out), F.linear with the transpose, integer labels
from the one-hot ones, a hand-written smoothed loss. Mistake of the twin: the smoothing is spread
over the other K - 1 classes only.
"""

K = 9


def keras_model():
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((14, 14, 1)),
            layers.Flatten(),
            layers.Dense(64, activation="relu", kernel_initializer="he_normal"),
            layers.Dropout(0.3),
            layers.Dense(32, activation="relu", kernel_initializer="he_normal"),
            layers.Dense(K),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
    )
    return model


def _port(others_only):
    import math

    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port

    def he_normal(rows, cols):
        std = math.sqrt(2.0 / rows) / 0.87962566103423978
        return nn.init.trunc_normal_(torch.empty(rows, cols), 0.0, std, -2 * std, 2 * std)

    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.w1 = nn.Parameter(he_normal(196, 64))
            self.b1 = nn.Parameter(torch.zeros(64))
            self.w2 = nn.Parameter(he_normal(64, 32))
            self.b2 = nn.Parameter(torch.zeros(32))
            self.w3 = nn.Parameter(nn.init.xavier_uniform_(torch.empty(32, K)))
            self.b3 = nn.Parameter(torch.zeros(K))

        def forward(self, x):
            x = x.view(x.size(0), -1)
            x = F.linear(x, self.w1.t(), self.b1).relu()
            x = F.dropout(x, 0.3, self.training)
            x = F.linear(x, self.w2.t(), self.b2).relu()
            return F.linear(x, self.w3.t(), self.b3)

    def smoothed(out, y, eps=0.1):
        labels = y.argmax(1)
        logp = out.log_softmax(1)
        hit = logp.gather(1, labels[:, None]).squeeze(1)
        if others_only:
            return -((1 - eps) * hit + eps / (K - 1) * (logp.sum(1) - hit)).mean()
        return -((1 - eps) * hit + eps / K * logp.sum(1)).mean()

    net = MLP()
    return Port(
        net,
        loss=smoothed,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
