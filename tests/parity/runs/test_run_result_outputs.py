"""Whole trainings of programs with several outputs, and with a train_step of their own."""

import pytest
from programs_here import keras_half, result_of, spec_of

from parity.ladder.items import SKIPPED
from parity.ladder.result import Result

pytestmark = pytest.mark.long


def spec(model, port):
    names = {"keras": f"outputs_keras.py:{model}", "torch": f"outputs_torch.py:{port}"}
    return spec_of(**names, epochs=None)


@pytest.fixture
def result(tmp_path, tmp_path_factory):
    def made(port, model="build") -> Result:
        asked = spec(model, port)
        return result_of(asked, tmp_path, keras_half(tmp_path_factory, asked))

    return made


@pytest.mark.parametrize("port", ["right", "in_order"])
def test_a_right_port_with_several_outputs_passes_in_every_column(result, port):
    found = result(port)
    assert found.verdict == "pass", found.first
    columns = {name for name in found.history["keras"] if not name.startswith("val_")}
    assert columns - {"learning_rate"} == {
        *("loss", "a_loss", "b_loss", "c_loss", "a_accuracy", "c_accuracy"),
    }
    compared = {item.name for level in found.levels for item in level.items}
    assert {"c_loss", "val_a_loss", "val_c_accuracy", "a_accuracy"} <= compared


def test_a_right_port_with_several_outputs_passes_in_float32(tmp_path):
    found = result_of(spec("build", "right").replace(dtype="float32"), tmp_path)
    assert (found.verdict, found.incomplete) == ("pass", ()), found.first


@pytest.mark.parametrize(
    ("port", "level", "cause", "told"),
    [
        ("weights_swapped", "loss", "I7", "a 1.5, b 0.5, c 1 in the port: they are exchanged"),
        ("loss_left_out", "loss", "I7", "it lacks the loss of c"),
        ("loss_of_another_kind", "loss", "D13", "mean_absolute_error in the port"),
        ("outputs_swapped", "forward", "A33", "is the port's output"),
        ("metric_of_another_threshold", "metrics", "I1", "logits instead of probabilities"),
    ],
)
def test_a_wrong_port_is_caught_and_named(result, port, level, cause, told):
    found = result(port)
    assert (found.verdict, found.first.level) == ("fail", level)
    assert found.causes[0]["id"] == cause
    assert told in found.causes[0]["detail"]


def test_a_step_of_the_models_own_is_told_and_compared_by_what_it_makes(result):
    found = result("stepping", "stepping")
    assert found.verdict == "pass", found.first
    assert "the model's own train_step" in [entry["what"] for entry in found.not_compared]
    loss = next(level for level in found.levels if level.id == "loss")
    assert loss.status == SKIPPED
    assert "train_step of its own" in loss.tolerance_source


def test_a_port_with_the_compiled_loss_fails_where_the_models_step_uses_another(result):
    found = result("stepping_as_compiled", "stepping")
    assert (found.verdict, found.first.level) == ("fail", "trajectory")
