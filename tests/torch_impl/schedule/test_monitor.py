"""The better direction of a metric is told as Keras tells it."""

import inspect

import keras
import pytest
from covering import one_test

from torch_impl.schedule.callbacks import _GREATER_IS_BETTER, _LESS_IS_BETTER, Monitor

# What Keras's constructors ask for; the numbers do not matter here.
ARGUMENTS = {
    "num_classes": 3,
    "target_class_ids": [0],
    "sensitivity": 0.5,
    "specificity": 0.5,
    "precision": 0.5,
    "recall": 0.5,
}
ALIASES = {"acc": "up", "bce": "down", "mae": "down", "mape": "down", "mse": "down", "msle": "down"}


def keras_directions():
    """The direction of each of Keras's metrics, by its name; None where it has none."""
    keras.utils.clear_session()  # Keras numbers the names through the whole process
    directions = {}
    for kind in filter(inspect.isclass, vars(keras.metrics).values()):
        if kind.__name__ not in ("Metric", "MeanMetricWrapper"):
            parameters = inspect.signature(kind).parameters.values()
            needed = [p.name for p in parameters if p.default is p.empty and p.name in ARGUMENTS]
            metric = kind(**{name: ARGUMENTS[name] for name in needed})
            directions[metric.name] = getattr(metric, "_direction", None)
    return directions


def test_every_metric_of_keras_has_its_direction():
    directions = keras_directions()
    assert len(directions) > 40
    names = {way: {n for n, each in directions.items() if each == way} for way in ("up", "down")}
    assert names["up"] == _GREATER_IS_BETTER - set(ALIASES)
    assert names["down"] == _LESS_IS_BETTER - set(ALIASES) - {"loss"}
    for name in set(directions) - names["up"] - names["down"]:
        with pytest.raises(ValueError, match=f"monitor='{name}': the name does not tell"):
            Monitor(name, "auto", 0.0)


@one_test
@pytest.mark.parametrize("prefix", ["", "val_"])
@pytest.mark.parametrize(("name", "better"), [("loss", 0.5), ("accuracy", 1.5), ("acc", 1.5)])
def test_the_prefix_does_not_matter(name, better, prefix):
    monitor = Monitor(prefix + name, "auto", 0.1)
    assert monitor.is_better(better, 1.0)
    assert not monitor.is_better(2 - better, 1.0)


def test_an_unknown_mode_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match='mode=\'maximum\': expected "auto", "min" or "max"'):
        Monitor("loss", "maximum", 0.0)
