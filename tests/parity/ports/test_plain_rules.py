"""Rules of a training in plain torch do what those of `torch_impl` do, which are Keras's."""

from functools import partial

import numpy as np
import pytest
import torch
from rows import each_row

from parity.ports.plain_rules import metric
from torch_impl import losses, metrics, optim, schedule
from torch_impl.keras_config.training import planned_metric
from torch_impl.plain import callbacks, clipping, schedules, training, weights
from torch_impl.plain import losses as plain_losses
from torch_impl.plain import metrics as plain_metrics
from torch_impl.plain import optimizers as plain_optim

# Both round in other places: a few units of float64 in each of twelve steps.
BAR = 1e-14


TORCH_IN_FLOAT64 = True


CLIPS = {
    "clipnorm": clipping.clip_norm,
    "clipvalue": clipping.clip_value,
    "global_clipnorm": clipping.clip_global_norm,
}
OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.8, "nesterov": True, "clipnorm": 0.3}),
    ("Adam", {"weight_decay": 0.02}),
    ("Adam", {"amsgrad": True, "beta_1": 0.8, "global_clipnorm": 0.5}),
    ("AdamW", {}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True, "clipvalue": 0.2}),
    ("Adagrad", {"initial_accumulator_value": 0.3}),
    ("Adadelta", {"rho": 0.9}),
    ("Adamax", {"epsilon": 1e-4}),
    ("Nadam", {"beta_2": 0.99}),
    ("Lion", {"weight_decay": 0.1}),
]


def trained(kind, settings):
    """Weights after twelve steps of given gradients, in which the rate is cut once."""
    generator = torch.Generator().manual_seed(0)
    parameters = [torch.nn.Parameter(torch.ones(3, 4)), torch.nn.Parameter(torch.ones(5))]
    optimizer = kind(parameters, learning_rate=0.01, **settings)
    for step in range(12):
        for size, parameter in zip((1e-3, 2.0), parameters, strict=True):
            parameter.grad = size * torch.randn(parameter.shape, generator=generator)
        if step == 6:
            optimizer.param_groups[0]["lr"] *= 0.1
        optimizer.step()
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


@each_row("name, settings", OPTIMIZERS)
def test_an_optimizer_makes_the_steps_of_keras(name, settings):
    expected = trained(getattr(optim, name), settings)
    own = {key: value for key, value in settings.items() if key not in CLIPS}
    clips = [CLIPS[key](value) for key, value in settings.items() if key in CLIPS]
    found = trained(getattr(plain_optim, name), own | ({"clip": clips[0]} if clips else {}))
    assert (found - expected).abs().max() <= BAR
    assert (expected - 1).abs().max() > 1e-5


def test_weights_that_are_one_in_keras_have_one_norm():
    """Of 3 and 4 it is 5; a third weight, and one without a gradient, keep their own."""
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(4)]
    for weight, size in zip(weights, (3.0, 12.0, 4.0), strict=False):
        weight.grad = torch.tensor([size])
    clip = clipping.clip_joined_norm(1.0, [(weights[0], weights[2]), (weights[3], weights[3])])
    found = clip([weight.grad for weight in weights[:3]])
    assert [float(each) for each in found] == pytest.approx([0.6, 1.0, 0.8], abs=BAR)
    alone = clipping.clip_norm(1.0)([weight.grad for weight in weights[:3]])
    assert [float(each) for each in alone] == [1.0, 1.0, 1.0]


SCHEDULES = [
    ("ExponentialDecay", (0.1, 7, 0.9)),
    ("ExponentialDecay", (0.1, 41, 0.5, True)),  # falls after 42 steps, in float32
    ("InverseTimeDecay", (0.1, 7, 0.5)),
    ("InverseTimeDecay", (0.1, 7, 0.5, True)),
    ("PolynomialDecay", (0.1, 50, 0.01, 2.0)),
    ("PolynomialDecay", (0.1, 50, 0.01, 0.5)),
    ("PiecewiseConstantDecay", ((10, 20), (0.1, 0.05, 0.01))),
    ("CosineDecay", (0.1, 60)),
    ("CosineDecay", (0.01, 60, 0.1, 0.1, 10)),
    ("CosineDecayRestarts", (0.1, 10)),
    ("CosineDecayRestarts", (0.1, 13, 1.0)),
    ("CosineDecayRestarts", (0.1, 7, 1.5, 0.8, 0.1)),
]


