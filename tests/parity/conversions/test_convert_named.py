"""Weights of a file are those of the twin by their names, or by the order of the configuration."""

import numpy as np
import pytest
from rows import each_row
from weight_files import CHECKPOINT, FORMS, MODELS, config, values, weight_files

from parity.conversions.named import keys_by_name
from parity.conversions.twin import Twin
from parity.errors import InputError
from parity.weights.read import read_stored


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return weight_files(tmp_path_factory)


@pytest.fixture
def read(files, tmp_path):
    """Returns the twin of a model, and what is told of the weights of a file."""
    return lambda name, file: (
        Twin(config(files, name)),
        [array.told() for array in read_stored(files / file, tmp_path).weights],
    )


@each_row("form", [*FORMS, CHECKPOINT])
@each_row("name", MODELS)
def test_each_weight_of_the_twin_has_the_array_of_its_path(name, form, files, tmp_path):
    twin, theirs = Twin(config(files, name)), values(files, name)
    stored = read_stored(files / f"{name}{form}", tmp_path).weights
    arrays = {array.key: array.load() for array in stored}
    keys = keys_by_name(twin, [array.told() for array in stored])
    found = {twin.paths[weight]: arrays[key] for weight, key in keys.items()}
    np.testing.assert_equal(found, theirs)


@pytest.mark.parametrize("name", MODELS)
def test_a_file_without_names_is_read_by_the_order_of_the_configuration(name, read):
    """As the first versions of Keras 3 write it; and names of another process do not matter.

    Keras counts layers anew in each process: the file has dense_7 for dense_2.
    """
    twin, told = read(name, f"{name}.weights.h5")
    for holder in ("", "{}_9"):
        other = [{**each, "holder": holder.format(each["holder"])} for each in told]
        assert keys_by_name(twin, other) == keys_by_name(twin, told)


@pytest.mark.parametrize("name", MODELS)
def test_a_file_with_names_of_its_own_is_read_by_its_order_as_keras_does(name, read):
    """As Keras 1 wrote it: "block1_conv1_W_1" in the group of the layer "block1/conv1"."""
    twin, told = read(name, f"{name}.h5")
    other = [{**e, "name": f"W_{n}", "holder": f"g/{e['holder']}"} for n, e in enumerate(told)]
    first = other[0]["holder"]
    some = [one if one["holder"] == first else a for a, one in zip(told, other, strict=True)]
    assert keys_by_name(twin, other) == keys_by_name(twin, some) == keys_by_name(twin, told)
    with pytest.raises(InputError, match="not those of the configuration"):
        keys_by_name(twin, other[1:])


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("images", lambda told: told, "not those of the configuration"),
        (
            "rows",
            lambda told: [each for each in told if each["key"] != "layers/dense_2/vars/1"],
            r"there is none for dense_2\.bias",
        ),
        (
            "rows",
            lambda told: [{**told[0], "shape": [4, 5]}, *told[1:]],
            r"has the shape \(4, 5\)",
        ),
    ],
)
def test_weights_of_another_model_one_too_few_or_of_another_shape_are_refused(
    file, change, message, read
):
    twin, told = read("rows", f"{file}.weights.h5")
    with pytest.raises(InputError, match=message):
        keys_by_name(twin, change(told))
