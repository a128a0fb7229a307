"""The level of the metrics: values after each batch, names, and what cannot be compared."""

import pytest
from ladder_probes import LEFT_OUT, moved, told
from trace_changes import fact

from parity.ladder.comparers.probe import within_rounding
from parity.ladder.items import FAIL, metric_of

NOISY = fact(0.1, "noise", "metric/eval/mae")
OLDER = "the bundle has no metrics, since an older version recorded it"
# What the port has otherwise, what Keras, and what is told of the metrics.
CASES = {
    **{
        item: (moved(f"metric/{item}/mae"), None, {FAIL: [f"mae ({name})"]})
        for item, name in (("given", "given outputs"), ("eval", "eval"), ("train", "train"))
    },
    "rounding": (moved("metric/given/mae", 1e-14), None, {}),
    "name": (fact({"mae": "error"}, "metric_names"), None, {FAIL: ["name of mae"]}),
    "in float64": (moved("metric/given/mae", 1e-7), None, {FAIL: ["mae (given outputs)"]}),
    "in float32": (moved("metric/given/mae", 1e-7), fact(["mae"], "metric_probe", "float32"), {}),
    # What rounding alone decides is not compared.
    "noisy": (None, NOISY, {LEFT_OUT: {"the metric mae (eval)": within_rounding(1e-6)}}),
    "wrong": (moved("metric/eval/mae", 1.0), NOISY, {FAIL: ["mae (eval)"]}),
    "raises": (fact("KeyError: 'x'", "raised", "metrics"), None, {FAIL: ["metrics raises"]}),
    # A reference without metrics is skipped with its reason.
    "none": (None, fact([], "metric_probe", "names"), "the Keras model has no metrics"),
    "they raise": (None, fact("they raise", "metric_probe", "why"), "they raise"),
    "older": (None, lambda r: r.facts.pop("metric_probe"), OLDER),
}  # fmt: skip


@pytest.mark.parametrize(("port", "keras", "expected"), CASES.values(), ids=CASES)
def test_what_is_told_of_the_metrics(compared_probe, port, keras, expected):
    levels = compared_probe(port, keras)
    assert told(levels) == ({"metrics": expected} if expected else {})
    assert levels["metrics"].applies == (expected != "the Keras model has no metrics")


@pytest.mark.parametrize("part", ["given", "eval", "train"])
def test_a_number_tells_after_which_batch_it_is_seen(compared_probe, part):
    first = compared_probe(moved(f"metric/{part}/mae"))["metrics"].first_failure
    assert first.note.startswith("after batch ")


def test_a_name_tells_both_names(compared_probe):
    first = compared_probe(fact({"mae": "error"}, "metric_names"))["metrics"].first_failure
    assert (first.keras, first.torch) == ("mae", "error")


def test_the_metric_of_an_item_is_known_by_its_name():
    assert {metric_of(n) for n in ("name of auc", "auc (train)", "auc (given outputs)")} == {"auc"}
