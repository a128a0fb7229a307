"""Streams of unknown length, at whose end Keras makes a step without a batch."""

import pytest
from programs_here import result_of, spec_of

from parity.runs.run_result import PHANTOM_STEP

pytestmark = [
    pytest.mark.usefixtures("user_program"),
    pytest.mark.filterwarnings("ignore:`shuffle=True`"),
    pytest.mark.filterwarnings("ignore:Your input ran out of data"),
]


def compared(keras, torch, tmp_path, **settings):
    spec = spec_of(f"stream_keras.py:{keras}", f"stream_torch.py:{torch}", **settings)
    return result_of(spec, tmp_path / "run")


def left_out(result):
    return {each["what"]: each["why"] for each in result.not_compared}


# Adam counts its steps; decay changes weights; Nadam has a product; a schedule counts, too.
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
def test_a_right_port_is_the_same_training_and_the_step_is_told(keras, port, tmp_path):
    result = compared(keras, port, tmp_path)
    assert (result.verdict, result.incomplete) == ("pass", ())
    for key, column in result.history["keras"].items():
        assert result.history["torch"][key] == pytest.approx(column, abs=1e-12), key
    assert left_out(result)["a step without a batch"] == PHANTOM_STEP


def test_a_port_with_torchs_own_optimizer_counts_them_too(tmp_path):
    def apart(keras):
        result = compared(keras, "stock_decayed", tmp_path / keras)
        level = next(level for level in result.levels if level.id == "trajectory")
        return max(item.worst for item in level.items if item.epoch == 3)

    # A step that is not counted moves weights by hundredths.
    assert apart("decayed") < 3 * apart("decayed_and_known") < 1e-4


def test_in_float32_it_is_no_change_between_two_steps(tmp_path):
    result = compared("decayed", "decayed", tmp_path, dtype="float32")
    assert (result.verdict, result.incomplete) == ("pass", ())
    assert "a step without a batch" in left_out(result)


def test_another_decay_is_seen_all_the_same(tmp_path):
    assert compared("decayed", "decayed_less", tmp_path).verdict == "fail"


def test_a_stream_of_known_length_has_no_such_step(tmp_path):
    result = compared("known", "build", tmp_path)
    assert result.verdict == "pass"
    assert "a step without a batch" not in left_out(result)
