"""Ports of `cubes_keras.py`: NAME or NAME__WAY is right, and NAME__WAY_wrong is not."""

import torch
import torch.nn.functional as F
from small_nets import Net, initialised
from torch import nn

from torch_impl import Port, optim


def _port(net, loss=None, **given):
    optimizer = optim.SGD(initialised(net).parameters(), learning_rate=0.01)
    return Port(net, loss=loss or nn.MSELoss(), optimizer=optimizer, **given)


def _conv(units=6):
    return nn.Conv2d(6, units, 3, padding=1)


def images():
    last = nn.Linear(216, 3)
    return _port(nn.Sequential(_conv(), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), last))


def images__function():
    def run(net, x):
        return net.out(F.dropout(F.relu(net.conv(x)), 0.5, net.training).flatten(1))

    return _port(Net(run, conv=_conv(), out=nn.Linear(216, 3)))


def _last(net, x):
    """Channels last from the activation on."""
    x = net.drop(F.relu(net.conv(x)).permute(0, 2, 3, 1).contiguous())
    return net.out(x.reshape(len(x), -1))


def images__last():
    return _port(Net(_last, conv=_conv(), out=nn.Linear(216, 3), drop=nn.Dropout(0.5)))


def images__turned_by_itself():
    def run(net, x):
        return _last(net, x.permute(0, 3, 1, 2))

    return _port(Net(run, conv=_conv(), out=nn.Linear(216, 3), drop=nn.Dropout(0.5)))


def images__turned_back_in_front_of_the_activation():
    def run(net, x):
        x = F.relu(net.conv(x).movedim(1, -1))
        return net.out(net.drop(x).flatten(1))

    return _port(Net(run, conv=_conv(), out=nn.Linear(216, 3), drop=nn.Dropout(0.5)))


def images__rate_wrong():
    last = nn.Linear(216, 3)
    return _port(nn.Sequential(_conv(), nn.ReLU(), nn.Dropout(0.4), nn.Flatten(), last))


def images__channels_wrong():
    last = nn.Linear(216, 3)
    return _port(nn.Sequential(_conv(), nn.ReLU(), nn.Dropout2d(0.5), nn.Flatten(), last))


def images__sides_swapped_wrong():
    def run(net, x):
        return net.out(net.drop(F.relu(net.conv(x.transpose(2, 3)))).flatten(1))

    return _port(Net(run, conv=_conv(), out=nn.Linear(216, 3), drop=nn.Dropout(0.5)))


def images__slope_wrong():
    last = nn.Linear(216, 3)
    return _port(nn.Sequential(_conv(), nn.LeakyReLU(0.1), nn.Dropout(0.5), nn.Flatten(), last))


def first():
    layers = [nn.Dropout(0.5), _conv(4), nn.Flatten(), nn.Linear(144, 3)]
    return _port(nn.Sequential(*layers))


def _turned(y):
    return torch.from_numpy(y).movedim(-1, 1)


def _outputs():
    return nn.Sequential(_conv(), nn.ReLU(), nn.Dropout(0.5), _conv())


def outputs():
    return _port(_outputs(), target=_turned)


def outputs__targets_as_the_output():
    return _port(_outputs())


def outputs__targets_wrong():
    return _port(_outputs(), target=torch.from_numpy)


def classes():
    return _port(nn.Sequential(_conv(), nn.ReLU(), _conv()), nn.CrossEntropyLoss())


def classes__smoothed_wrong():
    net = nn.Sequential(_conv(), nn.ReLU(), _conv())
    return _port(net, nn.CrossEntropyLoss(label_smoothing=0.1))


def volumes():
    def run(net, x):
        return net.out(net.b(net.drop(net.a(x))).mean((2, 3, 4)))

    convs = {name: nn.Conv3d(4, 4, 3, padding=1) for name in "ab"}
    return _port(Net(run, **convs, drop=nn.Dropout(0.4), out=nn.Linear(4, 3)))


def branches():
    def run(net, given):
        x = net.drops[0](F.relu(net.a(given))) + given
        x = torch.cat([net.drops[1](net.b(x)), given], 1)
        return net.out(net.drops[2](x).flatten(1))

    drops = nn.ModuleList(nn.Dropout(rate) for rate in (0.3, 0.2, 0.2))
    return _port(Net(run, a=_conv(), b=_conv(), drops=drops, out=nn.Linear(432, 3)))


def _signals(run, **given):
    convs = {name: nn.Conv1d(6, 6, 3, padding=1) for name in "ab"}
    return _port(Net(run, **convs, drop=nn.Dropout(0.3), out=nn.Linear(36, 3)), **given)


def signals():
    return _signals(lambda net, x: net.out(net.b(net.drop(F.relu(net.a(x)))).flatten(1)))


def _between(net, x):
    x = net.drop(F.relu(net.a(x.mT).mT))
    return net.out(net.b(x.mT).mT.flatten(1))


def signals__turned_by_itself():
    def run(net, x):
        x = net.drop(F.relu(net.a(x.transpose(1, 2))).transpose(1, 2))
        return net.out(net.b(x.transpose(1, 2)).transpose(1, 2).flatten(1))

    return _signals(run)


def signals__fed():
    return _signals(_between, feed=torch.from_numpy)


def tokens():
    def run(net, x):
        x = x + net.drops[0](F.relu(net.a(x.transpose(1, 2)))).transpose(1, 2)
        return net.out((x + net.drops[1](net.b(x))).flatten(1))

    drops = nn.ModuleList(nn.Dropout(0.4) for _ in range(2))
    return _port(Net(run, a=nn.Linear(6, 6), b=nn.Linear(6, 6), drops=drops, out=nn.Linear(36, 2)))


def tokens__axis_wrong():
    def run(net, x):
        x = x + net.drops[0](F.relu(net.a(x)))
        return net.out((x + net.drops[1](net.b(x))).flatten(1))

    drops = nn.ModuleList(nn.Dropout(0.4) for _ in range(2))
    return _port(Net(run, a=nn.Linear(6, 6), b=nn.Linear(6, 6), drops=drops, out=nn.Linear(36, 2)))


def _steps(run, *, batch_first):
    gru = nn.GRU(4, 4, batch_first=batch_first)
    nn.init.xavier_uniform_(gru.weight_ih_l0)
    nn.init.orthogonal_(gru.weight_hh_l0)
    for bias in (gru.bias_ih_l0, gru.bias_hh_l0):
        nn.init.zeros_(bias)
    drops = nn.ModuleList([nn.Dropout(0.3), nn.Dropout(0.4)])
    return _port(Net(run, gru=gru, drops=drops, out=nn.Linear(4, 4)))


def steps():
    def run(net, x):
        return net.out(net.drops[1](net.gru(net.drops[0](x))[0]))

    return _steps(run, batch_first=True)


def steps__first():
    def run(net, x):
        return net.out(net.drops[1](net.gru(net.drops[0](x.transpose(0, 1)))[0])).transpose(0, 1)

    return _steps(run, batch_first=False)


def steps__batch_first_forgotten_wrong():
    def run(net, x):
        return net.out(net.drops[1](net.gru(net.drops[0](x))[0]))

    return _steps(run, batch_first=False)


def decoder():
    def run(net, x):
        x = net.drop(F.relu(net.fc(x)).view(-1, 4, 4, 4))
        return net.conv(x).permute(0, 2, 3, 1)

    conv = nn.Conv2d(4, 4, 3, padding=1)
    return _port(Net(run, fc=nn.Linear(5, 64), conv=conv, drop=nn.Dropout(0.3)))
