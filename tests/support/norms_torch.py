"""Ports of `norms_keras.py`: NAME is right, NAME__WAY is not."""

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port, layers, losses, optim


def _dense(*sizes):
    dense = nn.Linear(*sizes)
    nn.init.xavier_uniform_(dense.weight)
    nn.init.zeros_(dense.bias)
    return dense


def _port(net, **given):
    optimizer = optim.Adam(net.parameters(), learning_rate=1e-3)
    return Port(net, losses.MeanSquaredError(), optimizer, **given)


class _Frames(nn.Module):
    def __init__(self, norm, joined):
        super().__init__()
        self.joined = joined
        self.dense, self.norm = _dense(5, 6), norm(6)
        self.dense2, self.norm2, self.out = _dense(6, 4), norm(4), _dense(4, 2)

    def frame(self, x):
        return self.norm2(self.dense2(F.relu(self.norm(self.dense(x)))))

    def forward(self, x):
        if self.joined:
            y = self.frame(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        else:
            y = torch.stack([self.frame(frame) for frame in x.unbind(1)], 1)
        return self.out(y.mean(1))


def _load(net, weights):
    tensors = net.state_dict()
    for ours, theirs in {"dense": "dense", "dense2": "dense_1", "out": "dense_2"}.items():
        at = f"{theirs}." if ours == "out" else f"time_distributed.net/{theirs}/"
        tensors[f"{ours}.weight"].copy_(torch.as_tensor(weights[f"{at}kernel"].T))
        tensors[f"{ours}.bias"].copy_(torch.as_tensor(weights[f"{at}bias"]))
    names = {
        **{"weight": "gamma", "bias": "beta"},
        **{"running_mean": "moving_mean", "running_var": "moving_variance"},
    }
    for ours, theirs in {"norm": "", "norm2": "_1"}.items():
        for name, keras in names.items():
            at = f"time_distributed.net/batch_normalization{theirs}/{keras}"
            tensors[f"{ours}.{name}"].copy_(torch.as_tensor(weights[at]))


def frames(norm=layers.BatchNormalization, *, joined=False):
    return _port(_Frames(norm, joined), load=_load, feed=torch.from_numpy)


def _of_torch(channels):
    return nn.BatchNorm1d(channels, eps=1e-3, momentum=0.01)


def frames__joined():
    return frames(joined=True)


def frames__joined_with_an_unbiased_variance():
    return frames(_of_torch, joined=True)


def frames__momentum():
    return frames(lambda channels: layers.BatchNormalization(channels, momentum=0.9))


def frames__unbiased():
    return frames(_of_torch)


class _Towers(nn.Module):
    def __init__(self, joined):
        super().__init__()
        self.joined = joined
        self.dense, self.norm, self.out = _dense(5, 6), layers.BatchNormalization(6), _dense(12, 1)

    def tower(self, x):
        return F.relu(self.norm(self.dense(x)))

    def forward(self, a, b):
        both = self.tower(torch.cat([a, b])).chunk(2) if self.joined else [*map(self.tower, (a, b))]
        return self.out(torch.cat(both, 1))


def towers(*, joined=False):
    return _port(_Towers(joined))


def towers__joined():
    return towers(joined=True)
