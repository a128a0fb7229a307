"""Right ports of the models with several outputs and losses, in differing styles."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..initial import begin


def port(net, loss, **parts):
    return Port(net, loss, torch.optim.SGD(net.parameters(), lr=0.05), **parts)


def labels(t):
    return t.long().reshape(-1)


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.kind, self.place = nn.Linear(8, 3), nn.Linear(8, 2)
        begin(self)

    def forward(self, x):
        x = F.relu(self.body(x))
        return {"kind": self.kind(x), "place": self.place(x)}


def classify(y, t):
    return F.cross_entropy(y, labels(t))


def heads_by_name():
    return port(
        Heads(),
        {"kind": classify, "place": nn.MSELoss()},
        loss_weights={"kind": 1.0, "place": 0.3},
        metrics={"kind": ["accuracy"], "place": ["mae"]},
    )


def heads_one_function():
    def loss(outputs, targets):
        return classify(outputs["kind"], targets["kind"]) + 0.3 * F.mse_loss(
            outputs["place"], targets["place"]
        )

    return port(Heads(), loss)


class HeadsTuple(Heads):
    def forward(self, x):
        x = self.body(x).relu()
        return self.place(x), F.log_softmax(self.kind(x), 1)


def heads_tuple():
    """In the other order."""

    def loss(outputs, targets):
        (place, kind), (t_place, t_kind) = outputs, targets
        return F.nll_loss(kind, labels(t_kind)) + 0.3 * ((place - t_place) ** 2).mean()

    return port(HeadsTuple(), loss, output_names=["place", "kind"])


class Towers(nn.Module):
    def __init__(self):
        super().__init__()
        self.low, self.high = nn.Linear(6, 8), nn.Linear(8, 7)
        self.main, self.aux = nn.Linear(7, 4), nn.Linear(8, 4)
        begin(self)

    def forward(self, x):
        low = F.relu(self.low(x))
        return self.main(F.relu(self.high(low))), self.aux(low)


def towers_lists():
    return port(Towers(), [nn.CrossEntropyLoss(), nn.CrossEntropyLoss()], loss_weights=[1.0, 0.4])


def towers_one_function():
    def loss(outputs, targets):
        main, aux = outputs
        return F.cross_entropy(main, targets[0]) + 0.4 * F.cross_entropy(aux, targets[1])

    return port(Towers(), loss)


class Confused(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(5, 6)
        self.raw, self.sure = nn.Linear(6, 1), nn.Linear(6, 1)
        begin(self)

    def forward(self, x):
        x = torch.tanh(self.body(x))
        return {"raw": self.raw(x), "sure": torch.sigmoid(self.sure(x))}


def confused_by_name():
    return port(Confused(), {"raw": nn.BCEWithLogitsLoss(), "sure": nn.BCELoss()})


class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(7, 6)
        self.mean, self.log_variance = nn.Linear(6, 3), nn.Linear(6, 3)
        self.decoder = nn.Linear(3, 7)
        begin(self)

    def forward(self, x):
        x = F.relu(self.body(x))
        mean, log_variance = self.mean(x), self.log_variance(x)
        self.kl = 0.1 * -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
        return self.decoder(mean)


def coder_added():
    return port(Coder(), nn.MSELoss(), added_loss=lambda net: net.kl)


class CoderReturns(Coder):
    def forward(self, x):
        x = F.relu(self.body(x))
        mean, log_variance = self.mean(x), self.log_variance(x)
        return self.decoder(mean), mean, log_variance


def coder_returns():
    """The module returns all, and the loss takes all."""

    def loss(outputs, targets):
        y, mean, log_variance = outputs
        kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp()) / len(mean)
        return F.mse_loss(y, targets) + 0.1 * kl

    return port(CoderReturns(), loss)


class Penalised(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(6, 8), nn.Linear(8, 2)
        begin(self)

    def forward(self, x):
        return self.head(F.relu(self.body(x)))


def penalised_in_loss():
    net = Penalised()

    def loss(y, t):
        return F.mse_loss(y, t) + 0.02 * (
            net.body.weight.square().sum() + net.head.weight.square().sum()
        )

    return port(net, loss)


class SparseCode(nn.Module):
    def __init__(self):
        super().__init__()
        self.code, self.decoder = nn.Linear(6, 8), nn.Linear(8, 6)
        begin(self)

    def forward(self, x):
        self.activity = F.relu(self.code(x))
        return self.decoder(self.activity)


def sparse_code_added():
    net = SparseCode()
    return port(net, lambda y, t: F.l1_loss(y, t) + 0.01 * net.activity.abs().sum() / len(y))


class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 3)
        begin(self)

    def forward(self, x):
        return self.head(F.relu(self.body(x)))


def weighted_mean():
    def loss(y, t, sample_weight):
        return (F.huber_loss(y, t, reduction="none", delta=0.5).mean(1) * sample_weight).mean()

    return port(Weighted(), loss)


class WeightedPair(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 6)
        self.near, self.far = nn.Linear(6, 1), nn.Linear(6, 2)
        begin(self)

    def forward(self, x):
        x = F.relu(self.body(x))
        return self.near(x), self.far(x)


def weighted_pair_function():
    def loss(outputs, targets, sample_weight):
        near = (
            F.mse_loss(outputs[0], targets[0], reduction="none").mean(1) * sample_weight[0]
        ).mean()
        far = (
            F.l1_loss(outputs[1], targets[1], reduction="none").mean(1) * sample_weight[1]
        ).mean()
        return 0.5 * near + 2.0 * far

    return port(WeightedPair(), loss)


class Classes(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(5, 6), nn.Linear(6, 3)
        begin(self)

    def forward(self, x):
        return self.head(F.relu(self.body(x)))


def classes_in_loss():
    weights = torch.tensor([1.0, 3.0, 0.5])

    def loss(y, t):
        each = F.cross_entropy(y, labels(t), reduction="none")
        return (each * weights.to(y)[labels(t)]).mean()

    return port(Classes(), loss, validation_loss=classify, metrics=["accuracy"])


def classes_by_port():
    def loss(y, t, sample_weight=None):
        each = F.cross_entropy(y, labels(t), reduction="none")
        return each.mean() if sample_weight is None else (each * sample_weight).mean()

    return port(Classes(), loss, class_weight={0: 1.0, 1: 3.0, 2: 0.5})


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(10, 7), nn.Linear(7, 2)
        begin(self)

    def forward(self, age, income, city):
        x = torch.cat([age, income, city], dim=1)
        return self.head(F.relu(self.body(x)))


def joined_by_name():
    return port(Joined(), nn.MSELoss())


class JoinedDict(Joined):
    def forward(self, batch):
        return super().forward(batch["age"], batch["income"], batch["city"])


def joined_dictionary():
    return port(JoinedDict(), nn.MSELoss())


class Twins(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 5)
        self.gap, self.both = nn.Linear(5, 1), nn.Linear(5, 2)
        begin(self)

    def forward(self, left, right):
        a, b = self.body(left).tanh(), self.body(right).tanh()
        return self.gap(a - b), self.both(a * b)


def twins_logits():
    losses = [nn.MSELoss(), nn.BCEWithLogitsLoss()]
    return port(Twins(), losses, loss_weights=[0.7, 1.0])
