"""A check of a large model goes without its layers first, and looks inside if something differs."""

import json

import pytest
from paths import SUPPORT
from schemas import assert_valid

from parity.halves.job import ChildOptions
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions
from parity.traces.trace import Trace

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

PORTS = ("right", "other_epsilon", "other_border")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The results of all ports, and their folders."""
    out = tmp_path_factory.mktemp("brief")
    specs = [
        CheckSpec(
            keras="large_images.py:keras_net", torch=f"large_images.py:{name}", folder=str(SUPPORT)
        )
        for name in PORTS
    ]
    levels = ["structure", "forward", "loss", "gradient", "optimizer", "trajectory"]
    options = CheckOptions(out=out, levels=levels, children=ChildOptions(workers=1))
    return {
        name: (result, out / f"{number:03d}")
        for number, (name, result) in enumerate(zip(PORTS, check_all(specs, options), strict=True))
    }


def layers(folder):
    trace = Trace(folder / "keras")
    return {name for name in trace.names("forward/eval") if f"forward/eval/{name}/output" in trace}


def test_a_right_port_passes_and_no_layer_is_recorded(ran):
    result, folder = ran["right"]
    assert result.verdict == "pass"
    assert layers(folder) == {"pool", "head", "head.activation"}


@pytest.mark.parametrize(
    ("name", "cause", "item"),
    [
        ("other_epsilon", "C1", "norm, with Keras's input (eval)"),
        ("other_border", "A", "conv, with Keras's input (eval)"),
    ],
    ids=["epsilon", "border"],
)
def test_a_fault_is_found_at_its_layer(name, cause, item, ran):
    result, folder = ran[name]
    assert result.verdict == "fail"
    assert result.first.level == "forward"
    assert result.first.item.name == item
    assert result.causes[0]["id"].startswith(cause)
    assert layers(folder) == {"conv", "norm", "relu", "pool", "head", "head.activation"}


def test_results_say_how_many_steps_were_made_and_nothing_of_the_rounds(ran):
    for _, folder in ran.values():
        written = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        assert_valid(written)
        assert written["spec"]["steps"] == 6
        assert "brief" not in written["spec"]
