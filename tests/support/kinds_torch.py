"""Ports of `kinds_keras.py`: NAME or NAME__WAY is right, and NAME__WAY_wrong is not."""

import torch
import torch.nn.functional as F
from small_nets import Net, initialised
from torch import nn

from torch_impl import Port, layers, optim


def _port(net):
    optimizer = optim.SGD(initialised(net).parameters(), learning_rate=0.01)
    return Port(net, loss=nn.MSELoss(), optimizer=optimizer)


def _module(module):
    return _port(nn.Sequential(nn.Linear(5, 4), module, nn.Linear(4, 3)))


def _function(function):
    def run(net, x):
        return net.b(function(net.a(x)))

    return _port(Net(run, a=nn.Linear(5, 4), b=nn.Linear(4, 3)))


def _in_training(function):
    def run(net, x):
        x = net.a(x)
        return net.b(function(x) if net.training else x)

    return _port(Net(run, a=nn.Linear(5, 4), b=nn.Linear(4, 3)))


def _of_two(function):
    def run(net, x):
        return net.c(function(net.a(x), net.b(x)))

    return _port(Net(run, a=nn.Linear(5, 4), b=nn.Linear(5, 4), c=nn.Linear(1, 2)))


def rms_norm():
    return _module(nn.RMSNorm(4, eps=1e-6))


def rms_norm__epsilon_wrong():
    return _module(nn.RMSNorm(4, eps=1e-3))


def unit_norm():
    return _function(lambda x: F.normalize(x, dim=-1))


def unit_norm__by_hand():
    return _function(lambda x: x / x.norm(dim=-1, keepdim=True))


def unit_norm__sum_wrong():
    return _function(lambda x: F.normalize(x, p=1, dim=-1))


def _dropped_samples(drop, *, both=True):
    def run(net, x):
        x = net.a(x)
        x = net.b(drop(x, 0.0) if net.training and both else x)
        return net.c(drop(x, 0.4) if net.training else x)

    return _port(Net(run, a=nn.Linear(5, 4), b=nn.Linear(4, 4), c=nn.Linear(4, 3)))


def _floor(x, rate):
    return x / (1 - rate) * torch.floor(torch.rand(len(x), 1, dtype=x.dtype) + 1 - rate)


def _below(x, rate):
    return x * (torch.rand(len(x), 1) < 1 - rate) / (1 - rate)


def stochastic_depth():
    return _dropped_samples(_floor)


def stochastic_depth__below():
    return _dropped_samples(_below)


def stochastic_depth__bernoulli():
    def drop(x, rate):
        return x * torch.empty(len(x), 1, dtype=x.dtype).bernoulli_(1 - rate) / (1 - rate)

    return _dropped_samples(drop)


def stochastic_depth__rate_0_left_out():
    return _dropped_samples(_below, both=False)


def stochastic_depth__not_scaled_wrong():
    return _dropped_samples(lambda x, rate: x * (torch.rand(len(x), 1) < 1 - rate))


def stochastic_depth__missing_wrong():
    return _dropped_samples(lambda x, rate: x, both=False)


def _own_loss(weight):
    def loss(output, target):
        return (output[:, 0] - 0.5).square().mean() + weight * output[:, 1:].abs().mean()

    net = Net(lambda net, x: net.b(net.a(x).tanh()), a=nn.Linear(5, 4), b=nn.Linear(4, 3))
    optimizer = optim.SGD(initialised(net).parameters(), learning_rate=0.01)
    return Port(net, loss=loss, optimizer=optimizer)


def own_loss():
    return _own_loss(0.25)


def own_loss__weight_wrong():
    return _own_loss(0.5)


def _added(weight):
    def run(net, x):
        net.hidden = net.a(x)
        return net.b(net.hidden)

    net = initialised(Net(run, a=nn.Linear(5, 4), b=nn.Linear(4, 3)))
    optimizer = optim.SGD(net.parameters(), learning_rate=0.01)
    return Port(net, lambda output, y: weight * net.hidden.square().mean(), optimizer)


def added_alone():
    return _added(1.0)


def added_alone__half_wrong():
    return _added(0.5)


def _patches(scale=1.0):
    def run(net, x):
        x = net.norm(scale * net.a(x).flatten(2).transpose(1, 2))
        return net.b(x.flatten(1))

    net = Net(
        run,
        a=nn.Conv2d(3, 5, 2, stride=2),
        norm=nn.LayerNorm(5, eps=1e-3),
        b=nn.Linear(30, 2),
    )
    port = _port(net)
    nn.init.xavier_uniform_(net.a.weight.view(5, -1))
    return port


