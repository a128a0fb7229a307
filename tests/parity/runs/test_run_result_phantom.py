"""Streams of unknown length, at whose end Keras makes a step without a batch."""

import pytest
from programs_here import keras_half, left_out, result_of, spec_of

from parity.runs.pair import PHANTOM_STEP

pytestmark = [
    pytest.mark.usefixtures("user_program"),
    pytest.mark.filterwarnings("ignore:`shuffle=True`"),
    pytest.mark.filterwarnings("ignore:Your input ran out of data"),
]


@pytest.fixture
def compared(tmp_path, tmp_path_factory):
    """The result of a port beside a program, which Keras trains once for all its ports."""

    def made(keras, torch, **settings):
        spec = spec_of(f"stream_keras.py:{keras}", f"stream_torch.py:{torch}", **settings)
        return result_of(spec, tmp_path / f"{keras}-{torch}", keras_half(tmp_path_factory, spec))

    return made


# Adam counts its steps; decay changes weights; Nadam has a product; a schedule counts, too.
@pytest.mark.long
@pytest.mark.parametrize(
    ("keras", "port"),
    [
        ("build", "build"),
        ("decayed", "decayed"),
        ("nadam", "nadam"),
        ("scheduled", "scheduled"),
        ("generator", "decayed"),
    ],
)
def test_a_right_port_is_the_same_training_and_the_step_is_told(keras, port, compared):
    result = compared(keras, port)
    assert (result.verdict, result.incomplete) == ("pass", ())
    for key, column in result.history["keras"].items():
        assert result.history["torch"][key] == pytest.approx(column, abs=1e-12), key
    assert left_out(result)["a step without a batch"] == PHANTOM_STEP


@pytest.mark.long
def test_in_float32_it_is_no_change_between_two_steps(compared):
    result = compared("decayed", "decayed", dtype="float32")
    assert (result.verdict, result.incomplete) == ("pass", ())
    assert "a step without a batch" in left_out(result)


@pytest.mark.long
def test_another_decay_is_seen_all_the_same(compared):
    assert compared("decayed", "decayed_less").verdict == "fail"
