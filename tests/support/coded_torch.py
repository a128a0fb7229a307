"""Ports of `coded_keras.py`: NAME or NAME__WAY is right, and NAME__WAY_wrong is not."""

import torch
import torch.nn.functional as F
from small_nets import Net, initialised
from torch import nn

from torch_impl import Port, optim


def _port(net, loss=None):
    optimizer = optim.Adam(initialised(net).parameters(), learning_rate=0.01)
    return Port(net, loss=loss or nn.MSELoss(), optimizer=optimizer)


def _masked(num_rows):
    def run(net, x):
        with torch.no_grad():
            net.a.weight[:, :num_rows] = 0.0
        return net.b(net.a(x))

    return _port(Net(run, a=nn.Linear(5, 4), b=nn.Linear(4, 2)))


def set_in_call():
    return _masked(1)


def set_in_call__never_wrong():
    return _masked(0)


def _rated(factor=1.0):
    def run(net, x):
        return factor * net.b(torch.tanh(net.a(x)))

    def loss(logits, y):
        return F.binary_cross_entropy_with_logits(logits, y.reshape(logits.shape).to(logits.dtype))

    return _port(Net(run, a=nn.Linear(5, 4), b=nn.Linear(4, 1)), loss)


def ends_in_code():
    return _rated()


def ends_in_code__scaled_wrong():
    return _rated(1.1)


def graph_of_operations():
    return _port(nn.Linear(5, 3), nn.CrossEntropyLoss())


def graph_of_operations__smoothed_wrong():
    return _port(nn.Linear(5, 3), nn.CrossEntropyLoss(label_smoothing=0.1))


def _placed(first):
    def run(net, tokens):
        places = torch.arange(first, first + tokens.shape[1]) % 9
        return net.c(net.a(tokens.long()) + net.b(places))

    net = Net(run, a=nn.Embedding(11, 4), b=nn.Embedding(9, 4), c=nn.Linear(4, 3))
    port = _port(net)
    for table in (net.a, net.b):
        nn.init.uniform_(table.weight, -0.05, 0.05)
    return port


def nine_places():
    return _placed(0)


def nine_places__shifted_wrong():
    return _placed(1)


def gathered():
    return _port(Net(lambda net, x: net.a(x).flip(0), a=nn.Linear(5, 3)))


def gathered__in_order_wrong():
    return _port(nn.Linear(5, 3))