def patches():
    return _patches()


def patches__scaled_wrong():
    return _patches(1.5)


def patches_by_convolution():
    def run(net, x):
        x = net.a(F.unfold(x, 2, stride=2).transpose(1, 2))
        return net.b(net.norm(x).mean(1))

    net = Net(run, a=nn.Linear(12, 5), norm=nn.LayerNorm(5, eps=1e-3), b=nn.Linear(5, 2))
    port = _port(net)
    nn.init.xavier_uniform_(net.a.weight.view(5, 3, 2, 2))  # that of a convolution
    return port


def _code(slope=0.2, *, exchanged=False):
    def run(net, x):
        x = F.leaky_relu(net.inner(x), slope)
        left, right = net.outer(x).chunk(2, dim=-1)
        if exchanged:
            left, right = right, left
        return net.b(left * net.norm(right))

    parts = {"inner": nn.Linear(5, 8), "outer": nn.Linear(8, 4), "b": nn.Linear(2, 3)}
    return _port(Net(run, **parts, norm=nn.LayerNorm(2, eps=1e-3)))


def code():
    return _code()


def code__slope_wrong():
    return _code(0.01)


def code__exchanged_wrong():
    return _code(exchanged=True)


def float32_in_lambda():
    return _function(lambda x: x / (0.1 + x.abs()))


def float32_in_lambda__constant_wrong():
    return _function(lambda x: x / (0.11 + x.abs()))


def _joined(first=1, second=2):
    def run(net, x):
        mean = net.mean(x.mean((2, 3), keepdim=True)).expand(-1, -1, 6, 8)
        parts = [net.norm1(net.conv1(x)).relu(), net.norm2(net.conv2(x)).relu()]
        return net.b(net.last(torch.cat([mean, *parts], 1)).mean((2, 3)))

    dilated = [nn.Conv2d(2, 4, 3, padding=d, dilation=d) for d in (first, second)]
    norms = [layers.BatchNormalization(4), layers.BatchNormalization(4)]
    return _port(
        Net(
            run,
            mean=nn.Conv2d(2, 4, 1),
            conv1=dilated[0],
            norm1=norms[0],
            conv2=dilated[1],
            norm2=norms[1],
            last=nn.Conv2d(12, 3, 3),
            b=nn.Linear(3, 2),
        )
    )


def joined_branches():
    return _joined()


def joined_branches__dilation_wrong():
    return _joined(second=1)


def _padded(padding):
    def run(net, x):
        return net.conv(net.pad(x)).movedim(1, -1).flatten(1)

    return _port(Net(run, pad=nn.ZeroPad2d(padding), conv=nn.Conv2d(2, 3, 3, 2)))


def padded_images():
    return _padded((0, 1, 0, 1))


def padded_images__above_wrong():
    return _padded((0, 1, 1, 0))


def padded_images__too_much_wrong():
    return _padded((1, 1, 1, 1))


def dot():
    return _of_two(lambda x, y: (x * y).sum(-1, keepdim=True))


def dot__products_of_matrices():
    return _of_two(lambda x, y: torch.bmm(x[:, None], y[..., None])[:, 0])


def dot__module():
    return _of_two(lambda x, y: layers.Dot(1)([x, y]))


def cosine():
    return _of_two(lambda x, y: F.cosine_similarity(x, y)[:, None])


def cosine__not_normalised_wrong():
    return _of_two(lambda x, y: (x * y).sum(-1, keepdim=True))


def _pooled(pool):
    def run(net, x):
        return net.out(pool(net.conv(x))).flatten(1)

    return _port(Net(run, conv=nn.Conv2d(2, 4, 3), out=nn.Conv2d(4, 3, 1)))


def mean_kept():
    return _pooled(lambda x: F.adaptive_avg_pool2d(x, 1))


def mean_kept__by_hand():
    return _pooled(lambda x: x.mean((2, 3), keepdim=True))


def greatest_kept():
    return _pooled(lambda x: x.amax((2, 3), keepdim=True))


def greatest_kept__mean_wrong():
    return _pooled(lambda x: x.mean((2, 3), keepdim=True))


def larger_signals():
    def run(net, x):
        return net.conv(net.up(x)).mean(-1)

    return _port(Net(run, conv=nn.Conv1d(2, 3, 3), up=nn.Upsample(scale_factor=3)))


