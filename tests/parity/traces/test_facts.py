"""Facts: a value of another type, or out of its range, is refused with its place."""

import math
import re
from pathlib import Path

from rows import each_row

import parity
from parity.files.records import problem
from parity.traces import facts
from parity.traces.port_facts import PortFacts

FIT = {
    **dict.fromkeys(("batch_size", "steps_per_epoch", "validation_split", "validation_steps")),
    **dict.fromkeys(("validation_batch_size", "class_weight", "num_samples")),
    **{"epochs": 2, "initial_epoch": 0, "validation_freq": 1, "shuffle": "batch"},
    "has_anchors": False,
}
NODE = {"name": "a", "kind": "Dense", "config": {}, "input_shapes": [[4, 3]], "output_shape": [4]}
NODE |= {"sources": [-1, None, 7], "weights": ["a.kernel"]}
LOSS = {"name": "mse", "config": {}, "class_weight": None}
FLOW = {
    "dtype": "float32",
    "arguments": {
        **{"fill_mode": "nearest", "cval": 0, "interpolation_order": 1, "rescale": None},
        **{"featurewise_center": False, "featurewise_std_normalization": False},
    },
    "flow": {"batch_size": 8, "shuffle": True, "seed": None},
}
STEP = {"count": 1, "masks": {"dropout": [5, 0]}, "others": {"rate": 0.1}, "factors": {"a": None}}


def told(kind, value, **changes):
    return problem(kind, {**value, **changes}, "it")


def test_what_keras_leaves_fits():
    for kind, value in (
        (facts.Fit, {**FIT, "class_weight": {"-1": 2, "10": math.nan}, "validation_freq": [1, 3]}),
        (facts.Node, NODE),
        (facts.Loss, {**LOSS, "outputs": {"a": {"name": "mse", "config": {}, "weight": -1}}}),
        (facts.Flow, {**FLOW, "more": 1}),
        (facts.PhantomStep, STEP),
        (facts.MetricProbe, {"names": ["a"], "float32": [], "sizes": [3], "weights": "class"}),
        (facts.Metrics, {"metrics": ["mae", {}], "weighted_metrics": {"a": []}}),
    ):
        assert told(kind, value) == ""


@each_row(
    ("kind", "value", "changes", "message"),
    [
        (facts.Fit, FIT, {"batch_size": 0}, "it.batch_size is 0; expected int >= 1"),
        (facts.Fit, FIT, {"epochs": 2**31}, "it.epochs is 2147483648; expected int <="),
        (facts.Fit, FIT, {"epochs": True}, "it.epochs is True; expected int, got bool"),
        (facts.Fit, FIT, {"initial_epoch": -1}, "it.initial_epoch is -1; expected int >= 0"),
        (facts.Fit, FIT, {"validation_freq": [1, 0]}, "it.validation_freq[1] is 0; expected"),
        (facts.Fit, FIT, {"class_weight": {"a": 1}}, "a key of it.class_weight is 'a'; expected"),
        (facts.Fit, FIT, {"class_weight": {"1": "b"}}, "it.class_weight.1 is 'b'; expected a nu"),
        (facts.Fit, FIT, {"has_anchors": "no"}, "it.has_anchors is 'no'; expected bool"),
        (facts.Node, NODE, {"name": ""}, "it.name is ''; expected str of length >= 1"),
        (facts.Node, NODE, {"name": "x" * 501}, "expected str of length <= 500"),
        (facts.Node, NODE, {"sources": [-2]}, "it.sources[0] is -2; expected int >= -1"),
        (facts.Node, NODE, {"output_shape": [4.0]}, "it.output_shape[0] is 4.0; expected int"),
        (facts.Loss, LOSS, {"outputs": {"a": 3}}, "it.outputs.a is 3; expected object"),
        (facts.Flow, FLOW, {"dtype": "object"}, "expected 'float32' or 'float64'"),
        (facts.Flow, FLOW, {"flow": {"batch_size": 0}}, "it.flow.batch_size is 0; expected int"),
        (facts.PhantomStep, STEP, {"masks": {"a": [1]}}, "it.masks.a is [1]; expected array of"),
        (facts.PhantomStep, STEP, {"masks": {"a": [1, -1]}}, "it.masks.a[1] is -1; expected int"),
        (facts.PhantomStep, STEP, {"others": {"a": math.inf}}, "it.others.a is inf; expected"),
        (facts.PhantomStep, STEP, {"factors": {"a": "NaN"}}, "it.factors.a is 'NaN'; expected"),
        (facts.MetricProbe, {"names": [], "float32": []}, {"sizes": [0]}, "it.sizes[0] is 0; exp"),
        (facts.MetricProbe, {"names": [], "float32": []}, {"weights": "x"}, "it.weights is 'x'"),
        (facts.Planned, {}, {"steps": []}, "it has no 'measured'"),
    ],
)
def test_what_does_not_fit_has_its_place(kind, value, changes, message):
    assert message in told(kind, value, **changes)


def test_noise_is_a_number_of_at_least_0():
    for value in (-1e-9, math.nan, math.inf, "1e-9", None):
        assert f"noise.loss is {value!r}; expected float" in problem(
            dict[str, facts.Noise], {"loss": value}, "noise"
        )


def test_each_fact_of_a_half_is_read_somewhere():
    described = {"facts.py", "port_facts.py"}
    sources = [p for p in Path(parity.__file__).parent.rglob("*.py") if p.name not in described]
    written = re.compile(r'facts\["\w+"\] (=|\+=)|facts\["\w+"\], |\.setdefault\("\w+"')
    text = written.sub("", "\n".join(path.read_text("utf-8") for path in sources))
    names = {*facts.KerasFacts.__annotations__, *PortFacts.__annotations__}
    assert {name for name in names if f'"{name}"' not in text} == {"cast_to_float64"}  # for people
