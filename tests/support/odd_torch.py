"""Ports of `odd_keras.py`: NAME or NAME__WAY is right, and NAME__WAY_wrong is not."""

import torch
import torch.nn.functional as F
from small_nets import Net, initialised
from torch import nn

from torch_impl import Port, optim
from torch_impl.schedule import ExponentialDecay


def _port(net, loss=None, optimizer=None, **given):
    trained = [weight for weight in initialised(net).parameters() if weight.requires_grad]
    made = (optimizer or _sgd)(trained) if trained else None
    return Port(net, loss=loss or nn.MSELoss(), optimizer=made, **given)


def _sgd(weights):
    return optim.SGD(weights, learning_rate=0.01)


def _adam(weights):
    return optim.Adam(weights, learning_rate=0.01)


def _mlp():
    return nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))


def _activated(function, optimizer=None):
    net = Net(lambda net, x: net.b(function(net.a(x))), a=nn.Linear(5, 4), b=nn.Linear(4, 3))
    return _port(net, optimizer=optimizer)


def linear():
    return _port(nn.Linear(5, 3))


def linear__sequence():
    return _port(nn.Sequential(nn.Linear(5, 3)))


def linear__scripted():
    return _port(torch.jit.script(nn.Linear(5, 3)))


def linear__compiled():
    return _port(torch.compile(nn.Linear(5, 3)))


def linear__parallel():
    return _port(nn.DataParallel(nn.Linear(5, 3)))


def linear__module():
    return initialised(nn.Linear(5, 3))


def linear__function():
    def run(net, x):
        return F.linear(x, net.fc.weight, net.fc.bias)

    return _port(Net(run, fc=nn.Linear(5, 3)))


def linear__loss_wrong():
    return _port(nn.Linear(5, 3), nn.L1Loss())


def two():
    return _port(_mlp())


def two__scripted():
    return _port(torch.jit.script(initialised(_mlp())))


def two__traced():
    return _port(torch.fx.symbolic_trace(_mlp()))


def two__autocast():
    def run(net, x):
        with torch.autocast("cpu", torch.bfloat16):
            return net.mlp(x).float()

    return _port(Net(run, mlp=_mlp()))


def two__autocast_wrong():
    def run(net, x):
        with torch.autocast("cpu", torch.bfloat16):
            return net.mlp(x.half().to(torch.float32)) * 1.001

    return _port(Net(run, mlp=_mlp()))


def _with_more(returned, output):
    """A net that returns more than Keras's output, of which `output` chooses."""

    def run(net, x):
        hidden = net.a(x).relu()
        made = net.b(hidden)
        return returned(hidden, made)

    return _port(Net(run, a=nn.Linear(5, 4), b=nn.Linear(4, 3)), output=output)


def two__second_of_a_tuple():
    return _with_more(lambda hidden, made: (hidden, made), lambda returned: returned[1])


def two__second_of_two_alike():
    return _with_more(lambda hidden, made: (-made, made), lambda returned: returned[1])


def two__named():
    return _with_more(
        lambda hidden, made: {"hidden": hidden, "made": made}, lambda returned: returned["made"]
    )


def two__columns():
    return _with_more(
        lambda hidden, made: torch.cat([hidden, made], -1), lambda returned: returned[:, 4:]
    )


def two__first_of_two_alike_wrong():
    return _with_more(lambda hidden, made: (-made, made), lambda returned: returned[0])


def image():
    return _port(nn.Conv2d(2, 3, 3), target=lambda y: torch.from_numpy(y).movedim(-1, 1))


class Last(nn.LSTM):
    """A root that is a leaf: the last output of the steps."""

    def forward(self, x):
        return super().forward(x)[0][:, -1]


def recurrent():
    lstm = Last(4, 3, batch_first=True)
    nn.init.xavier_uniform_(lstm.weight_ih_l0)
    nn.init.orthogonal_(lstm.weight_hh_l0)
    with torch.no_grad():
        lstm.bias_ih_l0.zero_()[3:6] = 1
        lstm.bias_hh_l0.zero_().requires_grad_(False)
    return _port(lstm)


def no_weights():
    return _port(nn.ReLU())


def no_weights__wrong():
    return _port(nn.ELU())


def single():
    return _port(nn.LayerNorm(5, eps=1e-3))


def _volumes(pool, features):
    conv = nn.Conv3d(2, 3, 3, padding=1)
    return Net(
        lambda net, x: net.out(pool(net.conv(x)).flatten(1)),
        conv=conv,
        out=nn.Linear(features, 2),
    )


def greatest_of_volumes():
    def pool(x):  # 6, 5, 7 -> 3, 3, 4 by windows of 2, 3, 2
        x = F.pad(F.relu(x), (0, 1, 1, 1, 0, 0), value=-torch.inf)
        return F.max_pool3d(x, (2, 3, 2), 2)

    return _port(_volumes(pool, 108))


def greatest_of_volumes__padding_wrong():
    def pool(x):
        x = F.pad(F.relu(x), (1, 0, 1, 1, 0, 0), value=-torch.inf)
        return F.max_pool3d(x, (2, 3, 2), 2)

    return _port(_volumes(pool, 108))


def _means(x, *, counts_padding):
    pads = (1, 1, 0, 1, 0, 0)  # 6, 5, 7 -> 3, 3, 3 by windows of 2, 2, 3
    means = F.avg_pool3d(F.pad(x, pads), (2, 2, 3))
    inside = F.avg_pool3d(F.pad(torch.ones_like(x), pads), (2, 2, 3))
    return means if counts_padding else means / inside


def means_of_volumes():
    return _port(_volumes(lambda x: _means(x, counts_padding=False), 81))