def larger_signals__linear_wrong():
    def run(net, x):
        return net.conv(net.up(x)).mean(-1)

    up = nn.Upsample(scale_factor=3, mode="linear", align_corners=True)
    return _port(Net(run, conv=nn.Conv1d(2, 3, 3), up=up))


def larger_volumes():
    def run(net, x):
        return net.conv(net.up(x)).mean((2, 3, 4))

    return _port(Net(run, conv=nn.Conv3d(2, 3, 2), up=nn.Upsample(scale_factor=(1, 2, 3))))


def celu():
    return _module(nn.CELU(0.7))


def celu__alpha_wrong():
    return _module(nn.CELU(0.71))


def hard_tanh():
    return _module(nn.Hardtanh())


def hard_tanh__clamped():
    return _function(lambda x: x.clamp(-1, 1))


def hard_tanh__bound_wrong():
    return _module(nn.Hardtanh(-2, 1))


def soft_shrink():
    return _function(F.softshrink)


def soft_shrink__hard_wrong():
    return _module(nn.Hardshrink())


def tanh_shrink():
    return _module(nn.Tanhshrink())


def log_sigmoid():
    return _module(nn.LogSigmoid())


def bins():
    def run(net, x):
        return net.out(net.table(torch.bucketize(x, net.bounds, right=True)).flatten(1))

    net = Net(run, table=nn.Embedding(5, 3), out=nn.Linear(6, 2))
    net.register_buffer("bounds", torch.tensor([-1.0, 0.0, 1.0]))
    return _port(net)


def bins__bound_wrong():
    port = bins()
    port.module.bounds[1] = 0.5
    return port


def alpha_dropout():
    return _module(nn.AlphaDropout(0.3))


def alpha_dropout__function():
    def run(net, x):
        return net.b(F.alpha_dropout(net.a(x), 0.3, net.training))

    return _port(Net(run, a=nn.Linear(5, 4), b=nn.Linear(4, 3)))


def alpha_dropout__own():
    return _module(layers.AlphaDropout(0.3))


def alpha_dropout__rate_wrong():
    return _module(nn.AlphaDropout(0.2))


def alpha_dropout__plain_wrong():
    return _module(nn.Dropout(0.3))


def gaussian_dropout():
    return _module(layers.GaussianDropout(0.3))


def gaussian_dropout__by_hand():
    return _in_training(lambda x: x * (1 + torch.randn_like(x) * (0.3 / 0.7) ** 0.5))


def gaussian_dropout__rate_wrong():
    return _module(layers.GaussianDropout(0.35))


def gaussian_noise():
    return _module(layers.GaussianNoise(0.3))


def gaussian_noise__by_hand():
    return _in_training(lambda x: x + 0.3 * torch.randn(x.shape, dtype=x.dtype))


def gaussian_noise__deviation_wrong():
    return _module(layers.GaussianNoise(0.31))


def gaussian_noise__by_hand_wrong():
    return _in_training(lambda x: x + 0.31 * torch.randn_like(x))


def gaussian_noise__missing_wrong():
    return _module(nn.Identity())


def gaussian_noise__in_eval_mode_wrong():
    return _function(lambda x: x + 0.3 * torch.randn_like(x))


def noise_of_images():
    modules = [layers.GaussianNoise(0.2), nn.Conv2d(6, 3, 3), nn.Flatten(), nn.Linear(48, 2)]
    return _port(nn.Sequential(*modules))


def sampling():
    def drawn(x):
        more = torch.distributions.Normal(torch.full_like(x, 0.5), 2.0)
        return x + torch.exp(0.5 * x) * torch.randn_like(x) + 0.1 * more.rsample()

    return _function(drawn)


def sampling__in_place():
    def drawn(x):
        noise = torch.empty_like(x).normal_()
        return x + torch.exp(0.5 * x) * noise + 0.1 * torch.empty_like(x).normal_(0.5, std=2.0)

    return _function(drawn)


def sampling__variance_wrong():
    def drawn(x):
        noise = torch.randn_like(x)
        return x + torch.exp(x) * noise + 0.1 * (0.5 + 2.0 * torch.randn_like(x))

    return _function(drawn)


def sampling__in_training_wrong():
    def drawn(x):
        return x + torch.exp(0.5 * x) * torch.randn_like(x) + 0.05 + 0.2 * torch.randn_like(x)

    return _in_training(drawn)
