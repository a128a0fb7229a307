"""Wrong ports of the models in `idioms_keras.py`: each is a right one of `idioms_torch.py` but for
one line."""

import idioms_torch as right
import torch
import torch.nn.functional as F
from torch import nn


def _changed(port, forward):
    """A port whose module computes something else."""
    module = port.module
    module.forward = lambda *x: forward(module, *x)
    return port


def dense__bias_twice():
    def forward(net, x):
        x = F.relu(F.linear(x, net.fc.weight, net.fc.bias))
        return F.linear(x, net.table, net.shift + net.shift) @ net.last + net.bias

    return _changed(right.dense__linear(), forward)


def dense__detached():
    def forward(net, x):
        x = F.relu(F.linear(x, net.fc.weight, net.fc.bias))
        return (x @ net.table.T.detach() + net.shift) @ net.last + net.bias

    return _changed(right.dense__turned(), forward)


def conv__stride():
    port = right.conv__compiled_inside()
    port.module[0].padding = (1, 1)
    port.module[2].dilation = (2, 2)
    return port


def one_channel__rows():
    def forward(net, x):
        x = F.max_pool2d(F.relu(net.a(x)), 2)
        return net.fc(F.relu(net.b(x)).movedim(1, 2).reshape(len(x), -1))

    return _changed(right.one_channel__view(), forward)


def lstm_dropout__none():
    port = right.lstm_dropout__three()
    port.module.rnn.dropout = 0.0
    return port


def lstm_dropout__rate():
    port = right.lstm_dropout__three()
    port.module.rnn.dropout = 0.5
    return port


def lstm_bidirectional__last_step():
    port = right.lstm_bidirectional__three()
    port.module.last = "output"
    return port


def lstm__first_layer():
    def forward(net, x):
        return net.fc(net.rnn(x)[1][0][0])

    return _changed(right.lstm__two(), forward)


def layer_scale__forgotten():
    def forward(net, x):
        return net.fc(F.relu(net.b(net.a(x) * net.first) * net.second).detach().mean(1))

    return _changed(right.layer_scale__parameters(), forward)


def layer_scale__shared():
    def forward(net, x):
        x = net.a(x).mul(net.first)
        return net.fc((F.relu(net.b(x)) * net.first).mean(1))

    return _changed(right.layer_scale__parameters(), forward)


def vit__no_place_of_the_token():
    def forward(net, x):
        x = net.patch(x).flatten(2).transpose(1, 2) + net.pos[:, 1:]
        x = torch.cat([net.cls_token.expand(len(x), -1, -1), x], 1)
        return net.head((F.gelu(net.mlp(net.norm(x))) * net.ls).flatten(1))

    return _changed(right.vit__parameters(), forward)


def own_dense__activation():
    port = right.own_dense__linears()
    port.module[4] = nn.Sigmoid()
    return port


def own_dense__load_forgets_to_turn():
    port = right.own_dense__load()
    load = port.load

    def forgetful(net, weights):
        load(net, weights)
        net[2].weight.copy_(torch.tensor(weights["own_dense_1.table"]).T)

    return right.Port(port.module, port.loss, port.optimizer, load=forgetful)


def weight_norm__of_columns():
    port = right.weight_norm__parametrized()
    first = nn.utils.parametrizations.weight_norm(nn.Linear(6, 5), dim=1)
    return right._port(nn.Sequential(first, *list(port.module)[1:]))


def shuffle__groups_of_three():
    def forward(net, x):
        x = net.a(x)
        n, c, h, w = x.shape
        x = x.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)
        return net.fc(F.relu(net.b(x)).mean([2, 3]))

    return _changed(right.shuffle__view(), forward)


def sums__of_the_last():
    def forward(net, x):
        x = F.relu(net.convs[0](x))
        total = 0
        for conv in net.convs[1:]:
            x = F.relu(conv(x))
            total = total + x
        return net.fc(torch.flatten(net.pool(total), 1))

    return _changed(right.sums__accumulated(), forward)


def permuted__viewed():
    def forward(net, x):
        x = F.relu(net.a(x.movedim(1, 2)))
        return net.fc(net.b(x.reshape(len(x), 5, 6)).flatten(1))

    return _changed(right.permuted__movedim(), forward)


def time_distributed__steps_and_samples():
    def forward(net, x):
        n, t = x.shape[:2]
        x = x.transpose(0, 1).reshape(n * t, *x.shape[2:])
        x = F.max_pool2d(F.relu(net.conv(x)), 2)
        x = x.permute(0, 2, 3, 1).reshape(n, t, -1)
        return net.fc(net.rnn(x)[0][:, -1])

    return _changed(right.time_distributed__folded(), forward)


def limited__rows_for_columns():
    return right.limited__renorm(axis=1)


def limited__another_limit():
    return right.limited__renorm(limit=2.1)


def limited__not():
    return right.limited__renorm(limit=1e9)


def sentences__one_direction_twice():
    port = right.sentences__folded()
    net = port.module

    def read(x):
        _, (h, _) = net.both(net.above(net.below(x)[0])[0])
        return torch.tanh(net.dense(torch.cat([h[0], h[0]], dim=1)))

    net.read = read
    return port


def decoder__sides_swapped():
    def forward(net, x):
        x = F.relu(net.norm(net.fc(x))).view(-1, 5, 3, 4).transpose(2, 3)
        return torch.sigmoid(net.conv(F.relu(net.up(x))))

    return _changed(right.decoder__view(), forward)


def pooled__square_for_silu():
    port = right.pooled__silu_by_hand()
    port.module.silu = lambda x: x * torch.tanh(x)
    return port


def two_branches__swapped():
    def forward(net, image, table):
        b = F.relu(net.fc(table))
        a = F.relu(net.conv(image)).flatten(1)
        return net.out(torch.cat([b, a], 1))

    return _changed(right.two_branches__other_order(), forward)
