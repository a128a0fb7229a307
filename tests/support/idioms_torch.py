"""Right ports of the models in `idioms_keras.py`, in the ways in which people write PyTorch.

A name is that of the Keras model and, behind "__", of the way.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from torch_impl import Port, optim


def _port(net, **given):
    trained = [weight for weight in _keras_biases(net).parameters() if weight.requires_grad]
    optimizer = optim.Adam(trained, learning_rate=1e-3)
    return Port(net, loss=nn.MSELoss(), optimizer=optimizer, **given)


def _keras_biases(net):
    """Keras's recurrent layers have one bias, torch's two: the second one stays zero."""
    for module in net.modules():
        for name, weight in module.named_parameters(recurse=False):
            if name.startswith("bias_hh") and not isinstance(module, nn.GRU):
                weight.requires_grad_(False).zero_()
    return net


def _param(*shape):
    return nn.Parameter(torch.randn(*shape) * 0.3)


class Dense(nn.Module):
    """Raw parameters of every form."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.fc = nn.Linear(6, 6)
        turned = way in ("turned", "linear")
        self.table = _param(5, 6) if turned else _param(6, 5)
        self.shift = _param(5)
        self.last = nn.Parameter(torch.randn(5, 3))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        x = F.relu(F.linear(x, self.fc.weight, self.fc.bias))
        if self.way == "linear":
            x = F.linear(x, self.table, self.shift)
        elif self.way == "turned":
            x = x @ self.table.T + self.shift
        elif self.way == "matmul":
            x = torch.matmul(x, self.table) + self.shift
        elif self.way == "addmm":
            x = torch.addmm(self.shift, x, self.table)
        elif self.way == "einsum":
            x = torch.einsum("ni,io->no", x, self.table) + self.shift
        elif self.way == "tensordot":
            x = torch.tensordot(x, self.table, dims=1) + self.shift
        return x @ self.last + self.bias


def dense__linear():
    return _port(Dense("linear"))


def dense__turned():
    return _port(Dense("turned"))


def dense__matmul():
    return _port(Dense("matmul"))


def dense__addmm():
    return _port(Dense("addmm"))


def dense__einsum():
    return _port(Dense("einsum"))


def dense__tensordot():
    return _port(Dense("tensordot"))


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.kernel, self.shift = _param(4, 4, 3, 3), _param(4)
        self.gamma, self.beta = nn.Parameter(torch.ones(4)), nn.Parameter(torch.zeros(4))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("var", torch.ones(4))
        self.fc = nn.Linear(80, 3)

    def forward(self, x):
        x = F.relu(F.conv2d(x, self.conv.weight, self.conv.bias))
        x = F.conv2d(x, self.kernel, self.shift)
        x = F.batch_norm(
            x, self.mean, self.var, self.gamma, self.beta, self.training, momentum=0.01, eps=1e-3
        )
        return self.fc(x.flatten(1))


def conv__functions():
    return _port(Conv())


class OwnNorm(nn.modules.batchnorm._BatchNorm):
    def _check_input_dim(self, x):
        pass


class KerasNorm(nn.modules.batchnorm._BatchNorm):
    """Moving statistics by Keras's rule."""

    def _check_input_dim(self, x):
        pass

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        axes = [0, *range(2, x.ndim)]
        mean, var = x.mean(axes, keepdim=True), x.var(axes, unbiased=False, keepdim=True)
        with torch.no_grad():
            self.running_mean += self.momentum * (mean.flatten() - self.running_mean)
            self.running_var += self.momentum * (var.flatten() - self.running_var)
        weight, bias = (w.view(mean.shape) for w in (self.weight, self.bias))
        return (x - mean) / torch.sqrt(var + self.eps) * weight + bias


def _conv_net(norm, *, lazy=False):
    if lazy:
        return nn.Sequential(
            *(nn.LazyConv2d(4, 3), nn.ReLU(), nn.LazyConv2d(4, 3), norm),
            *(nn.Flatten(), nn.LazyLinear(3)),
        )
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), norm),
        *(nn.Flatten(), nn.Linear(80, 3)),
    )


def conv__norm_subclass():
    return _port(_conv_net(KerasNorm(4, eps=1e-3, momentum=0.01)))


def conv__compiled():
    net = _conv_net(KerasNorm(4, eps=1e-3, momentum=0.01))
    port = _port(net)
    return Port(torch.compile(net), loss=port.loss, optimizer=port.optimizer)


