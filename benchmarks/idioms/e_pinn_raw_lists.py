"""A tanh network for u(x, t), as physics-informed networks use it, with clipping by the.

Global norm.

Style: raw nn.ParameterLists of weights and biases in (in, out) form, torch.addmm in a loop, a
rescaling of the inputs to [-1, 1] by registered bounds, clipping by a helper of its own. The twin's
mistake: the helper clips every gradient by its own norm instead of by the norm of all of them.
"""

import itertools


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((2,))
    h = layers.Rescaling(0.5, offset=-0.25)(inputs)
    for i in range(3):
        h = layers.Dense(
            20, activation="tanh", kernel_initializer="glorot_normal", name=f"hidden_{i}"
        )(h)
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="glorot_normal", name="u")(h))
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=0.5), "mse")
    return model


def _port(clip):
    import torch
    from torch import nn

    from torch_impl import Port, optim

    class NeuralNet(nn.Module):
        def __init__(self, layers=(2, 20, 20, 20, 1), lb=-1.5, ub=2.5):
            super().__init__()
            self.register_buffer("lb", torch.tensor([lb, lb]))
            self.register_buffer("ub", torch.tensor([ub, ub]))
            self.weights = nn.ParameterList()
            self.biases = nn.ParameterList()
            for n_in, n_out in itertools.pairwise(layers):
                self.weights.append(nn.Parameter(self.xavier_init(n_in, n_out)))
                self.biases.append(nn.Parameter(torch.zeros(1, n_out)))

        @staticmethod
        def xavier_init(n_in, n_out):
            std = (2 / (n_in + n_out)) ** 0.5 / 0.87962566103423978
            return nn.init.trunc_normal_(torch.empty(n_in, n_out), std=std, a=-2 * std, b=2 * std)

        def forward(self, X):
            H = 2.0 * (X - self.lb) / (self.ub - self.lb) - 1.0
            for W, b in zip(self.weights[:-1], self.biases[:-1], strict=False):
                H = torch.tanh(torch.addmm(b, H, W))
            return torch.addmm(self.biases[-1], H, self.weights[-1])

    net = NeuralNet()

    def load(net, weights):
        names = ["hidden_0", "hidden_1", "hidden_2", "u"]
        for name, W, b in zip(names, net.weights, net.biases, strict=False):
            W.data.copy_(torch.from_numpy(weights[name + ".kernel"]))
            b.data.copy_(torch.from_numpy(weights[name + ".bias"])[None])

    return Port(
        net,
        loss=lambda u, y: torch.mean((y - u) ** 2),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        before_step=clip,
        load=load,
    )


def _clip_all(net, limit=0.5):
    grads = [p.grad for p in net.parameters()]
    norm = sum(g.pow(2).sum() for g in grads).sqrt()
    if norm > limit:
        for g in grads:
            g.mul_(limit / norm)


def _clip_each(net, limit=0.5):
    for p in net.parameters():
        norm = p.grad.pow(2).sum().sqrt()
        if norm > limit:
            p.grad.mul_(limit / norm)


def right_port():
    return _port(_clip_all)


def faulty_port():
    return _port(_clip_each)
