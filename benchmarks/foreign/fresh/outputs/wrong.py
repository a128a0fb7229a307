"""Ports of the models with several outputs with one mistake each; `cases.py` says which."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from . import right
from .right import classify, labels, port


def heads_weights_exchanged():
    losses = {"kind": classify, "place": nn.MSELoss()}
    return port(right.Heads(), losses, loss_weights={"kind": 0.3, "place": 1.0})


def heads_no_weights():
    return port(right.Heads(), {"kind": classify, "place": nn.MSELoss()})


def heads_one_loss_missing():
    return port(right.Heads(), lambda outputs, targets: classify(outputs["kind"], targets["kind"]))


def heads_sum_of_squares():
    def loss(outputs, targets):
        place = F.mse_loss(outputs["place"], targets["place"], reduction="sum")
        return classify(outputs["kind"], targets["kind"]) + 0.3 * place

    return port(right.Heads(), loss)


def heads_sum_over_coordinates():
    """The squares of a place are added up, as for a distance."""

    def loss(outputs, targets):
        place = (outputs["place"] - targets["place"]).square().sum(-1).mean()
        return classify(outputs["kind"], targets["kind"]) + 0.3 * place

    return port(right.Heads(), loss)


def heads_metric_of_squares():
    return port(
        right.Heads(),
        {"kind": classify, "place": nn.MSELoss()},
        loss_weights={"kind": 1.0, "place": 0.3},
        metrics={"kind": ["accuracy"], "place": [root_of_squares]},
    )


def root_of_squares(outputs, targets):
    return (outputs - targets).square().mean(-1)


root_of_squares.__name__ = "mae"


class Exchanged(right.Towers):
    def forward(self, x):
        main, aux = super().forward(x)
        return aux, main


def towers_outputs_exchanged():
    return port(
        Exchanged(), [nn.CrossEntropyLoss(), nn.CrossEntropyLoss()], loss_weights=[1.0, 0.4]
    )


def towers_target_of_the_other():
    def loss(outputs, targets):
        return F.cross_entropy(outputs[0], targets[0]) + 0.4 * F.cross_entropy(
            outputs[1], targets[0]
        )

    return port(right.Towers(), loss)


def towers_aux_in_eval():
    net = right.Towers()

    def loss(outputs, targets):
        total = F.cross_entropy(outputs[0], targets[0])
        if not net.training:
            total = total + 0.4 * F.cross_entropy(outputs[1], targets[1])
        return total

    return port(net, loss)


class Detached(right.Towers):
    """The second head does not train what is below it."""

    def forward(self, x):
        low = F.relu(self.low(x))
        return self.main(F.relu(self.high(low))), self.aux(low.detach())


def towers_aux_detached():
    return port(Detached(), [nn.CrossEntropyLoss(), nn.CrossEntropyLoss()], loss_weights=[1.0, 0.4])


class AuxFromHigh(right.Towers):
    def forward(self, x):
        low = F.relu(self.low(x))
        high = F.relu(self.high(low))
        return self.main(high), self.aux(F.pad(high, (0, 1)))


def towers_aux_from_above():
    return port(
        AuxFromHigh(), [nn.CrossEntropyLoss(), nn.CrossEntropyLoss()], loss_weights=[1.0, 0.4]
    )


def confused_sigmoid_twice():
    return port(right.Confused(), {"raw": nn.BCEWithLogitsLoss(), "sure": nn.BCEWithLogitsLoss()})


class SureRaw(right.Confused):
    """Both heads return probabilities, and the loss takes one for logits."""

    def forward(self, x):
        x = torch.tanh(self.body(x))
        return {"raw": torch.sigmoid(self.raw(x)), "sure": torch.sigmoid(self.sure(x))}


def confused_logits_squashed():
    return port(SureRaw(), {"raw": nn.BCEWithLogitsLoss(), "sure": nn.BCELoss()})


def kl_of(factor, reduce):
    class Net(right.Coder):
        def forward(self, x):
            x = F.relu(self.body(x))
            mean, log_variance = self.mean(x), self.log_variance(x)
            self.kl = factor * reduce(1 + log_variance - mean**2 - log_variance.exp())
            return self.decoder(mean)

    return port(Net(), nn.MSELoss(), added_loss=lambda net: net.kl)


def coder_summed():
    return kl_of(-0.05, torch.sum)


def coder_mean_of_all():
    return kl_of(-0.05, torch.mean)


def coder_sign():
    return kl_of(0.05, lambda x: x.sum(1).mean())


def coder_no_half():
    return kl_of(-0.1, lambda x: x.sum(1).mean())


def coder_forgotten():
    return port(right.Coder(), nn.MSELoss())


class Deviation(right.Coder):
    """Takes the logarithm of the variance for that of the deviation."""

    def forward(self, x):
        x = F.relu(self.body(x))
        mean, s = self.mean(x), self.log_variance(x)
        self.kl = -0.05 * (1 + 2 * s - mean**2 - (2 * s).exp()).sum(1).mean()
        return self.decoder(mean)


def coder_log_of_deviation():
    return port(Deviation(), nn.MSELoss(), added_loss=lambda net: net.kl)


def penalised_weight_decay():
    """weight_decay=l2: half the gradient, and biases as well."""
    net = right.Penalised()
    return Port(net, nn.MSELoss(), torch.optim.SGD(net.parameters(), lr=0.05, weight_decay=0.02))


def penalised_biases():
    net = right.Penalised()
    return port(
        net, lambda y, t: F.mse_loss(y, t) + 0.02 * sum(p.square().sum() for p in net.parameters())
    )


def penalised_first_layer_alone():
    net = right.Penalised()
    return port(net, lambda y, t: F.mse_loss(y, t) + 0.02 * net.body.weight.square().sum())


def penalised_norm():
    """The norm, not its square."""
    net = right.Penalised()
    return port(
        net,
        lambda y, t: F.mse_loss(y, t) + 0.02 * (net.body.weight.norm() + net.head.weight.norm()),
    )


def sparse_code_mean():
    net = right.SparseCode()
    return port(net, lambda y, t: F.l1_loss(y, t) + 0.01 * net.activity.abs().mean())


def sparse_code_forgotten():
    return port(right.SparseCode(), nn.L1Loss())


class BeforeRelu(right.SparseCode):
    def forward(self, x):
        self.activity = self.code(x)
        return self.decoder(F.relu(self.activity))


def sparse_code_before_activation():
    net = BeforeRelu()
    return port(net, lambda y, t: F.l1_loss(y, t) + 0.01 * net.activity.abs().sum() / len(y))


def huber(y, t):
    return F.huber_loss(y, t, reduction="none", delta=0.5).mean(1)


def weighted_normalised():
    return port(
        right.Weighted(),
        lambda y, t, sample_weight: (huber(y, t) * sample_weight).sum() / sample_weight.sum(),
    )


def weighted_ignored():
    return port(right.Weighted(), lambda y, t: huber(y, t).mean())


def weighted_smooth_l1():
    """smooth_l1 is Huber's loss divided by its delta."""

    def loss(y, t, sample_weight):
        return (F.smooth_l1_loss(y, t, reduction="none", beta=0.5).mean(1) * sample_weight).mean()

    return port(right.Weighted(), loss)