def conv__compiled_inside():
    net = _conv_net(KerasNorm(4, eps=1e-3, momentum=0.01))
    net[2] = torch.compile(net[2])
    net[0].compile()
    return _port(net)


def conv__data_parallel():
    net = _conv_net(KerasNorm(4, eps=1e-3, momentum=0.01))
    return _port(nn.DataParallel(net))


def conv__lazy():
    net = _conv_net(KerasNorm(4, eps=1e-3, momentum=0.01), lazy=True)
    net.eval()(torch.zeros(1, 3, 9, 8))
    return _port(net)


def conv__lazy_without_dry_run():
    net = _conv_net(KerasNorm(4, eps=1e-3, momentum=0.01), lazy=True)
    return Port(net, loss=nn.MSELoss())


class Viewed(nn.Module):
    def __init__(self, shape=(4, 2, 2)):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 4, 2)
        self.fc = nn.Linear(4 * 2 * 2, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.a(x)), 2)
        x = F.relu(self.b(x))
        return self.fc(x.view(x.size(0), -1))


def one_channel__view():
    return _port(Viewed())


def one_channel__own_feed():
    return _port(Viewed(), feed=lambda x: torch.from_numpy(x).permute(0, 3, 1, 2))


class ViewedLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)
        self.fc = nn.Linear(64, 3)

    def forward(self, x):
        x = F.relu(self.b(F.relu(self.a(x))))
        return self.fc(x.view(len(x), -1))


def one_channel_autoencoder__view():
    return _port(ViewedLast())


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.b = _param(8, 6), _param(8)
        self.ln_w, self.ln_b = nn.Parameter(torch.ones(8)), nn.Parameter(torch.zeros(8))
        self.bn = KerasNorm(8, eps=1e-5, momentum=0.1)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = F.linear(x, self.w, self.b)
        x = F.layer_norm(x, (8,), self.ln_w, self.ln_b, 1e-5)
        x = self.bn(x.transpose(1, 2)).transpose(1, 2)
        return self.fc(x.mean(1))


def norms__functions():
    return _port(Norms(), feed=torch.from_numpy)


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = _param(11, 5)
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        return self.fc(F.embedding(x.long(), self.table).mean(1))


def tokens__functions():
    return _port(Tokens())


class Recurrent(nn.Module):
    """A recurrent module of several layers, and a head on its last step."""

    def __init__(self, net, *, sequences=False, time_first=False, last="output"):
        super().__init__()
        self.rnn = net
        self.fc = nn.Linear(4 * (2 if net.bidirectional else 1), 3)
        self.sequences, self.time_first, self.last = sequences, time_first, last

    def forward(self, x):
        x = x.transpose(0, 1) if self.time_first else x
        x, states = self.rnn(x)
        x = x.transpose(0, 1) if self.time_first else x
        if self.sequences:
            return self.fc(x)
        if self.last == "states":
            states = states[0] if isinstance(states, tuple) else states
            return self.fc(
                torch.cat([states[-2], states[-1]], 1) if self.rnn.bidirectional else states[-1]
            )
        return self.fc(x[:, -1])


def lstm__two():
    return _port(Recurrent(nn.LSTM(5, 4, 2, batch_first=True)))


def lstm__time_first():
    return _port(Recurrent(nn.LSTM(5, 4, 2), time_first=True, last="states"))


def lstm__one_by_one():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.LSTM(5, 4), nn.LSTM(4, 4)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            x, _ = self.a(x.permute(1, 0, 2))
            _, (h, _) = self.b(x)
            return self.fc(h.squeeze(0))

    return _port(Net())


def lstm__cells():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.LSTMCell(5, 4), nn.LSTMCell(4, 4)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            a = b = (x.new_zeros(len(x), 4), x.new_zeros(len(x), 4))
            for step in x.unbind(1):
                a = self.a(step, a)
                b = self.b(a[0], b)
            return self.fc(b[0])

    return _port(Net())


def lstm_dropout__three():
    return _port(Recurrent(nn.LSTM(5, 4, 3, batch_first=True, dropout=0.4), last="states"))


def gru__two():
    return _port(Recurrent(nn.GRU(5, 4, 2, batch_first=True)))


def gru_dropout__three():
    return _port(Recurrent(nn.GRU(5, 4, 3, dropout=0.4), time_first=True, sequences=True))


