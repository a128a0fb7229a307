"""Runs that are trained together are those that `fit` trains one by one."""

import functools

import numpy as np
import pytest
import torch
from helpers import make_data

from parity.errors import InputError
from parity.programs.run_spec import MODELS, MODES, Augmentation, EarlyStopping, ReduceLR, RunSpec
from parity.recorder import EpochRecorder, Recorder
from parity.trace import TraceWriter
from torch_impl import fit, fit_many
from torch_impl.ensemble import batch, optimizer, run, streams
from torch_impl.ensemble.layers import StackedDropout
from torch_impl.train import prepare

SEEDS = (0, 7, 42)
# 70 samples in batches of 32, so that the last one is smaller.
BASE = RunSpec(epochs=3, dtype="float64", model="underfit")
AUGMENTATION = Augmentation(10, 0.1, 0.1, 0.1, 0.1, True)
SPECS = {
    **{model: BASE.replace(model=model) for model in MODELS},
    "l2": BASE.replace(model="capacity", l2=0.01),
    "weight_decay": BASE.replace(weight_decay=0.5),
    # A `flow` shuffles its batches: the smaller one comes at another step in each run.
    "augmentation": BASE.replace(model="dropout", augmentation=AUGMENTATION),
    "plateau": BASE.replace(
        epochs=8, reduce_lr=ReduceLR(factor=0.5, patience=1), learning_rate=0.02, weight_decay=0.1
    ),
    "stopping": BASE.replace(
        model="dropout",
        epochs=8,
        learning_rate=0.01,
        early_stopping=EarlyStopping(patience=1, restore_best_weights=True),
        reduce_lr=ReduceLR(monitor="loss", factor=0.5, patience=1, min_delta=0.02),
    ),
    "perturbed": BASE.replace(perturbation=1),
}

# Both add the same numbers in another order. A step rounds at 1.1e-16, and the largest difference
# that was seen is 4e-13, at the end of 60 epochs (docs/scaling.md). A mask, an order or a rate of
# another run makes differences a million times as large, as the mistakes below show.
TOLERANCE = 1e-12


@functools.cache
def data_of(seed):
    return make_data((12, 20, 3), num_classes=5, num_train=70, num_val=20, seed=seed)


def recorder_of(spec):
    return Recorder(TraceWriter(), steps_per_epoch=3, epochs=spec.epochs)


@functools.cache
def alone(name, mode, seed):
    """The result of a run, and its recorder."""
    spec = SPECS[name].replace(mode=mode, seed=seed)
    recorder = recorder_of(spec)
    return fit(spec, data_of(seed), recorder), recorder


def together(name, mode, seeds=SEEDS):
    """The same of many runs."""
    specs = [SPECS[name].replace(mode=mode, seed=seed) for seed in seeds]
    recorders = [recorder_of(spec) for spec in specs]
    results = fit_many(specs, [data_of(seed) for seed in seeds], recorders)
    return list(zip(results, recorders, strict=True))