@each_row("name, settings", SCHEDULES)
def test_a_schedule_gives_the_rates_of_fit(name, settings):
    theirs, ours = getattr(schedule, name)(*settings), getattr(schedules, name)(*settings)
    for step in range(100):
        assert ours(step) == theirs(step, compiled=True)


def probabilities(shape, generator):
    return torch.softmax(torch.randn(shape, generator=generator), -1)


def pairs_of(name):
    """Outputs and targets that fit a loss: probabilities, and the same with logits."""
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(6, 4, generator=generator)
    if name == "SparseCategoricalCrossentropy":
        return logits, torch.tensor([0, 3, 1, 2, 2, 0])
    if name in ("CategoricalCrossentropy", "CategoricalHinge", "KLDivergence"):
        rows = torch.nn.functional.one_hot(torch.tensor([0, 3, 1, 2, 2, 0]), 4)
        return logits, rows if name != "KLDivergence" else probabilities((6, 4), generator)
    if name in ("BinaryCrossentropy", "Hinge", "SquaredHinge"):
        return logits, torch.randint(0, 2, (6, 4), generator=generator)
    return logits, torch.rand(6, 4, generator=generator) + 0.1


LOSSES = [
    ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}),
    ("SparseCategoricalCrossentropy", {}),
    ("CategoricalCrossentropy", {"reduction": "sum"}),
    ("BinaryCrossentropy", {}),
    ("KLDivergence", {}),
    ("Poisson", {}),
    ("MeanSquaredError", {}),
    ("MeanAbsoluteError", {}),
    ("MeanAbsolutePercentageError", {}),
    ("MeanSquaredLogarithmicError", {}),
    ("Huber", {"delta": 0.3}),
    ("LogCosh", {}),
    ("Hinge", {}),
    ("SquaredHinge", {"reduction": "sum"}),
    ("CategoricalHinge", {}),
    ("CosineSimilarity", {}),
]


def of_loss(loss, name, settings, weight, ending):
    """A loss and its gradient with respect to the logits."""
    logits, target = pairs_of(name)
    logits.requires_grad_(True)
    is_plain = settings.get("from_logits") or name not in (
        *("SparseCategoricalCrossentropy", "CategoricalCrossentropy"),
        *("BinaryCrossentropy", "KLDivergence", "Poisson"),
    )
    output = logits if is_plain else logits.softmax(-1)
    if ending == "carried" and not is_plain:
        output._keras_logits = logits
    value = loss(output, target, weight)
    value.backward()
    return torch.cat([value.detach()[None], logits.grad.flatten()])


@each_row("ending", ["probabilities", "carried"])
@each_row("weight", [None, torch.tensor([1.0, 0.0, 2.0, 0.5, 3.0, 1.0])])
@each_row("name, settings", LOSSES)
def test_a_loss_and_its_gradient_are_keras_ones(name, settings, weight, ending):
    found, expected = (
        of_loss(getattr(home, name)(**settings), name, settings, weight, ending)
        for home in (plain_losses, losses)
    )
    assert (found - expected).abs().max() <= BAR * expected.abs().max()


WEIGHTS = {
    "pixels": ((3, 4, 4, 1), (3, 4, 4)),
    "pixels_in_a_column": ((3, 4, 4, 1), (3, 4, 4, 1)),
    "steps": ((3, 5, 2), (3, 5)),
    "samples_in_a_column": ((3, 2), (3, 1)),
    "samples_of_one_step": ((3, 1, 2), (3,)),
}


@each_row("case", WEIGHTS)
def test_weights_have_the_shape_of_the_values_of_the_loss(case):
    shape, of_weights = WEIGHTS[case]
    generator = torch.Generator().manual_seed(5)
    output, target = (torch.randn(shape, generator=generator) for _ in range(2))
    weight = torch.rand(of_weights, generator=generator)
    found, expected = (
        float(home.MeanSquaredError()(output, target, weight)) for home in (plain_losses, losses)
    )
    assert found == pytest.approx(expected, rel=BAR)
    assert found != float(plain_losses.MeanSquaredError()(output, target))


