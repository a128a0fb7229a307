"""Ports of `habits_keras.py`: NAME or NAME__WAY is right, and NAME__WAY_wrong is not."""

import dataclasses

import torch
import torch.nn.functional as F
from small_nets import Net, initialised
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from torch_impl import Port, losses, optim, schedule
from torch_impl.plain.clipping import clip_global_norm
from torch_impl.plain.optimizers import SGD


def _port(net, loss=None, optimizer=None, **given):
    made = optimizer or (lambda parameters: optim.SGD(parameters, learning_rate=0.01))
    optimizer = made(initialised(net).parameters())
    return Port(net, loss=loss or nn.MSELoss(), optimizer=optimizer, **given)


# --- images with channels first, and their targets ------------------------------------------------


def _enlarged(net, x):
    y = net.last(F.relu(net.first(x)))
    # As Keras's Reshape does it: rows, columns, channels.
    y = y.permute(0, 2, 3, 1).reshape(len(x), 12, 10, 2).permute(0, 3, 1, 2)
    return y + F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=net.aligns)


def _adam(parameters):
    return optim.Adam(parameters, learning_rate=0.005)


def _of_enlarged(loss, **given):
    convs = {"first": nn.Conv2d(2, 4, 3, padding=1), "last": nn.Conv2d(4, 8, 3, padding=1)}
    return _port(Net(_enlarged, **convs, **{"aligns": False, **given}), loss, _adam)


def _charbonnier(output, target):
    return torch.sqrt((output - target) ** 2 + 1e-6).mean()


def enlarged():
    return _of_enlarged(_charbonnier)


def enlarged__turns_its_targets():
    return _of_enlarged(lambda output, y: _charbonnier(output, y.movedim(-1, 1)))


def enlarged__squared_wrong():
    return _of_enlarged(lambda output, y: ((output - y) ** 2).mean())


def enlarged__corners_wrong():
    return _of_enlarged(_charbonnier, aligns=True)


def _mask(net, x):
    return torch.sigmoid(net.last(F.relu(net.first(x))))


def _of_mask(loss):
    convs = {"first": nn.Conv2d(2, 4, 3, padding=1), "last": nn.Conv2d(4, 1, 1)}
    return _port(Net(_mask, **convs), loss)


def _overlap(output, y, sides=(1, 2, 3)):
    y = y.to(output.dtype)
    both, each = (output * y).sum(sides), y.sum(sides) + output.sum(sides)
    return F.binary_cross_entropy(output, y) + (1 - (2 * both + 1) / (each + 1)).mean()


def mask():
    return _of_mask(_overlap)


def mask__channels_last():
    return _of_mask(lambda output, y: _overlap(output.movedim(1, -1), y))


def mask__of_the_batch_wrong():
    return _of_mask(lambda output, y: _overlap(output, y, sides=(0, 1, 2, 3)))


# --- images with channels first, which the port turns for loss and metrics ------------------------


def _pixels(net, x):
    return losses.softmax(net.last(F.relu(net.first(x))), axis=1)


def _of_pixels(output, loss=None, metrics=("accuracy", "categorical_crossentropy")):
    convs = {"first": nn.Conv2d(2, 4, 3, padding=1), "last": nn.Conv2d(4, 4, 1)}
    loss = loss or losses.CategoricalCrossentropy()
    return _port(Net(_pixels, **convs), loss, output=output, metrics=list(metrics))


def pixels():
    return _of_pixels(losses.channels_last)


def pixels__without_logits_wrong():
    """The turn loses the logits, so that confident outputs are clipped at 1e-7."""
    return _of_pixels(lambda output: output.movedim(1, -1))


def pixels__not_turned_wrong():
    return _of_pixels(None)


def pixels__sides_wrong():
    """Rows for columns."""
    return _of_pixels(lambda output: losses.channels_last(output.transpose(2, 3)))


def _labelled(net, x):
    x = F.relu(net.first(x))
    pixels = losses.softmax(net.pixels(x), axis=1)
    return pixels, losses.softmax(net.whole(x.mean((2, 3))))


def _of_labelled(output, accuracy="accuracy"):
    parts = {"pixels": nn.Conv2d(4, 3, 1), "whole": nn.Linear(4, 4)}
    net = Net(_labelled, first=nn.Conv2d(2, 4, 3, padding=1), **parts)
    loss = {name: losses.SparseCategoricalCrossentropy() for name in parts}
    metrics = {"pixels": [accuracy], "whole": ["accuracy"]}
    return _port(net, loss, output=output, metrics=metrics, output_names=list(parts))


def labelled():
    return _of_labelled(lambda made: (losses.channels_last(made[0]), made[1]))


def labelled__sides_wrong():
    return _of_labelled(lambda made: (losses.channels_last(made[0]).transpose(1, 2), made[1]))


def labelled__metric_wrong():
    return _of_labelled(
        lambda made: (losses.channels_last(made[0]), made[1]), "sparse_top_k_categorical_accuracy"
    )


# --- one layer for query, key and value ----------------------------------------------------------


