"""What is printed as a fix: what helped; the general text only where nothing was tried."""

import check_pairs
import pytest

from parity.divergences import REGISTRY
from parity.divergences.fixes import IN_VAIN, with_fix
from parity.ladder.items import Item
from parity.ladder.result import Found
from parity.report.fixes import fix_text

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


def test_advice_stays_though_other_changes_were_tried_in_vain(keras, port):
    vain = {"level": "forward", "layer": "dense1", "item": "forward"}
    before = found("A22", "N1")
    assert with_fix(before, keras, port(no_fixes=[vain])) == before


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


def test_the_changes_of_several_layers_are_listed(keras, port):
    names = [node[0] for node in check_pairs.NODES]
    trace = port([fix(f"{name}: eps=0.001", layer=name) for name in names])
    items = tuple(f"{name}, with Keras's input (eval)" for name in names)
    told = with_fix(found("C1", items=items), keras, trace).causes[0]["fix"]
    first = "\n".join(f"{name}: eps=0.001" for name in names[:3])
    assert told == f"{first}\n# and 2 more like it"


def test_a_level_of_the_whole_model_has_one_place(keras, port):
    trace = port([fix("epsilon=1e-7", layer="", item="optimizer", level="optimizer")])
    told = with_fix(found("F1", level="optimizer", items=("dense1.kernel",)), keras, trace)
    assert told.causes[0]["fix"] == "epsilon=1e-7"


def test_advice_is_not_mechanical():
    """These say where to look, or change more than a setting."""
    for name in ("H7", "A3", "A17", "A22", "N1", "N2", "C7", "D1", "E7"):
        assert not REGISTRY[name].is_mechanical, name
    for name in ("A5", "C1", "A13", "D12", "F2", "G1"):
        assert REGISTRY[name].is_mechanical, name


@pytest.mark.parametrize(("tried", "told"), [(True, "(tried) eps=0.001"), (False, "eps=0.001")])
def test_the_report_says_whether_a_fix_was_tried(tried, told):
    assert fix_text({"fix": "eps=0.001", "tried": tried}) == told