def test_a_rule_that_watches_what_an_epoch_has_not_is_told_and_waits():
    rule = callbacks.EarlyStopping(torch.nn.Linear(1, 1), monitor="val_loss")
    with pytest.warns(UserWarning, match="EarlyStopping watches 'val_loss', which the epoch has"):
        assert not training.is_there(rule, {"loss": 1.0})
    assert training.is_there(rule, {"val_loss": 1.0})


def test_arrays_of_other_lengths_and_two_kinds_of_weights_are_refused():
    x, model = torch.ones(4, 1), torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"arrays of \[3, 4\] samples: expected one number"):
        training.fit(training.Training(model), (x, torch.ones(3), None))
    with pytest.raises(ValueError, match="weights of classes and of samples: expected one"):
        training.fit(training.Training(model, class_weight={0: 2.0}), (x, x, x))


def test_a_column_is_compared_with_targets_in_a_row():
    output, target = torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 4.0])
    assert plain_losses.MeanSquaredError()(output, target) == 2.0  # (0 + 4) / 2


def test_masked_steps_do_not_count():
    output, target = torch.tensor([[[1.0], [9.0]]]), torch.tensor([[[3.0], [0.0]]])
    output._keras_mask = torch.tensor([[True, False]])
    assert plain_losses.MeanSquaredError()(output, target) == 4.0


VALUES = [
    [5.0, 4.0, 4.0, 4.0, 3.9999, 3.0, 3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0],
    [1.0, float("nan"), 1.0, 1.0, 1.0, 0.5, 0.5, 0.5],
    [float("nan"), 1.0, 0.5, 0.4, 0.3],
    [2.0 + step % 3 for step in range(20)],
]
PLATEAUS = [
    {"patience": 2},
    {"patience": 1, "cooldown": 2, "factor": 0.5},
    {"patience": 0, "min_lr": 2e-3},
    {"patience": 2, "min_delta": 0.5, "mode": "max"},
]


@each_row("values", VALUES)
@each_row("settings", PLATEAUS)
def test_a_plateau_cuts_the_rate_in_the_same_epochs(values, settings):
    rates = []
    for home in (callbacks, schedule):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        rule = home.ReduceLROnPlateau(optimizer, **{"mode": "min", **settings})
        rates.append([])
        for value in values:
            rule.step(value)
            rates[-1].append(optimizer.param_groups[0]["lr"])
    assert rates[0] == rates[1]


STOPS = [
    {"patience": 0},
    {"patience": 2, "restore_best_weights": True},
    {"patience": 1, "start_from_epoch": 3, "min_delta": 0.2},
    {"patience": 2, "baseline": 3.5, "mode": "max"},
]


@each_row("values", VALUES)
@each_row("settings", STOPS)
def test_early_stopping_ends_in_the_same_epoch_with_the_same_weights(values, settings):
    found = []
    for home in (callbacks, schedule):
        model = torch.nn.Linear(1, 1)
        rule = home.EarlyStopping(model, **{"mode": "min", **settings})
        ends = []
        for epoch, value in enumerate(values):
            torch.nn.init.constant_(model.weight, float(epoch))
            ends.append(rule.step(value))
        rule.restore()
        found.append((ends, model.weight.item()))
    assert found[0] == found[1]


def of_a_bit(size, generator):
    output = torch.rand(size, 1, generator=generator).round(decimals=1)  # with ties
    return output, torch.randint(0, 2, (size,), generator=generator)


def of_classes(size, generator):
    target = torch.nn.functional.one_hot(torch.arange(size) % 3, 3).double()
    return probabilities((size, 3), generator), target


def average(function):
    return partial(plain_metrics.Average, "m", function)