def _attention(net, x):
    num, steps, size = x.shape
    q, k, v = net.qkv(x).reshape(num, steps, 3, 2, size // 2).permute(2, 0, 3, 1, 4)
    shares = (q @ k.transpose(-2, -1) / 2).softmax(dim=-1)
    made = (net.drop(shares) @ v).transpose(1, 2).reshape(num, steps, size)
    return net.out((x + net.behind(net.proj(made)))[:, 0])


def _of_attention(drop, behind):
    layers = {"qkv": nn.Linear(8, 24), "proj": nn.Linear(8, 8), "out": nn.Linear(8, 3)}
    port = _port(Net(_attention, **layers, drop=drop, behind=behind))
    for part in layers["qkv"].weight.chunk(3):  # each is a layer in Keras
        nn.init.xavier_uniform_(part.data)
    return port


def attention():
    return _of_attention(nn.Dropout(0.3), nn.Identity())


def attention__behind_wrong():
    return _of_attention(nn.Identity(), nn.Dropout(0.3))


# --- a class of one's own that drops -------------------------------------------------------------


class _Features(nn.Dropout1d):
    """Drops features of (N, T, C)."""

    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class _Steps(nn.Dropout1d):
    """Drops steps of (N, T, C)."""

    def forward(self, x):
        return super().forward(x)


def features():
    return _port(nn.Sequential(_Features(0.4), nn.Flatten(), nn.Linear(40, 3)))


def features__steps_wrong():
    return _port(nn.Sequential(_Steps(0.4), nn.Flatten(), nn.Linear(40, 3)))


# --- a schedule inside of the optimizer ----------------------------------------------------------


class _Scheduled(torch.optim.Optimizer):
    """Keras's SGD with momentum, and the rate of each step from a function."""

    def __init__(self, parameters, schedule):
        super().__init__(parameters, {"lr": schedule(0)})
        self.schedule, self.count = schedule, 0

    @torch.no_grad()
    def step(self, closure=None):
        rate = self.schedule(self.count)
        self.count += 1
        for group in self.param_groups:
            group["lr"] = rate
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                speed = self.state[weight].setdefault("speed", torch.zeros_like(weight))
                speed.mul_(0.9).sub_(rate * weight.grad)
                weight.add_(speed)


def _decayed(step, power=2.0):
    return (0.05 - 0.001) * (1 - min(step, 6) / 6) ** power + 0.001


def scheduled():
    net = nn.Sequential(nn.Linear(4, 2))
    return _port(net, optimizer=lambda weights: _Scheduled(weights, _decayed))


def scheduled__hook():
    def made(weights):
        optimizer = _Scheduled(weights, lambda _: optimizer_rate[0])
        return optimizer

    optimizer_rate = [_decayed(0)]
    port = _port(nn.Sequential(nn.Linear(4, 2)), optimizer=made)

    def behind(*_):
        optimizer_rate[0] = _decayed(port.optimizer.count)
        port.optimizer.param_groups[0]["lr"] = optimizer_rate[0]

    port.optimizer.register_step_post_hook(behind)
    return port


def scheduled__early_wrong():
    net = nn.Sequential(nn.Linear(4, 2))
    return _port(net, optimizer=lambda weights: _Scheduled(weights, lambda n: _decayed(n + 1)))


def scheduled__power_wrong():
    net = nn.Sequential(nn.Linear(4, 2))
    return _port(net, optimizer=lambda weights: _Scheduled(weights, lambda n: _decayed(n, 1.0)))


# --- optimizers that read the gradients of all weights --------------------------------------------


class _Clipped(torch.optim.Optimizer):
    """Takes it for granted that each weight has a gradient, as in a training."""

    def __init__(self, parameters, limit):
        super().__init__(parameters, {"lr": 0.05})
        self.limit = limit

    @torch.no_grad()
    def step(self, closure=None):
        weights = [each for group in self.param_groups for each in group["params"]]
        norm = torch.stack([each.grad.square().sum() for each in weights]).sum().sqrt()
        scale = self.limit / norm.clamp(min=self.limit)
        for each in weights:
            each -= self.param_groups[0]["lr"] * scale * each.grad


def _of_clipped(made, patience=2):
    port = _port(nn.Sequential(nn.Linear(4, 2)), optimizer=made)
    plateau = schedule.ReduceLROnPlateau(
        port.optimizer, factor=0.3, patience=patience, monitor="loss"
    )
    return dataclasses.replace(port, scheduler=plateau)


def clipped():
    return _of_clipped(lambda weights: _Clipped(weights, 0.5))


def clipped__as_in_plain_ports():
    return _of_clipped(lambda weights: SGD(weights, 0.05, clip=clip_global_norm(0.5)))


def clipped__late_wrong():
    return _of_clipped(lambda weights: _Clipped(weights, 0.5), patience=3)


def clipped__limit_wrong():
    return _of_clipped(lambda weights: _Clipped(weights, 0.6))


# --- averages of the weights ----------------------------------------------------------------------


def _of_averaged(momentum=None, **settings):
    port = _port(nn.Sequential(nn.Linear(4, 2)), optimizer=lambda p: optim.SGD(p, 0.05, **settings))
    if momentum is None:
        return port
    update = get_ema_multi_avg_fn(momentum)
    return dataclasses.replace(port, average=AveragedModel(port.module, multi_avg_fn=update))


def averaged():
    return _of_averaged(use_ema=True, ema_momentum=0.9)


def averaged__by_torch():
    return _of_averaged(0.9)


def averaged__not_at_all_wrong():
    return _of_averaged()


def averaged__slowly_wrong():
    return _of_averaged(0.99)


def unaveraged__but_here_wrong():
    return _of_averaged(0.9)


# --- scaled losses, and losses of the model's own -------------------------------------------------


def scaled():
    return _of_averaged(loss_scale_factor=4.0)


def scaled__not_at_all():
    return _of_averaged()


def _shrinking(output, y):
    return F.mse_loss(output, y) + 0.1 * output.square().mean()


def shrinking():
    return dataclasses.replace(_of_averaged(), loss=_shrinking)


def shrinking__forgotten_wrong():
    return _of_averaged()


def shrinking__without_a_loss_open():
    return dataclasses.replace(_of_averaged(), loss=None)
