"""Ports with one mistake each in a metric."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from benchmarks.metric_cases import right
from benchmarks.metric_cases.right import Counted, Kept, Tensor, WeightedShare, in_top
from torch_impl import Port, losses, metrics


def _classes(**changes: object) -> Port:
    found = {
        "accuracy": Counted("accuracy", right.accuracy),
        "top3": Counted("top3", in_top(3)),
        "entropy": Counted("entropy", right.entropy),
    }
    return right.classes_port(*(found | changes).values())


def batch_means() -> Port:
    """The function returns the mean of the batch."""

    def accuracy(output: Tensor, target: Tensor) -> Tensor:
        return (output.argmax(1) == target).double().mean()

    return _classes(accuracy=accuracy)


def last_batch() -> Port:
    """What was counted is forgotten before each batch."""

    class Forgetful(Counted):
        def update(self, output: Tensor, target: Tensor) -> None:
            self.reset()
            super().update(output, target)

    return _classes(accuracy=Forgetful("accuracy", right.accuracy))


def number_of_right_ones() -> Port:
    """A count in the place of a share."""

    class Number(Counted):
        def compute(self) -> Tensor:
            return torch.tensor(self.total)

    return _classes(accuracy=Number("accuracy", right.accuracy))


def percent() -> Port:
    """85 for 0.85."""
    return _classes(accuracy=Counted("accuracy", lambda o, y: 100 * right.accuracy(o, y)))


def error_rate() -> Port:
    """The wrong ones."""
    return _classes(accuracy=Counted("accuracy", lambda o, y: 1 - right.accuracy(o, y)))


def other_k() -> Port:
    """Among the five greatest, in Keras the three greatest."""
    return _classes(top3=Counted("top3", in_top(5)))


def accuracy_for_top() -> Port:
    """The plain accuracy under the name of the other one."""
    return _classes(top3=Counted("top3", right.accuracy))


def other_name() -> Port:
    """The function's own name."""
    return _classes(accuracy=Counted("train_acc", right.accuracy))


def entropy_of_logits() -> Port:
    """Keras's metric of probabilities gets logits."""
    return _classes(entropy=metrics.SparseCategoricalCrossentropy(name="entropy"))


def _yes_or_no(**changes: object) -> Port:
    found = {
        "accuracy": Counted("accuracy", right.above_zero),
        "auc": metrics.AUC(name="auc", from_logits=True),
        "precision": right.precision_at(0.3),
    }
    weighted = changes.pop("weighted", (right.share(), right.recall()))
    return right.yes_or_no_port(*(found | changes).values(), weighted=weighted)  # type: ignore[arg-type]


def threshold() -> Port:
    """Precision above 0.5, in Keras above 0.3."""
    return _yes_or_no(precision=right.precision_at(0.5))


def logits_above_half() -> Port:
    """A logit of 0.5 is a probability of 0.62."""
    return _yes_or_no(accuracy=Counted("accuracy", lambda o, y: ((o > 0.5) == (y > 0.5)).double()))


def half_counts_as_yes() -> Port:
    """At least the threshold, in Keras above it."""
    return _yes_or_no(accuracy=Counted("accuracy", lambda o, y: ((o >= 0) == (y > 0.5)).double()))


def weights_ignored() -> Port:
    """A weighted metric among the plain ones."""
    port = _yes_or_no(weighted=(right.recall(),))
    return replace(port, metrics=[*port.metrics, right.share()])


def weights_counted() -> Port:
    """A plain metric among the weighted ones."""
    port = _yes_or_no()
    accuracy = WeightedShare("accuracy", lambda o, y: right.above_zero(o, y)[:, 0])
    return replace(
        port, metrics=port.metrics[1:], weighted_metrics=[accuracy, *port.weighted_metrics]
    )


def area_without_thresholds() -> Port:
    """The exact area under the curve."""

    def auc(output: Tensor, target: Tensor) -> Tensor:
        scores, is_one = output[:, 0], target[:, 0] > 0.5
        apart = scores[is_one][:, None] - scores[~is_one][None]
        return ((apart > 0).double() + 0.5 * (apart == 0)).mean()

    return _yes_or_no(auc=Kept("auc", auc))


def precision_recall_curve() -> Port:
    """The area under another curve."""
    return _yes_or_no(auc=metrics.AUC(name="auc", from_logits=True, curve="PR"))


def f1_of_all_labels() -> Port:
    """All labels counted together."""

    def f1(output: Tensor, target: Tensor) -> Tensor:
        return right.f1(output.reshape(-1, 1), target.reshape(-1, 1))

    port = right.labels_objects()
    return replace(port, metrics=[port.metrics[0], Kept("f1", f1), port.metrics[2]])


def rmse_of_batches() -> Port:
    """The mean of the roots of the batches."""
    port = right.values_objects()
    return replace(port, metrics=[port.metrics[0], right.rmse, port.metrics[2]])


def root_left_out() -> Port:
    """The mean squared error under the name of its root."""
    port = right.values_objects()
    square = Kept("rmse", nn.functional.mse_loss)
    return replace(port, metrics=[port.metrics[0], square, port.metrics[2]])


def divided_by_number() -> Port:
    """Weighted errors over the number of samples."""

    class Divided(WeightedShare):
        def update(
            self, output: Tensor, target: Tensor, sample_weight: Tensor | None = None
        ) -> None:
            super().update(output, target, sample_weight)
            self.number = getattr(self, "number", 0) + len(output)

        def reset(self) -> None:
            super().reset()
            self.number = 0

        def compute(self) -> float:
            return self.total / self.number

    module = right.net(6, 8, 2)
    weighted = [Divided("mse", right.squared)]
    return right.port(module, losses.MeanSquaredError(), "mae", weighted_metrics=weighted)


def two_of_three_classes() -> Port:
    """The first class, background, left out of the mean."""

    def iou(output: Tensor, target: Tensor) -> Tensor:
        said, shares = output.argmax(1), []
        for label in (1, 2):
            both = ((said == label) & (target == label)).sum()
            shares.append(both / ((said == label) | (target == label)).sum())
        return torch.stack(shares).mean()

    port = right.pixels_objects()
    return replace(port, metrics=[port.metrics[0], Kept("iou", iou)])


def raises() -> Port:
    """One label more than the metric can take."""
    return _classes(accuracy=Counted("accuracy", lambda o, y: o.argmax(1) == y[:, None, None, 0]))


def of_another_sample() -> Port:
    """A custom metric that counts another distance."""

    def within_half(output: Tensor, target: Tensor) -> Tensor:
        return ((output - target).abs() < 0.25).double()

    return right.port(right.net(6, 8, 2), nn.MSELoss(), within_half)
