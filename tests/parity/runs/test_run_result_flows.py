"""Programs on flows of ImageDataGenerator: made again from what was drawn, and compared."""

import pytest
from programs_here import keras_half, left_out, result_of, spec_of

from parity.errors import InputError, RunError

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:Your input ran out of data"),
    pytest.mark.usefixtures("user_program"),
]


def spec(keras="build", torch="build", **settings):
    return spec_of(f"flow_keras.py:{keras}", f"flow_torch.py:{torch}", **settings)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return keras_half(tmp_path_factory, spec())


def compared_with(reference, port, tmp_path):
    return result_of(spec(torch=port), tmp_path / "run", reference)


def assert_same_training(result):
    assert [level.id for level in result.levels if level.status != "pass"] == []
    assert result.verdict == "pass"
    for key, column in result.history["keras"].items():
        assert result.history["torch"][key] == pytest.approx(column, abs=1e-13), key


@pytest.mark.parametrize("port", ["build", "composed"])
def test_a_port_with_keras_augmentation_is_the_same_training(port, reference, tmp_path):
    result = compared_with(reference, port, tmp_path)
    assert_same_training(result)
    data = next(level for level in result.levels if level.id == "data")
    named = {item.name: item for item in data.items}
    assert named["augmented images"].worst == 0
    assert named["sum of the augmented images of a step"].num_compared == 21  # steps
    assert named["rotation_range"].agrees
    assert "an augmentation of the port" not in left_out(result)


# What differs: the cause, and what is told of it.
FAULTS = {
    "rotated_back": ("H15", "theta of the other sign gives the port's images"),
    "exchanged_shifts": ("H16", "tx and ty exchanged give the port's images"),
    "other_edge": ("H17", "fill_mode='reflect' gives the port's images"),
    "other_range": ("H18", "rotation_range is 20.0 in Keras, 25.0 in the port"),
    "blurred": ("H17", ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_augmentation_is_named(fault, reference, tmp_path):
    result = compared_with(reference, fault, tmp_path)
    assert result.verdict == "fail"
    assert result.first.level == "data"
    cause = result.first.causes[0]
    assert (cause["id"], cause["detail"]) == FAULTS[fault]
    if fault != "other_range":
        assert (result.first.item.epoch, result.first.item.step) == (0, 1)


SEEDED = {
    "seeded": [],
    "seeded_late": ["samples of the batches"],
    "seeded_other_range": ["rotation_range"],
    "seeded_without_flip": ["horizontal_flip"],
}


@pytest.mark.parametrize("port", SEEDED)
def test_a_port_with_the_seeds_of_keras_draws_samples_and_images_itself(port, reference, tmp_path):
    result = compared_with(reference, port, tmp_path)
    assert result.mode == "seeded"
    data = next(level for level in result.levels if level.id == "data")
    if not SEEDED[port]:
        assert_same_training(result)
        named = {item.name: item for item in data.items}
        assert named["samples of the batches"].num_compared == 3 * 50  # epochs, samples
        assert named["theta"].num_compared == 3 * 50
        assert named["augmented images"].worst == 0
    else:
        assert result.verdict == "fail"
        assert [result.first.item.name] == SEEDED[port]


def test_a_transform_that_draws_by_itself_is_refused(reference, tmp_path):
    with pytest.raises(InputError, match="has RandomRotation, which draws by itself"):
        compared_with(reference, "drawing", tmp_path)


@pytest.mark.parametrize(
    ("keras", "port"),
    [
        ("standardised", "standardised"),
        ("standardised", "fed"),
        ("weighted", "weighted"),
        ("in_parts", "build"),
        ("validated_on_a_flow", "build"),
    ],
)
def test_what_else_generators_and_flows_do_is_made_again(keras, port, tmp_path, tmp_path_factory):
    reference = keras_half(tmp_path_factory, spec(keras))
    assert_same_training(result_of(spec(keras, port), tmp_path / "run", reference))


def test_what_cannot_be_made_again_is_written_down_and_told(tmp_path):
    result = result_of(spec("preprocessed", "fed"), tmp_path / "run")
    assert_same_training(result)
    why = left_out(result)["the augmentation of training"]
    assert why.endswith("since its generator has a preprocessing_function")


def test_images_that_change_while_they_are_fed_are_no_fault_of_the_port(tmp_path):
    with pytest.raises(RunError, match=r"batch \d+ of the flow cannot be made again from"):
        result_of(spec("changing", "fed"), tmp_path / "run")
