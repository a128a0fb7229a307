"""Arrays and outputs of a port against what Keras left."""

import numpy as np
import pytest
from trace_changes import fact, gone, put

from parity.ladder.items import FAIL, PASS
from parity.ladder.recorded import compare_output, compare_recorded, outputs_agree

KEY = "forward/eval/dense2/output"


TOKENS = np.arange(12, dtype=np.int32).reshape(4, 3)
# What Keras has otherwise, what the port computed, and whether that passes.
ARRAYS = {
    "equal": (None, lambda theirs: theirs, PASS),
    "rounded": (None, lambda theirs: theirs * (1 + 5e-13), PASS),
    "another": (None, lambda theirs: theirs * (1 + 5e-12), FAIL),
    # What rounding does in Keras is allowed.
    "within the noise": (fact(1e-10, "noise", KEY), lambda theirs: theirs * (1 + 1e-9), PASS),
    "beyond the noise": (fact(1e-10, "noise", KEY), lambda theirs: theirs * (1 + 1e-8), FAIL),
    "tokens of another type": (put({KEY: TOKENS}), lambda theirs: theirs.astype(float), PASS),
    "other tokens": (put({KEY: TOKENS}), lambda theirs: theirs + 1.0, FAIL),
}


@pytest.mark.parametrize(("reference", "ours", "status"), ARRAYS.values(), ids=ARRAYS)
def test_an_array_is_equal_but_for_rounding(traces, reference, ours, status):
    keras, _ = traces(reference=reference)
    item = compare_recorded(keras, KEY, ours(keras[KEY]), "name", step=7)
    assert (item.status, item.name, item.step) == (status, "name", 7)


IMAGE = np.arange(2 * 4 * 5 * 3.0).reshape(2, 4, 5, 3)
SHAPES = {
    "same": (IMAGE, IMAGE, PASS),
    "channels_first": (IMAGE, np.moveaxis(IMAGE, -1, 1), PASS),
    "height_and_width_swapped": (IMAGE, IMAGE.swapaxes(1, 2), FAIL),
    "squeezed": (np.arange(4.0)[:, None], np.arange(4.0), PASS),
    "transposed": (np.arange(12.0).reshape(4, 3), np.arange(12.0).reshape(4, 3).T, FAIL),
    "whole_numbers": (np.arange(4, dtype=np.int32), np.arange(4), PASS),
    "other_numbers": (np.arange(4, dtype=np.int32), np.arange(4)[::-1], FAIL),
    "truths_for_numbers": (np.ones(4, np.int32), np.ones(4, bool), FAIL),
    "other_size": (np.arange(4.0)[:, None], np.arange(5.0), FAIL),
}


@pytest.mark.parametrize(("theirs", "ours", "status"), SHAPES.values(), ids=SHAPES)
def test_an_output_may_be_channels_first_or_squeezed(traces, theirs, ours, status):
    keras, _ = traces(reference=put({"forward/eval/output": theirs}))
    assert compare_output(keras, ours, "same", "eval").status == status


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_each_form_of_an_output_is_compared_with_its_own_counterpart(traces, recorded, mode):
    keras, _ = traces()
    output = recorded.arrays[f"forward/{mode}/output"]
    forms = {
        "same": output,
        "linear": recorded.arrays[f"forward/{mode}/dense2/output"],
        "log": np.log(output),
    }
    for form, ours in forms.items():
        for told in forms:
            status = compare_output(keras, ours, told, mode).status
            assert status == (PASS if told == form else FAIL)


def test_outputs_agree_in_all_the_modes_that_are_asked_for(traces):
    keras, port = traces(put({"forward/train/output": np.zeros((4, 3))}))
    assert outputs_agree(keras, port, "eval")
    assert not outputs_agree(keras, port, "train")
    assert not outputs_agree(keras, port, "eval", "train")


def test_a_port_without_an_output_has_not_shown_that_it_agrees(traces):
    keras, port = traces(gone("forward/eval/output"))
    assert not outputs_agree(keras, port, "eval", "train")
    assert not outputs_agree(keras, port, "no such mode")
