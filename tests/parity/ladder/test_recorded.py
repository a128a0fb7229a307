"""Arrays and outputs of a port against what Keras left."""

import numpy as np
import pytest

from parity.ladder.items import FAIL, PASS
from parity.ladder.recorded import compare_output, compare_recorded, outputs_agree

KEY = "forward/eval/dense2/output"


def test_an_array_is_equal_but_for_rounding(traces):
    keras, _ = traces()
    ours = keras[KEY]
    for by, status in ((0.0, PASS), (5e-13, PASS), (5e-12, FAIL)):
        item = compare_recorded(keras, KEY, ours * (1 + by), "name", step=7)
        assert (item.status, item.name, item.step) == (status, "name", 7)


def test_what_rounding_does_in_keras_is_allowed(traces):
    keras, port = traces(reference=lambda r: r.facts["noise"].update({KEY: 1e-10}))
    assert compare_recorded(keras, KEY, port[KEY] * (1 + 1e-9), "name").status == PASS
    assert compare_recorded(keras, KEY, port[KEY] * (1 + 1e-8), "name").status == FAIL


def test_tokens_may_be_of_another_type(traces):
    keras, _ = traces(
        reference=lambda r: r.arrays.update({KEY: np.arange(12, dtype=np.int32).reshape(4, 3)})
    )
    ours = np.arange(12.0).reshape(4, 3)
    assert compare_recorded(keras, KEY, ours, "tokens").status == PASS
    assert compare_recorded(keras, KEY, ours + 1, "tokens").status == FAIL


def with_output(array):
    return lambda r: r.arrays.update({"forward/eval/output": array})


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
    keras, _ = traces(reference=with_output(theirs))
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
    keras, port = traces(lambda p: p.arrays.update({"forward/train/output": np.zeros((4, 3))}))
    assert outputs_agree(keras, port, "eval")
    assert not outputs_agree(keras, port, "train")
    assert not outputs_agree(keras, port, "eval", "train")


def test_a_port_without_an_output_has_not_shown_that_it_agrees(traces):
    keras, port = traces(lambda p: p.arrays.pop("forward/eval/output"))
    assert not outputs_agree(keras, port, "eval", "train")
    assert not outputs_agree(keras, port, "no such mode")