def rnn_bidirectional__two():
    net = nn.RNN(5, 4, 2, batch_first=True, bidirectional=True)
    return _port(Recurrent(net, last="states"))


def lstm_bidirectional__three():
    net = nn.LSTM(5, 4, 3, batch_first=True, bidirectional=True, dropout=0.3)
    return _port(Recurrent(net, last="states"))


def one_lstm__time_first():
    return _port(Recurrent(nn.LSTM(5, 4), time_first=True, sequences=True))


class Scale(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(*shape))

    def forward(self, x):
        return x * self.gamma


def layer_scale__modules():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.sa = nn.Linear(6, 6), Scale(6)
            self.b, self.sb = nn.Linear(6, 6), Scale(6)
            self.fc = nn.Linear(6, 3)

        def forward(self, x):
            return self.fc(self.sb(F.relu(self.b(self.sa(self.a(x))))).mean(1))

    return _port(Net(), feed=torch.from_numpy)


def layer_scale__parameters():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first = _param(6), _param(6)  # in another order than they are used
            self.a, self.b, self.fc = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            x = self.a(x).mul(self.first)
            return self.fc((F.relu(self.b(x)) * self.second).mean(1))

    return _port(Net(), feed=torch.from_numpy)


def layer_scale_of_images__shaped():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
            self.ls1, self.ls2 = _param(4, 1, 1), _param(4)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            x = self.b(self.a(x) * self.ls1) * self.ls2.view(1, -1, 1, 1)
            return self.fc(x.mean((2, 3)))

    return _port(Net())


def vit__parameters():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 6, 4, 4)
            self.cls_token, self.pos = _param(1, 1, 6), _param(1, 5, 6)
            self.norm, self.mlp, self.ls = nn.LayerNorm(6, eps=1e-6), nn.Linear(6, 6), _param(6)
            self.head = nn.Linear(30, 3)

        def forward(self, x):
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos
            x = F.gelu(self.mlp(self.norm(x))) * self.ls
            return self.head(x.flatten(1))

    return _port(Net())


class OwnDense(nn.Module):
    def __init__(self, *, turned):
        super().__init__()
        self.turned = turned
        self.weight, self.b = _param(5, 5), _param(5)

    def forward(self, x):
        w = self.weight.t() if self.turned else self.weight
        return torch.tanh(x @ w + self.b)


def own_dense__mixed():
    return _port(
        nn.Sequential(
            nn.Linear(6, 5), OwnDense(turned=True), OwnDense(turned=False), nn.Linear(5, 3)
        )
    )


def own_dense__linears():
    parts = [nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh()]
    return _port(nn.Sequential(nn.Linear(6, 5), *parts, nn.Linear(5, 3)))


def own_dense__load():
    net = nn.Sequential(
        nn.Linear(6, 5), OwnDense(turned=True), OwnDense(turned=False), nn.Linear(5, 3)
    )

    def load(net, weights):
        values = {name: torch.tensor(value) for name, value in weights.items()}
        for part, name in ((net[0], "dense"), (net[3], "dense_1")):
            part.weight.copy_(values[f"{name}.kernel"].T)
            part.bias.copy_(values[f"{name}.bias"])
        net[1].weight.copy_(values["own_dense.table"].T)
        net[2].weight.copy_(values["own_dense_1.table"])
        net[1].b.copy_(values["own_dense.shift"])
        net[2].b.copy_(values["own_dense_1.shift"])

    return _port(net, load=load)


def weight_norm__parametrized():
    net = nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 5)), nn.ReLU(), nn.Linear(5, 3))
    return _port(net)


def only_dense__root():
    return _port(nn.Linear(6, 3))


def only_dense__weight_norm():
    return Port(parametrizations.weight_norm(nn.Linear(6, 3)), loss=nn.MSELoss())


def only_dense__orthogonal():
    return Port(parametrizations.orthogonal(nn.Linear(6, 3)), loss=nn.MSELoss())


def shuffle__view():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.fc = nn.Conv2d(4, 6, 1), nn.Conv2d(6, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            x = self.a(x)
            n, c, h, w = x.size()
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
            return self.fc(F.relu(self.b(x)).mean([2, 3]))

    return _port(Net())


def sums__accumulated():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(n, 4, 3, padding=1) for n in (3, 4, 4))
            self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)

        def forward(self, x):
            total = 0
            for conv in self.convs:
                x = F.relu(conv(x))
                total = total + x
            return self.fc(torch.flatten(self.pool(total), 1))

    return _port(Net())


