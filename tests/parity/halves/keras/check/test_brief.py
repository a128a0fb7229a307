"""A brief probe leaves out large arrays of layers, and nothing that decides the verdict."""

import numpy as np
import pytest
import several_faults as ports
from both_halves import levels, recorded
from rows import each_row

from parity.files.json_io import read_json
from parity.halves.keras.check import sequence_masks

pytestmark = pytest.mark.long

FAULTS = ("padding", "padding_and_detached", "frozen_without_optimizer", "five_at_once")
# What reaches the model, and parts with small outputs.
ENDS = {
    *("output", "conv_a/input/0", "hidden/output", "head/input/0", "head/output"),
    *(f"{name}.activation/{end}" for name in ("hidden", "head") for end in ("input/0", "output")),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return recorded(ports.keras_net, tmp_path_factory.mktemp("whole") / "keras")


@pytest.fixture(scope="module")
def left_out(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequence_masks, "LEAST", 0)
        patch.setattr(sequence_masks, "SMALL", 60)
        return recorded(ports.keras_net, tmp_path_factory.mktemp("brief") / "keras", brief=True)


def keys(trace):
    return set(trace.below("forward/eval")), set(trace.below("forward/train"))


def test_large_arrays_of_layers_are_left_out_and_ends_are_kept(whole, left_out):
    assert left_out.facts["brief"]
    assert keys(left_out) == (ENDS, ENDS)
    assert len(keys(whole)[0]) == 10 * 2 + 1  # calls with an input and an output each
    assert left_out.names("output_gradient") == []


def test_all_that_is_kept_is_what_a_whole_probe_has(whole, left_out):
    kept, all_keys = (set(read_json(t.directory / "trace.json")["keys"]) for t in (left_out, whole))
    assert {key.partition("/")[0] for key in all_keys - kept} == {"forward", "output_gradient"}
    np.testing.assert_equal(*({key: trace[key] for key in kept} for trace in (left_out, whole)))
    noise = whole.facts["noise"].items()
    assert left_out.facts["noise"] == {key: value for key, value in noise if key in kept}


def test_a_small_model_is_recorded_whole_even_if_it_may_be_brief(whole, tmp_path):
    trace = recorded(ports.keras_net, tmp_path / "keras", brief=True, steps=1)
    assert "brief" not in trace.facts
    assert keys(trace) == keys(whole)


def test_a_right_port_passes_at_the_same_levels(whole, left_out, tmp_path):
    short = levels(left_out, ports.right, tmp_path / "brief").values()
    long = levels(whole, ports.right, tmp_path / "whole").values()
    assert [(level.id, level.status) for level in short] == [(n.id, n.status) for n in long]
    assert all(item.agrees for level in short for item in level.items)


@each_row("name", FAULTS)
def test_a_wrong_port_differs_without_the_layers_too(name, left_out, tmp_path):
    found = levels(left_out, getattr(ports, name), tmp_path / name)
    assert "fail" in {level.status for level in found.values()}
