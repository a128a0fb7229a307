"""Weights of a file are those of the twin by their names, or by the order of the configuration."""

import copy

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


@each_row("form", [*FORMS, CHECKPOINT])
@each_row("name", MODELS)
def test_each_weight_of_the_twin_has_the_array_of_its_path(name, form, files, tmp_path):
    twin = Twin(config(files, name))
    stored = read_stored(files / f"{name}{form}", tmp_path)
    arrays = {array.key: array for array in stored.weights}
    keys = keys_by_name(twin, [array.told() for array in stored.weights])
    theirs = values(files, name)
    assert len(keys) == len(theirs)
    for weight, key in keys.items():
        assert (arrays[key].load() == theirs[twin.paths[weight]]).all()


@each_row("name", MODELS)
def test_a_file_without_names_is_read_by_the_order_of_the_configuration(name, files, tmp_path):
    """As the first versions of Keras 3 write it; and names of another process do not matter.

    Keras counts layers anew in each process: the file has dense_7 for dense_2.
    """
    twin = Twin(config(files, name))
    told = [a.told() for a in read_stored(files / f"{name}.weights.h5", tmp_path).weights]
    named = keys_by_name(twin, told)
    for holder in ("", "{}_9"):
        other = [{**each, "holder": holder.format(each["holder"])} for each in told]
        assert keys_by_name(twin, other) == named


@each_row("name", MODELS)
def test_a_file_with_names_of_its_own_is_read_by_its_order_as_keras_does(name, files, tmp_path):
    """As Keras 1 wrote it: "block1_conv1_W_1" in the group of the layer "block1/conv1"."""
    twin = Twin(config(files, name))
    path = files / f"{name}.h5"
    told = [a.told() for a in read_stored(path, tmp_path).weights]
    named = keys_by_name(twin, told)
    other = [{**e, "name": f"W_{n}", "holder": f"g/{e['holder']}"} for n, e in enumerate(told)]
    assert keys_by_name(twin, other) == named
    with pytest.raises(InputError, match="not those of the configuration"):
        keys_by_name(twin, other[1:])
    first = other[0]["holder"]
    some = [one if one["holder"] == first else a for a, one in zip(told, other, strict=True)]
    assert keys_by_name(twin, some) == named


def test_weights_of_another_model_are_refused(files, tmp_path):
    twin = Twin(config(files, "rows"))
    told = [a.told() for a in read_stored(files / "images.weights.h5", tmp_path).weights]
    with pytest.raises(InputError, match="not those of the configuration"):
        keys_by_name(twin, told)


def test_a_weight_too_few_or_of_another_shape_is_named(files, tmp_path):
    twin = Twin(config(files, "rows"))
    told = [a.told() for a in read_stored(files / "rows.weights.h5", tmp_path).weights]
    with pytest.raises(InputError, match=r"there is none for dense_2\.bias"):
        keys_by_name(twin, [each for each in told if each["key"] != "layers/dense_2/vars/1"])
    wrong = copy.deepcopy(told)
    wrong[0]["shape"] = [4, 5]
    with pytest.raises(InputError, match=r"has the shape \(4, 5\)"):
        keys_by_name(twin, wrong)
