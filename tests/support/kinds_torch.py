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
