"""What is printed as a fix: what helped; the general text only where nothing was tried."""

import check_pairs
import pytest

from parity.divergences import REGISTRY, causes
from parity.divergences.causes import IN_VAIN, with_fix
from parity.ladder.items import Item
from parity.ladder.result import Found
from parity.report.sentences import fix_text

ITEM = Item("dense1, with Keras's input (eval)", 1.0, 0.0, "rel", 1)
STATE = "dense1.bias (after a batch in train mode)"


@pytest.fixture
def keras(tmp_path):
    return check_pairs.recorded().read(tmp_path / "keras")


@pytest.fixture
def port(tmp_path):
    """Writes a port with some facts."""

    def write(fixes=(), no_fixes=()):
        parts = check_pairs.ported(check_pairs.recorded())
        parts.facts |= {"fixes": list(fixes), "no_fixes": list(no_fixes)}
        return parts.write(tmp_path / "port")

    return write


def found(*ids, level="forward", items=(ITEM.name,)):
    causes = tuple({**REGISTRY[name].to_json(), "tried": False} for name in ids)
    return Found(level, ITEM, items, causes)


def fix(text, layer="dense1", item="forward", level="forward", ends=None):
    return {"level": level, "layer": layer, "item": item, "text": text, "ends": ends or [item]}


def test_what_helped_is_printed_and_the_other_suggestions_are_not(keras, port):
    """The registry would suggest padding='same', where Keras is 'valid'."""
    told = with_fix(found("A5", "A18", "N2"), keras, port([fix("conv: padding=0")]))
    assert [(cause["fix"], cause["tried"]) for cause in told.causes] == [
        ("conv: padding=0", True),
        (IN_VAIN, False),
        (REGISTRY["N2"].fix, False),
    ]


def test_what_was_tried_in_vain_is_not_printed(keras, port):
    vain = {"level": "forward", "layer": "dense1", "item": "forward"}
    told = with_fix(found("A5", "N2"), keras, port(no_fixes=[vain]))
    assert [cause["fix"] for cause in told.causes] == [IN_VAIN, REGISTRY["N2"].fix]
    assert not any(cause["tried"] for cause in told.causes)


def test_the_registry_speaks_where_nothing_was_tried(keras, port):
    before = found("A5", "N2")
    assert with_fix(before, keras, port()) == before
    elsewhere = [fix("padding=0", layer="dense2"), fix("x", item="dense1.bias")]
    assert with_fix(before, keras, port(elsewhere)) == before


def test_one_change_that_ends_all_is_enough(keras, port):
    other = "dense1.kernel (after a batch in train mode)"
    trace = port(
        [
            fix("momentum=0.01", item="dense1.kernel"),
            fix("Keras's own", item="dense1.bias", ends=["dense1.kernel", "dense1.bias"]),
        ]
    )
    both = found("C2", items=(other, STATE))
    assert with_fix(both, keras, trace).causes[0]["fix"] == "Keras's own"


def told_of_all(keras, port, text):
    names = [node[0] for node in check_pairs.NODES]
    trace = port([fix(text(number), layer=name) for number, name in enumerate(names)])
    items = tuple(f"{name}, with Keras's input (eval)" for name in names)
    return with_fix(found("C1", items=items), keras, trace).causes[0]["fix"].split("\n")


def test_modules_that_need_the_same_code_share_a_line(keras, port):
    told = told_of_all(keras, port, lambda number: f"nn.ReLU6()  # module `body.{number}`")
    assert told == ["nn.ReLU6()  # modules `body.0`, `body.1`, `body.2`, `body.3`, `body.4`"]
    told = told_of_all(keras, port, lambda n: f"x({n % 2})  # module `{n}`, now 3")
    assert told == ["x(0)  # modules `0`, `2`, `4`, now 3", "x(1)  # modules `1`, `3`, now 3"]


def test_every_module_is_listed_whose_code_is_another(keras, port, monkeypatch):
    monkeypatch.setattr(causes, "_MOST_TEXTS", 3)
    told = told_of_all(keras, port, lambda number: f"eps={number}  # module `{number}`")
    lines = [f"eps={number}  # module `{number}`" for number in range(3)]
    assert told == [*lines, "# and likewise in modules `3`, `4`"]


@pytest.mark.parametrize(("tried", "told"), [(True, "(tried) eps=0.001"), (False, "eps=0.001")])
def test_the_report_says_whether_a_fix_was_tried(tried, told):
    assert fix_text({"fix": "eps=0.001", "tried": tried}) == told
