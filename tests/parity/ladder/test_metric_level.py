"""The level of the metrics: values after each batch, names, and what cannot be compared."""

import pytest
from ladder_probes import fact, failed, moved, statuses

from parity.ladder.items import PASS, SKIPPED, metric_of


@pytest.mark.parametrize(
    ("part", "item"),
    [("given", "mae (given outputs)"), ("eval", "mae (eval)"), ("train", "mae (train)")],
)
def test_another_number_fails_with_the_batch_after_which_it_is_seen(compared_probe, part, item):
    levels = compared_probe(moved(f"metric/{part}/mae"))
    assert failed(levels) == ("metrics", [item])
    assert levels["metrics"].first_failure.note.startswith("after batch ")


def test_rounding_passes(compared_probe):
    assert statuses(compared_probe(moved("metric/given/mae", 1e-14)))["metrics"] == PASS


def test_another_name_fails(compared_probe):
    levels = compared_probe(fact({"mae": "error"}, "metric_names"))
    assert failed(levels) == ("metrics", ["name of mae"])
    item = levels["metrics"].first_failure
    assert (item.keras, item.torch) == ("mae", "error")


def test_a_metric_that_keras_returns_in_float32_may_differ_by_its_rounding(compared_probe):
    def single(r):
        r.facts["metric_probe"]["float32"] = ["mae"]

    wrong = moved("metric/given/mae", 1e-7)
    assert statuses(compared_probe(wrong, single))["metrics"] == PASS
    assert failed(compared_probe(wrong)) == ("metrics", ["mae (given outputs)"])


def test_what_rounding_alone_decides_is_not_compared(compared_probe):
    def noisy(r):
        r.facts["noise"]["metric/eval/mae"] = 0.1

    level = compared_probe(None, noisy)["metrics"]
    assert [what for what, _ in level.not_compared] == ["the metric mae (eval)"]
    assert level.status == PASS
    wrong = compared_probe(moved("metric/eval/mae", 1.0), noisy)
    assert failed(wrong) == ("metrics", ["mae (eval)"])


def told(change):
    return lambda r: r.facts["metric_probe"].update(change)


def older(r):
    del r.facts["metric_probe"]


@pytest.mark.parametrize(
    ("reference", "why", "applies"),
    [
        (told({"names": []}), "the Keras model has no metrics", False),
        (told({"why": "they raise"}), "they raise", True),
        (older, "the bundle has no metrics, since an older version recorded it", True),
    ],
)
def test_a_reference_without_metrics_is_skipped_with_its_reason(
    compared_probe, reference, why, applies
):
    level = compared_probe(None, reference)["metrics"]
    assert (level.status, level.tolerance_source, level.applies) == (SKIPPED, why, applies)


def test_what_a_metric_raises_is_a_failure(compared_probe):
    levels = compared_probe(fact({"metrics": "KeyError: 'x'"}, "raised"))
    assert failed(levels) == ("metrics", ["metrics raises"])


def test_the_metric_of_an_item_is_known_by_its_name():
    assert {metric_of(n) for n in ("name of auc", "auc (train)", "auc (given outputs)")} == {"auc"}