OF_LOSSES = ("Hinge", "SquaredHinge", "CategoricalHinge", "KLDivergence", "Poisson")
# The metric of a plain package, that of `torch_impl`, and what draws their batches.
METRICS = [
    (partial(plain_metrics.AUC, "m"), metrics.AUC, of_a_bit),
    (
        partial(plain_metrics.AUC, "m", num_thresholds=5),
        partial(metrics.AUC, num_thresholds=5),
        of_a_bit,
    ),
    (
        partial(plain_metrics.Precision, "m", thresholds=0.3),
        partial(metrics.Precision, thresholds=0.3),
        of_a_bit,
    ),
    (partial(plain_metrics.Recall, "m"), metrics.Recall, of_a_bit),
    (partial(plain_metrics.RootMeanSquaredError, "m"), metrics.RootMeanSquaredError, of_a_bit),
    (average(plain_metrics.binary_accuracy), metrics.BinaryAccuracy, of_a_bit),
    (
        average(plain_losses.BinaryCrossentropy().per_sample),
        metrics.BinaryCrossentropy,
        of_a_bit,
    ),
    *[
        (average(getattr(plain_losses, name)().per_sample), getattr(metrics, name), of_classes)
        for name in OF_LOSSES
    ],
]


@each_row("plain, full, draw", METRICS)
def test_metrics_of_an_epoch_are_keras_ones(plain, full, draw):
    ours, theirs, generator = plain(), full(), torch.Generator().manual_seed(4)
    for size in (5, 8, 1):
        batch = draw(size, generator)
        ours.update(*batch)
        theirs.update(*batch)
    assert float(ours.compute()) == pytest.approx(float(theirs.result()), abs=1e-14)
    assert abs(float(ours.compute())) > 0.1
    ours.reset()
    assert float(ours.compute()) == 0


def test_accuracies_of_classes_are_keras_ones():
    generator = torch.Generator().manual_seed(3)
    output, labels = torch.randn(9, 5, generator=generator), torch.arange(9) % 5
    rows = torch.nn.functional.one_hot(labels, 5)
    for function, target, theirs in (
        (plain_metrics.accuracy, labels, metrics.SparseCategoricalAccuracy()),
        (plain_metrics.accuracy, rows, metrics.CategoricalAccuracy()),
        (
            plain_metrics.sparse_top_k_categorical_accuracy(2),
            labels,
            metrics.SparseTopKCategoricalAccuracy(2),
        ),
        (
            plain_metrics.top_k_categorical_accuracy(3),
            rows,
            metrics.TopKCategoricalAccuracy(3),
        ),
    ):
        theirs.update(output, target)
        assert function(output, target).double().mean() == theirs.result()


def test_initial_weights_have_the_spread_of_keras():
    torch.manual_seed(0)
    weight = torch.empty(200, 300)
    weights.scaled_uniform_(weight, 2 / 50)
    assert weight.abs().max() <= (6 / 50) ** 0.5
    # The deviation of the variance of n uniform numbers is sqrt(0.8 / n) of it: 5 of them.
    assert weight.var() == pytest.approx(2 / 50, rel=5 * (0.8 / weight.numel()) ** 0.5)
    weights.scaled_normal_(weight, 2 / 50)
    assert weight.abs().max() <= 2 * (2 / 50) ** 0.5 / 0.8796
    assert weight.var() == pytest.approx(2 / 50, rel=5 * (2 / weight.numel()) ** 0.5)
    bias = torch.empty(8)
    weights.forget_ones_(bias)
    assert bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_penalties_are_in_float32_and_without_a_half():
    weight = torch.tensor([3.0, -4.0])
    factor = float(np.float32(0.1))
    assert weights.l1_l2(0.1, 0.1)(weight) == pytest.approx(factor * 7 + factor * 25, abs=1e-15)


@each_row("name", CLIPS)
def test_a_step_without_gradients_is_taken(name):
    """It trains nothing, and counts; with a gradient, the weight moves."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = plain_optim.SGD([weight], 0.5, clip=CLIPS[name](1.0))
    optimizer.step()
    assert (weight.tolist(), optimizer.param_groups[0]["step"]) == ([1.0] * 3, 1)
    weight.grad = torch.tensor([1.0, 0.0, 0.0])
    optimizer.step()
    assert weight.tolist() == [0.5, 1.0, 1.0]


@each_row("name", OF_LOSSES)
def test_a_metric_that_is_a_loss_is_written_as_the_average_of_it(name):
    assert metric(planned_metric({"class_name": name, "config": {"name": "m"}})) == (
        f'rules.Average("m", rules.{name}().per_sample)'
    )
