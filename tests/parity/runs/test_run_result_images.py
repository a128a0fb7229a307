"""Whole trainings of a program with random layers of images: the same images in every step."""

import pytest
from programs_here import keras_half, result_of, spec_of

from parity.errors import InputError

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("user_program")]


def spec(port="build", **settings):
    return spec_of("images_keras.py:build", f"images_torch.py:{port}", **settings)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return keras_half(tmp_path_factory, spec())


def test_the_layers_of_torch_impl_make_the_same_training(reference, tmp_path):
    result = result_of(spec(), tmp_path / "run", reference)
    assert [level.id for level in result.levels if level.status != "pass"] == []
    assert result.verdict == "pass"
    for key, column in result.history["keras"].items():
        assert result.history["torch"][key] == pytest.approx(column, abs=1e-12), key


def test_a_flip_in_another_direction_is_named(reference, tmp_path):
    result = result_of(spec("flipped_otherwise"), tmp_path / "run", reference)
    assert result.verdict == "fail"
    assert result.causes[0]["id"] == "K2"


def test_other_images_cannot_be_the_same_training(reference, tmp_path):
    with pytest.raises(InputError, match=r"random_flip.*the layers of torch_impl\.layers"):
        result_of(spec("by_torchvision"), tmp_path / "run", reference)


def test_in_float32_the_steps_from_recorded_states_are_the_same(tmp_path):
    result = result_of(spec(dtype="float32"), tmp_path / "run")
    assert [level.id for level in result.levels if level.status != "pass"] == []