def repeat__broadcast():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.rnn, self.out = (
                nn.Linear(6, 4),
                nn.LSTM(4, 4, batch_first=True),
                nn.Linear(4, 3),
            )

        def forward(self, x):
            x = F.relu(self.fc(x)).unsqueeze(1).expand(-1, 5, -1)
            x, _ = self.rnn(x)
            return self.out(x.reshape(-1, 4)).view(len(x), 5, 3)

    return _port(Net())


def permuted__movedim():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.fc = nn.Linear(7, 5), nn.Linear(6, 4), nn.Linear(20, 3)

        def forward(self, x):
            x = F.relu(self.a(x.movedim(1, 2)))
            return self.fc(self.b(x.permute(0, 2, 1)).flatten(1))

    return _port(Net(), feed=torch.from_numpy)


def time_distributed__folded():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.rnn = nn.Conv2d(2, 3, 3), nn.GRU(18, 4, batch_first=True)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            n, t = x.shape[:2]
            x = F.max_pool2d(F.relu(self.conv(x.view(n * t, *x.shape[2:]))), 2)
            x = x.permute(0, 2, 3, 1).reshape(n, t, -1)
            return self.fc(self.rnn(x)[0][:, -1])

    return _port(Net(), feed=lambda x: torch.from_numpy(x).movedim(-1, 2).contiguous())


def limited__renorm(axis=0, limit=2.0):
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

    class Limited(optim.Adam):
        def step(self, closure=None):
            super().step(closure)
            with torch.no_grad():
                net[0].weight.copy_(torch.renorm(net[0].weight, 2, axis, limit))

    optimizer = Limited(net.parameters(), learning_rate=1e-3)
    return Port(net, loss=nn.MSELoss(), optimizer=optimizer)


class Sentences(nn.Module):
    """Reads each sentence by recurrent layers; their attributes are not in the order of the calls.

    Without `folded`, the sentences are read one after the other.
    """

    def __init__(self, folded):
        super().__init__()
        self.folded = folded
        self.both = nn.LSTM(5, 3, batch_first=True, bidirectional=True)
        self.above = nn.GRU(5, 5, batch_first=True)
        self.below = nn.GRU(5, 5, batch_first=True)
        self.dense = nn.Linear(6, 4)
        self.memory, self.fc = nn.GRU(4, 4, batch_first=True), nn.Linear(4, 3)

    def read(self, x):
        _, (h, _) = self.both(self.above(self.below(x)[0])[0])
        return torch.tanh(self.dense(torch.cat([h[0], h[1]], dim=1)))

    def forward(self, x):
        if self.folded:
            x = self.read(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        else:
            x = torch.stack([self.read(sentence) for sentence in x.unbind(1)], dim=1)
        return self.fc(self.memory(x)[0][:, -1])


def sentences__folded():
    return _port(Sentences(folded=True), feed=torch.from_numpy)


def sentences__in_turn():
    return _port(Sentences(folded=False), feed=torch.from_numpy)


def decoder__view():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.norm = nn.Linear(6, 60), KerasNorm(60, eps=1e-3, momentum=0.01)
            self.up, self.conv = nn.ConvTranspose2d(5, 4, 3, 2), nn.Conv2d(4, 2, 3)

        def forward(self, x):
            x = F.relu(self.norm(self.fc(x))).view(-1, 5, 4, 3)
            return torch.sigmoid(self.conv(F.relu(self.up(x))))

    return _port(Net(), target=lambda y: torch.from_numpy(y).movedim(-1, 1).contiguous())


def decoder__permuted():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.norm = nn.Linear(6, 60), KerasNorm(60, eps=1e-3, momentum=0.01)
            self.up, self.conv = nn.ConvTranspose2d(5, 4, 3, 2), nn.Conv2d(4, 2, 3)

        def forward(self, x):
            x = F.relu(self.norm(self.fc(x))).view(-1, 4, 3, 5).permute(0, 3, 1, 2)
            return torch.sigmoid(self.conv(F.relu(self.up(x))))

    return _port(Net(), target=lambda y: torch.from_numpy(y).movedim(-1, 1).contiguous())


def decoder_square__unflatten():
    net = nn.Sequential(
        *(nn.Linear(6, 64), nn.ReLU(), nn.Unflatten(1, (4, 4, 4))),
        *(nn.Conv2d(4, 2, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(8, 3)),
    )
    return _port(net)


class Pooled(nn.Module):
    def __init__(self, silu):
        super().__init__()
        self.a, self.b, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 2), nn.Linear(4, 3)
        self.silu = silu

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.a(x), 2))
        x = F.interpolate(self.silu(self.b(x)), scale_factor=2)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Silu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return slope * s * (1 + x * (1 - s))


