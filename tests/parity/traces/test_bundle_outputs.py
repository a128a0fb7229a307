"""Bundles of models with several outputs: what has not the form of one is refused."""

import copy

from rows import each_row

from parity.traces.bundle_facts import needed, outputs_problem, shapes_problem

FACTS = {
    "output_shape": [5],
    "outputs": [
        {"name": "a", "shape": [3], "activation": "softmax"},
        {"name": "b", "shape": [2], "activation": None},
    ],
    "loss": {
        "outputs": {
            "a": {"name": "mse", "config": {}, "weight": 0.5},
            "b": {"name": "mae", "config": {}, "weight": 1},
        }
    },
}
SHAPES = {
    f"{key}/{name}": (num, *sides)
    for name, side in (("a", 3), ("b", 2))
    for key, num, sides in (
        ("target/probe", 4, (side,)),
        ("loss/confident/linear", 8, (side,)),
        ("loss/confident/target", 8, (side,)),
        ("loss/confident/gradient", 8, (side,)),
        ("target/step1", 4, (side,)),
    )
} | {"loss/of/a": (), "weight/probe/a": (4,), "weight/step1": (4, 2), "weight/confident/b": (8,)}


def changed(**paths):
    """The facts with other values: `loss__outputs__a__weight=...`."""
    facts = copy.deepcopy(FACTS)
    for path, value in paths.items():
        *parents, last = path.split("__")
        part = facts
        for name in parents:
            part = part[int(name) if name.isdecimal() else name]
        part[int(last) if last.isdecimal() else last] = value
    return facts


def test_what_keras_leaves_is_accepted():
    assert outputs_problem(FACTS) == ""
    assert shapes_problem(FACTS, SHAPES) == ""
    assert needed(FACTS) == {
        *("loss/value", "target/probe/a", "target/probe/b"),
        *("loss/confident/linear/a", "loss/confident/linear/b"),
    }
    assert needed({**FACTS, "confident": False}) == {
        *("loss/value", "target/probe/a", "target/probe/b")
    }


@each_row(
    ("facts", "told"),
    [
        (changed(outputs__1__name="a"), "have the same name"),
        (changed(metrics={"metrics": [], "weighted_metrics": {}}), "facts.metrics is no mapping"),
        (changed(output_shape=[6]), "other values together"),
        (changed(loss__outputs={}), "no mapping from names of outputs"),
        (changed(loss__outputs__c={}), "no mapping from names of outputs"),
    ],
)
def test_facts_of_another_form_are_refused(facts, told):
    assert told in outputs_problem(facts)


@each_row(
    ("key", "shape", "told"),
    [
        ("loss/confident/linear/b", (8, 3), "the output another"),
        ("loss/confident/target/a", (7, 3), "has other samples"),
        ("loss/confident/gradient/a", (8, 2), "expected (8, 3)"),
        ("loss/of/a", (1,), "is no number"),
        ("weight/probe/a", (5,), "expected (4,) samples"),
        ("weight/step1", (3,), "expected (4,) samples"),
        ("weight/confident/b", (4,), "expected (8,) samples"),
    ],
)
def test_arrays_of_another_shape_are_refused(key, shape, told):
    assert told in shapes_problem(FACTS, {**SHAPES, key: shape})