def difference(actual, expected):
    """The largest difference, relative to the largest value; infinite for other shapes."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    if (actual.shape, actual.dtype) != (expected.shape, expected.dtype):
        return np.inf
    return np.abs(actual - expected).max(initial=0) / max(np.abs(expected).max(initial=0), 1e-300)


def largest_difference(name, mode, found):
    """Over histories, weights, and what was written down on the way."""
    differences = []
    for seed, (result, recorder) in zip(SEEDS, found, strict=True):
        expected, told = alone(name, mode, seed)
        pairs = [(result.history, expected.history), (result.weights, expected.weights)]
        writers = [part._writer for part in (recorder, told)]
        pairs += [[writer.columns for writer in writers], [writer.arrays for writer in writers]]
        for actual, reference in pairs:
            if list(actual) != list(reference):
                return np.inf
            differences += [difference(actual[key], reference[key]) for key in reference]
    return max(differences)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SPECS)
def test_runs_in_float64_are_those_that_are_trained_alone(name, mode):
    assert largest_difference(name, mode, together(name, mode)) < TOLERANCE


@pytest.mark.parametrize("mode", MODES)
def test_the_scenarios_of_this_test_part_the_runs(mode):
    """Otherwise rates and ends that differ would not have been tested."""
    rates = {tuple(alone("plateau", mode, seed)[0].history["learning_rate"]) for seed in SEEDS}
    assert len(rates) > 1
    ends = {len(alone("stopping", mode, seed)[0].history["loss"]) for seed in SEEDS}
    assert len(ends) > 1
    assert min(ends) < SPECS["stopping"].epochs


def test_runs_do_not_depend_on_which_others_are_trained_beside_them():
    name, mode = "dropout", "independent"
    first, last = together(name, mode, SEEDS[:2])[0][0], together(name, mode, SEEDS[::-1])[-1][0]
    for key, value in first.weights.items():
        assert difference(last.weights[key], value) < TOLERANCE


def test_one_run_is_an_ensemble_too():
    ((result, _),) = together("dropout", "seeded", SEEDS[:1])
    expected, _ = alone("dropout", "seeded", SEEDS[0])
    for key, value in expected.weights.items():
        assert difference(result.weights[key], value) < TOLERANCE


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["underfit", "linear"])
def test_runs_in_float32_differ_by_what_rounding_makes_of_them(name, mode):
    """One unit in the last place of the initial weights, in a run alone, is the measure."""
    seeds = range(4)
    specs = [SPECS[name].replace(dtype="float32", mode=mode, seed=seed) for seed in seeds]
    datas = [data_of(seed) for seed in seeds]
    pairs = list(zip(specs, datas, strict=True))
    expected = [fit(*pair) for pair in pairs]

    def distance(results):
        keys = expected[0].weights
        return max(
            np.abs(result.weights[key] - reference.weights[key]).max()
            for result, reference in zip(results, expected, strict=True)
            for key in keys
        )

    perturbed = [
        distance([fit(spec.replace(perturbation=perturbation), data) for spec, data in pairs])
        for perturbation in (1, 2, 3)
    ]
    assert distance(fit_many(specs, datas)) < 10 * max(perturbed)


def test_the_global_generator_is_as_a_run_alone_finds_it_and_is_not_drawn_from():
    torch.manual_seed(99)
    first = together("dropout", "independent")[0][0].history
    torch.manual_seed(100)
    assert together("dropout", "independent")[0][0].history == first


@pytest.mark.parametrize("model", ["dropout", "linear"])
def test_a_run_that_diverges_does_so_alone(model, monkeypatch):
    def prepare_badly(spec, data):
        training = prepare(spec, data)
        if spec.seed == SEEDS[1]:
            training.model.conv1.weight.data[:] = torch.inf
        return training

    monkeypatch.setattr(run, "prepare", prepare_badly)
    specs = [SPECS[model].replace(seed=seed) for seed in SEEDS]
    first, second, third = fit_many(specs, [data_of(seed) for seed in SEEDS])
    assert np.isnan(second.history["loss"]).all()
    for result, seed in ((first, SEEDS[0]), (third, SEEDS[2])):
        expected = alone(model, "seeded", seed)[0]
        for key, value in expected.weights.items():
            assert difference(result.weights[key], value) < TOLERANCE
        for key, values in expected.history.items():
            assert difference(result.history[key], values) < TOLERANCE


def test_runs_that_nobody_watches_are_the_same():
    specs = [SPECS["stopping"].replace(seed=seed) for seed in SEEDS]
    plain = fit_many(specs, [data_of(seed) for seed in SEEDS])
    for result, (watched, _) in zip(plain, together("stopping", "seeded"), strict=True):
        assert result.history == watched.history


def test_one_run_may_be_watched_and_another_not():
    specs = [SPECS["dropout"].replace(seed=seed) for seed in SEEDS]
    recorders = [None, EpochRecorder(on_step=lambda: None), None]
    fit_many(specs, [data_of(seed) for seed in SEEDS], recorders)
    expected = alone("dropout", "seeded", SEEDS[1])[1]._writer.columns
    assert recorders[1].columns.keys() == expected.keys()
    for key, values in expected.items():
        assert difference(recorders[1].columns[key], values) < TOLERANCE


def test_seconds_are_divided_among_the_runs():
    specs = [SPECS["stopping"].replace(seed=seed) for seed in SEEDS]
    results = fit_many(specs, [data_of(seed) for seed in SEEDS])
    longest = max(results, key=lambda result: len(result.history["loss"]))
    shortest = min(results, key=lambda result: len(result.history["loss"]))
    assert 0 < shortest.wall_s < longest.wall_s < 60


# Mistakes that are easily made: the comparison above finds each of them.


def masks_of_the_next_run(monkeypatch):
    draw = StackedDropout._drawn

    def draw_for_another(self, number, x):
        return draw(self, (number + 1) % len(self._layers), x)

    monkeypatch.setattr(StackedDropout, "_drawn", draw_for_another)


def one_generator_for_all(monkeypatch):
    monkeypatch.setattr(streams.Stream, "__enter__", lambda self: None)
    monkeypatch.setattr(streams.Stream, "__exit__", lambda self, *_: None)


def the_rate_of_the_first_run_for_all(monkeypatch):
    step = optimizer.StackedAdam.step

    def step_with_one_rate(self):
        rate = self.own[0].param_groups[0]["lr"]
        rates = [own.param_groups[0]["lr"] for own in self.own]
        for own in self.own:
            own.param_groups[0]["lr"] = rate
        step(self)
        for own, former in zip(self.own, rates, strict=True):
            own.param_groups[0]["lr"] = former

    monkeypatch.setattr(optimizer.StackedAdam, "step", step_with_one_rate)


def slots_lost_with_the_first_run_that_stops(monkeypatch):
    monkeypatch.setattr(optimizer.StackedAdam, "_take_slots", lambda self: None)


def filling_counts_as_samples(monkeypatch):
    monkeypatch.setattr(batch.StackedBatch, "is_sample", lambda self: None)


@pytest.mark.parametrize(
    ("fault", "name", "mode"),
    [
        (masks_of_the_next_run, "dropout", "seeded"),
        (masks_of_the_next_run, "dropout", "independent"),
        (one_generator_for_all, "dropout", "independent"),
        (the_rate_of_the_first_run_for_all, "plateau", "seeded"),
        (slots_lost_with_the_first_run_that_stops, "stopping", "seeded"),
        (filling_counts_as_samples, "augmentation", "seeded"),
    ],
)
def test_a_mistake_is_seen(fault, name, mode, monkeypatch):
    alone(name, mode, SEEDS[0])  # before the fault
    fault(monkeypatch)
    assert largest_difference(name, mode, together(name, mode)) > 1e6 * TOLERANCE


@pytest.mark.parametrize(
    "change", [{"epochs": 4}, {"model": "linear"}, {"mode": "independent"}, {"threads": 2}]
)
def test_runs_that_differ_in_more_than_their_seed_are_refused(change):
    specs = [BASE, BASE.replace(seed=1, **change)]
    with pytest.raises(InputError, match="differ in seed only"):
        fit_many(specs, [data_of(0), data_of(1)])


@pytest.mark.parametrize(
    "other",
    [
        make_data((12, 20, 3), num_classes=5, num_train=71, num_val=20),
        make_data((12, 20, 3), num_classes=5, num_train=70, num_val=21),
        make_data((12, 20, 1), num_classes=5, num_train=70, num_val=20),
        make_data((12, 20, 3), num_classes=6, num_train=70, num_val=20),
    ],
    ids=["training_samples", "validation_samples", "channels", "classes"],
)
def test_data_of_other_shapes_are_refused(other):
    with pytest.raises(InputError, match="expected one shape"):
        fit_many([BASE, BASE.replace(seed=1)], [data_of(0), other])


@pytest.mark.parametrize(
    ("specs", "datas", "recorders"),
    [([], [], None), ([BASE], [], None), ([BASE], [data_of(0)], [])],
)
def test_no_run_and_lists_of_different_lengths_are_refused(specs, datas, recorders):
    with pytest.raises(InputError, match="expected one of each"):
        fit_many(specs, datas, recorders)