def pooled__silu_by_hand():
    return _port(Pooled(lambda x: x * torch.sigmoid(x)))


def pooled__silu_function():
    return _port(Pooled(Silu.apply))


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.conv, self.out = nn.Linear(7, 5), nn.Conv2d(3, 4, 3), nn.Linear(53, 3)

    def forward(self, image, table):
        b = F.relu(self.fc(table))
        a = F.relu(self.conv(image)).flatten(1)
        return self.out(torch.cat([a, b], 1))


def two_branches__other_order():
    return _port(Branches())


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.value, self.query, self.key = nn.Linear(6, 8), nn.Linear(6, 8), nn.Linear(6, 8)
        self.out, self.norm, self.fc = nn.Linear(8, 6), nn.LayerNorm(6), nn.Linear(6, 3)

    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = (
            layer(x).view(n, t, 2, 4).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, 8)
        return self.fc(self.norm(x + self.out(y)).mean(1))


def attention__linears():
    return _port(Attention(), feed=torch.from_numpy)


class Towers(nn.Module):
    """Branches with names that tell nothing, the second one first."""

    def __init__(self):
        super().__init__()
        self.p, self.q = nn.Linear(6, 5), nn.Linear(6, 5)
        self.r, self.s = nn.Linear(5, 4), nn.Linear(5, 4)
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        b = self.s(torch.tanh(self.q(x)))
        a = self.r(torch.tanh(self.p(x)))
        return self.out(a - b)


def towers__second_first():
    return _port(Towers())


class DropPath(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 1), dtype=x.dtype) < 1 - self.rate
        return x * kept / (1 - self.rate)


def stochastic_depth__drop_path():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.drop, self.out = nn.Linear(6, 6), DropPath(0.3), nn.Linear(6, 3)

        def forward(self, x):
            return self.out(x + self.drop(F.relu(self.a(x))))

    return _port(Net())


def conv__traced():
    """As `torch.fx` writes it."""
    net = _conv_net(nn.BatchNorm2d(4))
    net[3] = nn.Sequential(KerasNorm(4, eps=1e-3, momentum=0.01))

    class Leaves(torch.fx.Tracer):
        def is_leaf_module(self, module, name):
            return isinstance(module, KerasNorm) or super().is_leaf_module(module, name)

    return _port(torch.fx.GraphModule(net, Leaves().trace(net)))


def conv__functional_call():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = _conv_net(KerasNorm(4, eps=1e-3, momentum=0.01))

        def forward(self, x):
            return torch.func.functional_call(self.net, dict(self.net.named_parameters()), x)

    return _port(Net())


def conv__channels_last():
    net = _conv_net(KerasNorm(4, eps=1e-3, momentum=0.01)).to(memory_format=torch.channels_last)

    def feed(x):
        return torch.from_numpy(x).permute(0, 3, 1, 2).to(memory_format=torch.channels_last)

    return _port(net, feed=feed)


class OwnFlatten(nn.Module):
    def forward(self, x):
        return x.reshape(x.shape[0], -1)


def conv__own_modules():
    """Small modules of the user's, of which only the functions tell what they are."""

    class Act(nn.Module):
        def forward(self, x):
            return x.clamp(min=0)

    class Kernel(nn.Module):
        def __init__(self):
            super().__init__()
            self.kernel = nn.Parameter(torch.randn(3, 3, 4, 4))  # in Keras's layout
            self.offset = nn.Parameter(torch.zeros(4))

        def forward(self, x):
            return F.conv2d(x, self.kernel.permute(3, 2, 0, 1), self.offset)

    norm = KerasNorm(4, eps=1e-3, momentum=0.01)
    return _port(
        nn.Sequential(nn.Conv2d(3, 4, 3), Act(), Kernel(), norm, OwnFlatten(), nn.Linear(80, 3))
    )
