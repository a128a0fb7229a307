"""Ports of the models in weight_files, each written in another style."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port, layers, optim


class Named(nn.Module):
    """Other names than Keras's, in another order."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6, 5)
        self.b = nn.Linear(6, 6)
        self.a = nn.Linear(6, 6)
        self.fc = nn.Linear(36, 6)
        self.stem = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4, eps=1e-3)

    def seen(self, x):
        x = F.max_pool2d(self.bn(F.relu(self.stem(x))), 2)
        return F.relu(self.fc(x.flatten(1)))

    def forward(self, x):
        x = self.seen(x)
        return self.head(self.a(x) - self.b(x)).softmax(-1)


class Exchanged(Named):
    """The same, but the names of two layers of one shape are exchanged."""

    def forward(self, x):
        x = self.seen(x)
        return self.head(self.b(x) - self.a(x)).softmax(-1)


class Logits(Named):
    def forward(self, x):
        x = self.seen(x)
        return self.head(self.a(x) - self.b(x))


class Listed(nn.Module):
    """A ModuleList, and a view in the place of a flatten."""

    def __init__(self):
        super().__init__()
        self.dense = nn.ModuleList([nn.Linear(*size) for size in [(6, 5), (6, 6), (36, 6), (6, 6)]])
        self.conv = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=1e-3)])

    def forward(self, x):
        x = F.max_pool2d(self.conv[1](F.relu(self.conv[0](x))), 2)
        x = F.relu(self.dense[2](x.reshape(len(x), -1)))
        return self.dense[0](self.dense[3](x) - self.dense[1](x)).softmax(-1)


class Stored(Named):
    """Dense kernels are parameters of the module itself, in Keras's layout."""

    def __init__(self):
        super().__init__()
        del self.a, self.b
        self.w = nn.ParameterDict({n: nn.Parameter(torch.randn(6, 6)) for n in ("p", "q")})
        self.p_bias, self.q_bias = nn.Parameter(torch.randn(6)), nn.Parameter(torch.randn(6))

    def forward(self, x):
        x = self.seen(x)
        one, two = x @ self.w["p"] + self.p_bias, x @ self.w["q"] + self.q_bias
        return self.head(one - two).softmax(-1)


class Buffered(Named):
    """A buffer too many, which the output does not need."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x):
        return super().forward(x) * self.scale


def named_with(**layers):
    """The same with other layers than those that it needs."""
    net = Named()
    for name, layer in layers.items():
        net.add_module(name, layer)
    return net


class Tied(Named):
    """One layer where Keras has two."""

    def __init__(self):
        super().__init__()
        self.b = self.a


class Last(Named):
    """Takes Keras's layout, and turns it by itself."""

    def forward(self, x):
        return super().forward(x.permute(0, 3, 1, 2))


class Words(nn.Module):
    """torch's own recurrent layers, and its attention."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(11, 6)
        self.both = nn.LSTM(6, 4, batch_first=True, bidirectional=True)
        self.memory = nn.GRU(8, 5, batch_first=True)
        self.normal = nn.LayerNorm(5, eps=1e-3)
        self.small = nn.Linear(5, 3)
        self.inner = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.BatchNorm1d(4, eps=1e-3))
        self.out = nn.Linear(4, 2)
        self.attend()

    def attend(self):
        self.q, self.k, self.v = (nn.Linear(5, 6) for _ in range(3))
        self.o = nn.Linear(6, 5)

    def looked(self, x):
        return self.attention(self.q(x), self.k(x), self.v(x))

    def attention(self, q, k, v):
        q, k, v = (y.unflatten(-1, (2, 3)).transpose(1, 2) for y in (q, k, v))
        return self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def forward(self, word):
        x, _ = self.both(self.table(word))
        x, _ = self.memory(x)
        x = self.small(self.normal(x + self.looked(x))).mean(1)
        return self.out(self.inner(x))


class Fused(Words):
    """One layer for query, key and value."""

    def attend(self):
        self.qkv = nn.Linear(5, 18)
        self.o = nn.Linear(6, 5)

    def looked(self, x):
        return self.attention(*self.qkv(x).chunk(3, -1))


def rows():
    return nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 4))


def rows_exchanged():
    """The same modules; the last two are called in another order."""

    class Turned(nn.Sequential):
        def forward(self, x):
            return self[2](self[3](self[1](self[0](x))))

    return Turned(*rows())


def trained(net, **settings):
    return Port(net, optimizer=optim.SGD(net.parameters(), learning_rate=0.01, **settings))


def rows_port():
    return trained(rows(), momentum=0.9)


def images_port():
    net = Named()
    net.bn = layers.BatchNormalization(4)  # whose moving statistics are Keras's
    return Port(net, optimizer=optim.Adam(net.parameters(), learning_rate=0.001))


def words_port():
    net = Words()
    net.inner[2] = layers.BatchNormalization(4)
    for name, parameter in net.both.named_parameters():
        parameter.requires_grad_("bias_hh" not in name)  # Keras has one bias, and so one step
    rate = {"learning_rate": 0.001, "momentum": 0.9, "centered": True}
    return Port(net, optimizer=optim.RMSprop(net.parameters(), **rate))


def loading():
    """A port that puts the weights in by itself."""

    def load(net, weights):
        for layer, name in (("stem", "conv"), ("fc", "wide"), ("a", "first"), ("b", "second")):
            _put(getattr(net, layer), weights, name)
        _put(net.head, weights, "last")
        rows = torch.from_numpy(weights["wide.kernel"]).view(3, 3, 4, 6).permute(2, 0, 1, 3)
        net.fc.weight.copy_(rows.reshape(36, 6).T)
        names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean"}
        for own, name in {**names, "running_var": "moving_variance"}.items():
            getattr(net.bn, own).copy_(torch.from_numpy(weights[f"norm.{name}"]))

    return Port(Named(), load=load)


def _put(module, weights, name):
    kernel = torch.from_numpy(weights[f"{name}.kernel"])
    module.weight.copy_(kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T)
    module.bias.copy_(torch.from_numpy(weights[f"{name}.bias"]))


# Style -> (model, factory): each holds all weights, and computes what Keras does.
PORTS = {"images": images_port, "words": words_port, "rows": rows_port}
RIGHT = {
    "other names": ("images", Named),
    "exchanged names": ("images", Exchanged),
    "logits": ("images", Logits),
    "a list of modules": ("images", Listed),
    "kernels in Keras's layout": ("images", Stored),
    "a buffer too many": ("images", Buffered),
    "channels last": ("images", Last),
    "a load of its own": ("images", loading),
    "torch's recurrent layers": ("words", Words),
    "one layer for query, key and value": ("words", Fused),
    "a Sequential": ("rows", rows),
    "another order of calls": ("rows", rows_exchanged),
}
# Style -> (model, factory, what is told).
WRONG = {
    "a parameter too many": (
        "images",
        lambda: named_with(more=nn.Linear(6, 6)),
        "more.weight, more.bias are filled by no weight",
    ),
    "a bias too few": (
        "images",
        lambda: named_with(a=nn.Linear(6, 6, bias=False)),
        "first.bias has no place",
    ),
    "one layer for two": ("images", Tied, "b.weight, b.bias are filled by two weights each"),
}
