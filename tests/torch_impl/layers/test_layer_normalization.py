"""Normalisation of each example is Keras's, over any axes."""

import pytest
from layer_pairs import Pair, as_they_are, assert_same, keras_layer
from rows import each_row

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


AXES = (-1, 1, 2, [2, 3], [1, 3], [1, 2, 3])


# Class, axis, options, and `scale` of the comparison. Scaling by the root mean square is without
# the mean's subtraction, by the variance; it has a gamma whatever `scale` says, and no beta.
BY_VARIANCE = {"rms_scaling": True, "scale": False}
CASES = [
    *((LayerNormalization, axis, {}, 1.0) for axis in AXES),
    *(
        (LayerNormalization, axis, options, 0.03)
        for axis in (-1, 1)
        for options in ({"scale": False}, {"center": False}, {"epsilon": 1e-6})
    ),
    *((LayerNormalization, axis, BY_VARIANCE, 1.0) for axis in (-1, 1, [1, 3])),
    *((RMSNormalization, axis, {}, 1e-3) for axis in (-1, [2, 3], [1, 2, 3])),
    (GroupNormalization, -1, {"groups": 3}, 0.1),
    (GroupNormalization, 1, {"groups": 2, "scale": False}, 0.1),
    (GroupNormalization, -1, {"groups": -1}, 0.1),
    (GroupNormalization, -1, {"groups": 1, "center": False}, 0.1),
    *((UnitNormalization, axis, {}, 1.0) for axis in (-1, 1, [1, 2])),
]
SIZES = {
    LayerNormalization: lambda axis: (lengths(axis),),
    RMSNormalization: lambda axis: (lengths(axis),),
    GroupNormalization: lambda axis: lengths(axis)[:1],
    UnitNormalization: lambda axis: (),
}


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@each_row("kind, axis, options, scale", CASES)
def test_a_normalization_is_keras_one_over_its_axes_with_its_options(kind, axis, options, scale):
    theirs = keras_layer(kind.__name__, axis=axis, **options)
    ours = kind(*SIZES[kind](axis), axis=axis, **options)
    assert options is not BY_VARIANCE or ours.bias is None
    assert_same(Pair(theirs, ours, SHAPE, as_they_are, back), scale=scale)


@each_row(
    "kind, given, message",
    [
        (LayerNormalization, ((3, 4), -1), r"shape=\(3, 4\), axis=-1: expected a length"),
        (GroupNormalization, (6, 4), "groups=4: expected a divisor of num_channels=6"),
    ],
)
def test_a_shape_that_does_not_fit_is_an_error(kind, given, message):
    with pytest.raises(ValueError, match=message):
        kind(*given)
