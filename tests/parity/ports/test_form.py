"""Numbers in the source of a port: short ones where these are exactly the same."""

import random

import keras
import numpy as np
import torch
from keras import layers as L
from keras import ops
from rows import each_row
from written import written, written_plain

from parity.ports.form import readable


@each_row(
    "value, text",
    [
        (1 / 255, "1 / 255"),
        (-1 / 255, "-1 / 255"),
        (1 / 127.5, "1 / 127.5"),
        (1 / 3, "1 / 3"),
        (0.1**0.5, "0.1**0.5"),
        (2**0.5, "2**0.5"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (1e-200 / 3, "3.3333333333333335e-201"),
        (0.10000000149011612, "0.10000000149011612"),
        (float("inf"), 'float("inf")'),
        (3, "3"),
        ((1 / 255,), "(0.00392156862745098,)"),
    ],
)
def test_a_quotient_or_a_root_of_a_short_number_is_written_as_such(value, text):
    assert readable(value) == text


def test_what_is_written_is_the_same_number_and_others_stay():
    draw = random.Random(0)
    for _ in range(5000):
        value = draw.uniform(-3, 3) * 10 ** draw.randint(-8, 8)
        assert readable(value) == repr(value)
    for number in range(2, 2000):
        for value in (1 / number, number**0.5, 1 / (number / 2)):
            assert eval(readable(value)) == value  # noqa: S307 - of the numbers above


def test_a_number_that_keras_rounds_is_rounded_where_it_stands(tmp_path):
    """Beside a comparison, in float64 too: what lies between 0.1 and float32's is not greater."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, L.Rescaling(1 / 255)(ops.where(inputs > 0.1, inputs, -inputs)))
    module, _, text = written(model, tmp_path)
    plain, _ = written_plain(model, tmp_path, module)
    (of_plain,) = [path.read_text(encoding="utf-8") for path in tmp_path.glob("*/model.py")]
    assert "through_float32(0.1)" in text
    assert "from torch_impl.optim.rounding import through_float32" in text
    assert "parts.in_float32(0.1)" in of_plain
    assert "scale=1 / 255" in text
    assert "1 / 255" in of_plain
    x = torch.tensor([[0.1, 0.1000000007, 0.2]], dtype=torch.float64)
    theirs = torch.tensor(np.asarray(model(x.numpy())))
    assert theirs.sign().tolist() == [[-1, -1, 1]]
    assert all((each(x) - theirs).abs().max() <= 1e-15 for each in (module, plain))
