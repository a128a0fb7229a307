"""Normalisation of each example is Keras's, over any axes."""

import pytest
from covering import one_test
from layer_pairs import Pair, as_they_are, assert_same, keras_layer

from torch_impl.layers import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)

SHAPE = (4, 3, 6)


def back(tensor):
    return tensor.detach().numpy()


def lengths(axis):
    axes = [axis] if isinstance(axis, int) else axis
    return [(3, *SHAPE)[number] for number in sorted(a % 4 for a in axes)]


AXES = {"last": -1, "first": 1, "middle": 2, "two": [2, 3], "apart": [1, 3], "all": [1, 2, 3]}


@one_test
@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_layer_normalization_is_keras_one(axis):
    theirs = keras_layer("LayerNormalization", axis=axis)
    assert_same(Pair(theirs, LayerNormalization(lengths(axis), axis), SHAPE, as_they_are, back))


@one_test
@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}, {"epsilon": 1e-6}])
@pytest.mark.parametrize("axis", [-1, 1])
def test_layer_normalization_takes_keras_options(axis, options):
    theirs = keras_layer("LayerNormalization", axis=axis, **options)
    ours = LayerNormalization(lengths(axis), axis, **options)
    assert_same(Pair(theirs, ours, SHAPE, as_they_are, back), scale=0.03)


@one_test
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@pytest.mark.parametrize("axis", [-1, 1, [1, 3]], ids=str)
def test_layer_normalization_with_rms_scaling_is_keras_one(axis):
    """Without the mean's subtraction, by the variance; a gamma whatever `scale` says, no beta."""
    theirs = keras_layer("LayerNormalization", axis=axis, rms_scaling=True, scale=False)
    ours = LayerNormalization(lengths(axis), axis, rms_scaling=True, scale=False)
    assert ours.bias is None
    assert_same(Pair(theirs, ours, SHAPE, as_they_are, back))


@one_test
@pytest.mark.parametrize("axis", [-1, [2, 3], [1, 2, 3]], ids=str)
def test_rms_normalization_is_keras_one(axis):
    theirs = keras_layer("RMSNormalization", axis=axis)
    ours = RMSNormalization(lengths(axis), axis)
    assert_same(Pair(theirs, ours, SHAPE, as_they_are, back), scale=1e-3)


@one_test
@pytest.mark.parametrize(
    ("groups", "axis", "options"),
    [(3, -1, {}), (2, 1, {"scale": False}), (-1, -1, {}), (1, -1, {"center": False})],
    ids=["last", "first", "every_channel", "one_group"],
)
def test_group_normalization_is_keras_one(groups, axis, options):
    theirs = keras_layer("GroupNormalization", groups=groups, axis=axis, **options)
    ours = GroupNormalization(lengths(axis)[0], groups, axis=axis, **options)
    assert_same(Pair(theirs, ours, SHAPE, as_they_are, back), scale=0.1)


@one_test
@pytest.mark.parametrize("axis", [-1, 1, [1, 2]], ids=str)
def test_unit_normalization_is_keras_one(axis):
    theirs = keras_layer("UnitNormalization", axis=axis)
    assert_same(Pair(theirs, UnitNormalization(axis), SHAPE, as_they_are, back))


def test_a_shape_of_another_number_of_axes_is_an_error():
    with pytest.raises(ValueError, match=r"shape=\(3, 4\), axis=-1: expected a length"):
        LayerNormalization((3, 4), -1)


def test_groups_that_do_not_divide_are_an_error():
    with pytest.raises(ValueError, match="groups=4: expected a divisor of num_channels=6"):
        GroupNormalization(6, 4)
