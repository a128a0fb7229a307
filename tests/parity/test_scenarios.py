"""The scenarios are the document's programs, setting for setting."""

import pytest

from parity.errors import InputError
from parity.scenarios import SCENARIOS, scenario

AUGMENTATION = {
    "rotation_range": 10,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "shear_range": 0.1,
    "zoom_range": 0.1,
    "horizontal_flip": True,
}
REDUCE_LR = {
    "monitor": "val_loss",
    "factor": 0.1,
    "patience": 5,
    # Keras's own defaults, which the document does not change.
    "min_delta": 1e-4,
    "cooldown": 0,
    "min_lr": 0.0,
}


@pytest.mark.parametrize(
    ("name", "model", "epochs", "augmentation", "reduce_lr"),
    [
        ("underfit", "underfit", 20, None, None),
        ("capacity", "capacity", 50, None, REDUCE_LR),
        ("augmentation", "capacity", 20, AUGMENTATION, None),
        ("dropout", "dropout", 20, None, None),
    ],
    ids=["underfit", "capacity", "augmentation", "dropout"],
)
def test_a_scenario_has_the_documents_settings(name, model, epochs, augmentation, reduce_lr):
    settings = scenario(name).to_dict()
    assert settings["scenario"] == name
    assert settings["model"] == model
    assert settings["epochs"] == epochs
    assert settings["augmentation"] == augmentation
    assert settings["reduce_lr"] == reduce_lr
    assert settings["batch_size"] == 32
    assert settings["learning_rate"] == 0.001


def test_scenarios_are_listed_in_the_order_of_the_document():
    assert list(SCENARIOS) == ["underfit", "capacity", "augmentation", "dropout"]


@pytest.mark.parametrize("name", ["", "Dropout", "dropout ", "resnet"], ids=repr)
def test_an_unknown_scenario_is_refused_and_the_known_ones_are_listed(name):
    with pytest.raises(InputError, match=f"unknown scenario {name!r}") as told:
        scenario(name)
    assert "underfit, capacity, augmentation, dropout" in str(told.value)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_says_in_a_sentence_what_it_is(name):
    text = SCENARIOS[name].__doc__
    assert text
    assert text.strip().endswith(".")
    assert "\n" not in text  # `parity list` shows it in a row


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_made_anew_and_equal_each_time(name):
    assert scenario(name) == scenario(name)
    assert SCENARIOS[name].__name__ == name
