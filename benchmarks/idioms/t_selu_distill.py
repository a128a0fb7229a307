"""Distillation on tabular data: SELU network, Kullback-Leibler divergence, Nadam.

Style: OrderedDict from a list of widths, log-probabilities out of the module. Three mistakes of the
twin: kaiming_normal_ without truncation for lecun_normal; F.kl_div with reduction="mean", which
divides by the classes too; torch's NAdam with its slow momentum schedule.
"""

import itertools

SIZES = [12, 40, 24]
K = 6


def keras_model():
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((SIZES[0],))])
    for units in SIZES[1:]:
        model.add(layers.Dense(units, activation="selu", kernel_initializer="lecun_normal"))
    model.add(layers.Dense(K, activation="softmax"))
    model.compile(keras.optimizers.Nadam(2e-3), loss=keras.losses.KLDivergence())
    return model


def _port(faulty):
    import math
    from collections import OrderedDict

    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    parts = OrderedDict()
    for i, (a, b) in enumerate(itertools.pairwise(SIZES)):
        linear = nn.Linear(a, b)
        nn.init.zeros_(linear.bias)
        if faulty:
            nn.init.kaiming_normal_(linear.weight, nonlinearity="linear")
        else:
            std = math.sqrt(1 / a) / 0.87962566103423978
            nn.init.trunc_normal_(linear.weight, std=std, a=-2 * std, b=2 * std)
        parts[f"fc{i}"] = linear
        parts[f"selu{i}"] = nn.SELU()
    parts["logits"] = nn.Linear(SIZES[-1], K)
    nn.init.xavier_uniform_(parts["logits"].weight)
    nn.init.zeros_(parts["logits"].bias)
    parts["logp"] = nn.LogSoftmax(dim=1)
    net = nn.Sequential(parts)

    def divergence(logp, teacher):
        teacher = teacher.clamp(1e-7, 1.0)
        return F.kl_div(logp, teacher, reduction="mean" if faulty else "batchmean")

    if faulty:
        optimizer = torch.optim.NAdam(net.parameters(), lr=2e-3, eps=1e-7)
    else:
        optimizer = optim.Nadam(net.parameters(), learning_rate=2e-3)
    return Port(net, loss=divergence, optimizer=optimizer)


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