def weighted_pair_first_for_both():
    def loss(outputs, targets, sample_weight):
        near = (
            F.mse_loss(outputs[0], targets[0], reduction="none").mean(1) * sample_weight[0]
        ).mean()
        far = (
            F.l1_loss(outputs[1], targets[1], reduction="none").mean(1) * sample_weight[0]
        ).mean()
        return 0.5 * near + 2.0 * far

    return port(right.WeightedPair(), loss)


def weighted_pair_one_unweighted():
    def loss(outputs, targets, sample_weight):
        near = (
            F.mse_loss(outputs[0], targets[0], reduction="none").mean(1) * sample_weight[0]
        ).mean()
        return 0.5 * near + 2.0 * F.l1_loss(outputs[1], targets[1])

    return port(right.WeightedPair(), loss)


def classes_normalised():
    """F.cross_entropy divides by the sum of the weights."""
    weights = torch.tensor([1.0, 3.0, 0.5])
    return port(right.Classes(), lambda y, t: F.cross_entropy(y, labels(t), weight=weights.to(y)))


def classes_forgotten():
    return port(right.Classes(), classify)


class OtherOrder(right.Joined):
    def forward(self, age, income, city):
        x = torch.cat([income, age, city], dim=1)
        return self.head(F.relu(self.body(x)))


def joined_other_order():
    return port(OtherOrder(), nn.MSELoss())


class Sorted(right.Joined):
    """In the order of the names."""

    def forward(self, batch):
        x = torch.cat([batch[name] for name in sorted(batch)], dim=1)
        return self.head(F.relu(self.body(x)))


def joined_sorted():
    return port(Sorted(), nn.MSELoss())


class GapReversed(right.Twins):
    def forward(self, left, right):
        a, b = self.body(left).tanh(), self.body(right).tanh()
        return self.gap(b - a), self.both(a * b)


def twins_difference_reversed():
    return port(GapReversed(), [nn.MSELoss(), nn.BCEWithLogitsLoss()], loss_weights=[0.7, 1.0])


class TwoBodies(nn.Module):
    """Each input has a body of its own."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(4, 5), nn.Linear(4, 5)
        self.gap, self.both = nn.Linear(5, 1), nn.Linear(5, 2)
        right.begin(self)

    def forward(self, left, right):
        a, b = self.left(left).tanh(), self.right(right).tanh()
        return self.gap(a - b), self.both(a * b)


def twins_two_bodies():
    return port(TwoBodies(), [nn.MSELoss(), nn.BCEWithLogitsLoss()], loss_weights=[0.7, 1.0])