def means_of_volumes__padding_wrong():
    return _port(_volumes(lambda x: _means(x, counts_padding=True), 81))


def _normed(alpha):
    def run(net, x):
        x = net.conv(x)
        near = F.pad(x**2, (0, 0, 0, 0, 1, 1))
        x = x / torch.sqrt(1 + alpha * (near[:, :-2] + near[:, 1:-1] + near[:, 2:]))
        return net.out(x.flatten(1))

    return _port(Net(run, conv=nn.Conv2d(2, 4, 3), out=nn.Linear(48, 2)))


def no_kernel():
    return _normed(0.5)


def no_kernel__alpha_wrong():
    return _normed(0.51)


def layer_in_float16():
    return _port(_mlp())


def layer_in_float16__activation_wrong():
    return _activated(torch.tanh)


def policy_of_float16():
    return _port(_mlp())


def scaled_loss():
    return _port(_mlp(), optimizer=_adam)


def scaled_loss__epsilon_wrong():
    return _port(_mlp(), optimizer=lambda weights: torch.optim.Adam(weights, 0.01))


def square():
    return _activated(lambda x: x * x)


def square__cube_wrong():
    return _activated(lambda x: x**3)


def partial():
    return _activated(lambda x: F.leaky_relu(x, 0.3))


def partial__slope_wrong():
    return _activated(lambda x: F.leaky_relu(x, 0.01))


def callable_object():
    return _activated(lambda x: torch.tanh(x) * 2)


def layer_as_activation():
    return _activated(lambda x: F.leaky_relu(x, 0.2))


def layer_as_activation__slope_wrong():
    return _activated(lambda x: F.leaky_relu(x, 0.1))


def own_layer_as_activation():
    return _activated(F.silu)


def partial_at_the_end():
    return _port(nn.Linear(5, 3), nn.CrossEntropyLoss())


def rank_of_one():
    return _port(Net(lambda net, x: net.fc(x.reshape(-1, 1)), fc=nn.Linear(1, 3)))


def _embedded():
    def run(net, x):
        return net.fc(net.table(x).flatten(1))

    return _port(Net(run, table=nn.Embedding(5, 3), fc=nn.Linear(3, 2)))


def lookup():
    return _embedded()


def vectorized():
    return _embedded()


def whole_numbers():
    return _port(Net(lambda net, x: net.fc(x).argmax(-1), fc=nn.Linear(5, 4)))


def whole_numbers__least_wrong():
    return _port(Net(lambda net, x: net.fc(x).argmin(-1), fc=nn.Linear(5, 4)))


def truths():
    return _port(Net(lambda net, x: net.fc(x) > 0, fc=nn.Linear(5, 4)))


def truths__less_wrong():
    return _port(Net(lambda net, x: net.fc(x) < 0, fc=nn.Linear(5, 4)))


def no_loss():
    return _port(nn.Linear(5, 3))


def not_compiled():
    return _port(nn.Linear(5, 3))


def not_built():
    return _port(_mlp())


def scalars():
    return _port(Net(lambda net, x: net.fc(x).squeeze(-1), fc=nn.Linear(5, 1)))


def jit():
    return _port(_mlp())


def eager():
    return _port(_mlp())


def several_steps():
    return _port(_mlp())


def saved_model():
    return _port(_mlp())


def trained():
    return _port(_mlp(), optimizer=_adam)


def trained__epsilon_wrong():
    return _port(_mlp(), optimizer=lambda weights: torch.optim.Adam(weights, 0.01))


def loaded():
    return _port(_mlp(), optimizer=lambda weights: optim.Nadam(weights, learning_rate=0.01))


def loaded__rate_wrong():
    return _port(_mlp(), optimizer=lambda weights: optim.Nadam(weights, learning_rate=0.02))


def _falling(decay):
    def made(weights):
        rate = ExponentialDecay(0.1, 3, decay)
        return optim.SGD(weights, learning_rate=rate, momentum=0.9)

    return made


def loaded_with_schedule():
    return _port(_mlp(), optimizer=_falling(0.5))


def loaded_with_schedule__decay_wrong():
    return _port(_mlp(), optimizer=_falling(0.6))


class _Dropped(nn.Module):
    def __init__(self, rate, mode=None, channels=False):
        super().__init__()
        self.first, self.last = nn.Linear(5, 6), nn.Linear(6, 3)
        self.rate, self.mode, self.channels = rate, mode, channels

    def forward(self, x):
        x, mode = self.first(x), self.training if self.mode is None else self.mode
        if self.channels:
            x = F.dropout1d(x.mT, self.rate, mode).mT
        else:
            x = F.dropout(x, self.rate, mode)
        return self.last(x)


def always_dropped():
    return _port(_Dropped(0.4, mode=True))


def always_dropped__in_training_wrong():
    return _port(_Dropped(0.4))


def always_dropped__rate_wrong():
    return _port(_Dropped(0.3, mode=True))


def own_dropout():
    return _port(_Dropped(0.4, channels=True))


def own_dropout__always_wrong():
    return _port(_Dropped(0.4, mode=True, channels=True))


def own_dropout__single_wrong():
    return _port(_Dropped(0.4))


def direct_dropout():
    return _port(_Dropped(0.4, mode=True))


def direct_dropout__drawn():
    def keep(x):
        return x * (torch.rand_like(x) >= 0.4) / 0.6

    net = _Dropped(0.4)
    net.forward = lambda x: net.last(keep(net.first(x)))
    return _port(net)


def direct_dropout__rate_wrong():
    return _port(_Dropped(0.3, mode=True))


def direct_dropout__in_training_wrong():
    return _port(_Dropped(0.4))
