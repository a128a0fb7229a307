"""What all metrics share: names, dtypes, resets, and a state that can be saved."""

import keras
import pytest
import torch
from covering import one_test
from keras.src.metrics import ALL_OBJECTS

from torch_impl import metrics
from torch_impl.metrics.configuration import METRICS

CLASSES = sorted(set(METRICS.values()), key=lambda kind: kind.__name__)
# What a class cannot do without.
ARGUMENTS = {
    "IoU": {"num_classes": 3, "target_class_ids": [0, 2]},
    "MeanIoU": {"num_classes": 3},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [0, 2]},
    "OneHotMeanIoU": {"num_classes": 3},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
}


def made(kind, **settings):
    return kind(**ARGUMENTS.get(kind.__name__, {}), **settings)


def a_batch(metric, seed):
    """Arguments of `update` that any metric takes."""
    generator = torch.Generator().manual_seed(seed)
    y_pred = torch.rand(6, 3, generator=generator)
    labels = torch.randint(0, 3, (6,), generator=generator)
    name = type(metric).__name__
    if name in ("Mean", "Sum"):
        return (y_pred,)
    if name in ("IoU", "MeanIoU"):
        return y_pred.argmax(-1), labels
    return y_pred, labels if ("Sparse" in name) else torch.eye(3)[labels]


def test_every_public_metric_of_keras_is_here():
    names = {kind.__name__ for kind in ALL_OBJECTS}
    assert names <= set(metrics.__all__)
    assert {kind.__name__ for kind in CLASSES} == names - {"Metric", "MeanMetricWrapper"}


@one_test
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_names_directions_and_defaults_are_those_of_keras(kind):
    keras.backend.clear_session()  # which numbers automatic names anew
    theirs, ours = made(getattr(keras.metrics, kind.__name__)), made(kind)
    told = (theirs.name, getattr(theirs, "_direction", None), f"torch.{theirs.dtype}")
    assert (ours.name, ours.direction, str(ours.dtype)) == told
    assert made(kind, name="mine").name == "mine"


@one_test
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_reset_forgets_everything(kind):
    metric, fresh = made(kind), made(kind)
    metric.update(*a_batch(metric, 0))
    metric.reset()
    assert same_state(metric, fresh)
    batch = a_batch(metric, 1)
    assert torch.equal(metric(*batch), fresh(*batch))


@one_test
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_state_that_is_saved_goes_on_as_if_nothing_had_happened(kind):
    metric, other = made(kind), made(kind)
    metric.update(*a_batch(metric, 0))
    state = metric.state_dict()
    other.load_state_dict(state)
    batch = a_batch(metric, 1)
    assert torch.equal(metric(*batch), other(*batch))
    assert not same_state(metric, state)  # the copy has not moved


@one_test
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_metric_keeps_no_graph(kind):
    metric = made(kind)
    y_pred, *rest = a_batch(metric, 0)
    if y_pred.is_floating_point():
        y_pred.requires_grad_()
    assert not metric(y_pred, *rest).requires_grad


@one_test
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_metric_on_a_gpu_is_that_of_the_cpu_up_to_rounding(kind):
    on_cpu, on_gpu = made(kind), made(kind)
    for seed in range(2):
        batch = a_batch(on_cpu, seed)
        on_cpu.update(*batch)
        on_gpu.update(*(x.cuda() for x in batch))
    torch.testing.assert_close(on_gpu.result().cpu(), on_cpu.result(), rtol=1e-6, atol=1e-6)


def same_state(metric, other):
    ours, theirs = metric.state_dict(), getattr(other, "state_dict", lambda: other)()
    assert list(ours) == list(theirs)
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_what_is_added_up_has_the_names_of_keras_variables():
    theirs, ours = keras.metrics.AUC(), metrics.AUC()
    assert list(ours.state_dict()) == [variable.name for variable in theirs.variables]


@one_test
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"total": torch.zeros(())}, r"state has \['total'\]: expected \['count', 'total'\]"),
        (
            {"total": torch.zeros(2), "count": torch.zeros(())},
            r"total has shape \(2,\): expected \(\)",
        ),
        (
            {"total": torch.zeros((), dtype=torch.float64), "count": torch.zeros(())},
            "total is torch.float64: expected torch.float32",
        ),
    ],
    ids=["names", "shape", "dtype"],
)
def test_a_state_of_another_metric_or_an_unknown_dtype_is_an_error(state, message):
    with pytest.raises(ValueError, match=message):
        metrics.Mean().load_state_dict(state)
    with pytest.raises(ValueError, match="dtype='double precision': expected a torch dtype"):
        metrics.Mean(dtype="double precision")


@one_test
@pytest.mark.parametrize(
    "metric",
    [metrics.R2Score(), metrics.F1Score(), metrics.AUC(multi_label=True)],
    ids=lambda metric: metric.name,
)
def test_columns_are_those_of_the_first_batch(metric):
    with pytest.raises(ValueError, match="has no batch yet: call update before result"):
        metric.result()
    metric.update(torch.rand(4, 1), torch.ones(4, 1))
    with pytest.raises(ValueError, match="the batch has 3 columns, earlier ones had 1"):
        metric.update(torch.rand(4, 3), torch.ones(4, 3))
    metric.reset()
    metric.update(torch.rand(4, 3), torch.eye(4, 3))


@one_test
@pytest.mark.parametrize("dtype", [torch.float64, "float64"])
def test_a_metric_adds_up_in_its_own_dtype(dtype):
    """In float32, 2**24 + 1 is 2**24."""
    total, rounded = metrics.Sum(dtype=dtype), metrics.Sum(dtype="float32")
    for value in (2.0**24, 1.0):
        total.update(torch.tensor(value))
        rounded.update(torch.tensor(value))
    assert (total.result().item(), rounded.result().item()) == (2**24 + 1, 2**24)
