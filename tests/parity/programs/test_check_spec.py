"""A check is described by a spec whose values are looked at, whoever wrote them."""

import pytest
from rows import each_row

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec, num_steps


def test_a_spec_survives_the_way_through_plain_values():
    spec = CheckSpec(keras="a:b", torch="c:d", data="x.npz", seed=2**32 - 1, steps=1, batch_size=2)
    assert CheckSpec.from_dict(spec.to_dict()) == spec
    assert CheckSpec.from_dict({}) == CheckSpec()


@each_row(
    ("values", "message"),
    [
        ({"seed": -1}, r"seed=-1: expected an integer in \[0, 2\*\*32 - 1\]"),
        ({"seed": 2**32}, r"seed=4294967296: expected an integer in \[0, 2\*\*32 - 1\]"),
        ({"seed": 1.0}, "seed=1.0"),
        ({"seed": True}, "seed=True"),
        ({"seed": "1"}, "seed='1'"),
        ({"seed": None}, "seed=None"),
        ({"steps": 0}, "steps=0: expected an integer of at least 1"),
        ({"batch_size": 1}, "batch_size=1: expected an integer of at least 2"),
        ({"threads": 0}, "threads=0: expected an integer of at least 1"),
        ({"device": "tpu"}, "device='tpu': expected 'cpu', 'cuda' or 'cuda:N'"),
        ({"device": "cuda:x"}, "device='cuda:x'"),
        ({"device": None}, "device=None"),
        ({"keras": 3}, "keras=3: expected text that is not empty"),
        ({"torch": ""}, "torch=''"),
        ({"against": ["a"]}, r"against=\['a'\]"),
        ({"data": "a\0b"}, "data='a.x00b'"),
        ({"folder": None}, "folder=None"),
        ({"batch": 4}, r"unknown setting 'batch': the settings are .*steps"),
    ],
    ids=str,
)
def test_a_value_out_of_its_range_or_an_unknown_setting_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        CheckSpec.from_dict(values)


@each_row(
    ("asked", "num_weights", "steps"),
    [
        (None, 999_999, 6),
        (None, 1_000_000, 3),
        (None, 23_608_202, 3),
        (9, 23_608_202, 9),
        (1, 5, 1),
    ],
)
def test_a_large_model_makes_half_the_steps_unless_more_are_asked_for(asked, num_weights, steps):
    assert num_steps(asked, num_weights) == steps
