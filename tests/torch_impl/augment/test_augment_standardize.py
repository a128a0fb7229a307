"""Statistics are those of Keras: fitted, of a sample, and whitening."""

import warnings

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from keras_flows import generators
from tensorflow.keras.preprocessing.image import ImageDataGenerator as KerasGenerator

from torch_impl.augment import ImageDataGenerator

SHAPE = (40, 5, 6, 3)
FORMATS = ["channels_last", "channels_first"]


dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def assert_same_standards(ours, theirs, x, dtype):
    """Images are standardized alike, and stay as they were."""
    given = torch.tensor(x)
    assert_close(ours.standardize(given).numpy(), theirs.standardize(x.copy()), dtype)
    np.testing.assert_array_equal(given, x)


@one_test
@dtypes
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("rescale", [None, 1 / 255])
@pytest.mark.parametrize("with_augmentation", [False, True])
def test_fitted_statistics_are_keras_statistics(dtype, data_format, rescale, with_augmentation):
    options = {"rescale": rescale, "data_format": data_format, "zoom_range": 0.3}
    options |= {"featurewise_center": True, "featurewise_std_normalization": True}
    ours, theirs = both(dtype, **options, rotation_range=20)
    x = images(dtype, data_format)
    before = x.copy()
    ours.fit(torch.tensor(x), augment=with_augmentation, rounds=2, seed=11)
    theirs.fit(x, augment=with_augmentation, rounds=2, seed=11)
    # Without a compiler, torch rounds augmented pixels in another order.
    tolerance = 1e-6 if with_augmentation else 0
    for name in ("mean", "std"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=tolerance)
    np.testing.assert_array_equal(x, before)
    assert ours.random_state.random_sample() == np.random.random()
    assert_same_standards(ours, theirs, x, dtype)


@one_test
@dtypes
@pytest.mark.parametrize("data_format", FORMATS)
def test_whitening_is_keras_whitening(dtype, data_format):
    """More images than pixels: with fewer, the smallest singular values are rounding in Keras."""
    x = np.concatenate([images(dtype, data_format, seed) for seed in range(5)])
    ours, theirs = both(dtype, zca_whitening=True, zca_epsilon=1e-3, data_format=data_format)
    ours.fit(x)
    theirs.fit(x)
    np.testing.assert_array_equal(ours.zca_whitening_matrix, theirs.zca_whitening_matrix)
    assert_same_standards(ours, theirs, x, dtype)


@one_test
@dtypes
@pytest.mark.parametrize("std", [False, True])
def test_a_sample_is_centred_and_scaled_as_in_keras(dtype, std):
    ours, theirs = both(dtype, samplewise_center=True, samplewise_std_normalization=std)
    for image in images(dtype)[:4]:
        assert_same_standards(ours, theirs, image, dtype)


@one_test
@pytest.mark.parametrize(
    ("keras_quirks", "expected"), [(True, [-3, -1, 1, 3]), (False, [-1, 1, -1, 1])]
)
def test_a_batch_is_standardized_by_one_number_by_quirk_only(keras_quirks, expected):
    """By hand: two images of the values 1, 3 and 5, 7. What `flow` feeds are single images."""
    x = torch.tensor([1.0, 3.0, 5.0, 7.0]).reshape(2, 1, 2, 1)
    generator = ImageDataGenerator(samplewise_center=True, keras_quirks=keras_quirks)
    assert generator.standardize(x).flatten().tolist() == expected
    assert generator.flow(x, shuffle=False)[0].flatten().tolist() == [-1, 1, -1, 1]


@one_test
@pytest.mark.parametrize("further", [None, "zca_whitening", "featurewise_std_normalization"])
def test_without_fit_images_pass_with_a_warning_as_in_keras(further):
    x = images("float32")[0]
    options = ["featurewise_center"] + [further] * bool(further)
    with pytest.warns(UserWarning, match="hasn't been fit") as caught:
        ours = ImageDataGenerator(**dict.fromkeys(options, True)).standardize(x)
    for name, warning in zip(options, caught, strict=True):
        assert f"`{name}`" in str(warning.message)
    np.testing.assert_array_equal(ours, x)


def images(dtype, data_format="channels_last", seed=0):
    """Of channels that differ, with a mean far from 0."""
    x = np.random.default_rng(seed).normal(loc=90, scale=(10, 30, 60), size=SHAPE).astype(dtype)
    return x if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(x, -1, 1))


def both(dtype, **options):
    """Of one dtype; Keras rounds to its default float type."""
    keras.config.set_floatx(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one option switches on another
        return generators(4, **options, dtype=dtype)


def assert_close(ours, theirs, dtype):
    """Within 1e-6 of the largest value; in float64 within rounding."""
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max())


@one_test
@dtypes
def test_everything_at_once_is_fed_as_keras_feeds_it(dtype):
    names = ("center", "std_normalization")
    options = {f"{of}wise_{name}": True for of in ("feature", "sample") for name in names}
    options |= {"rescale": 1 / 255, "rotation_range": 20}
    ours, theirs = both(dtype, **options, preprocessing_function=lambda image: image + 1)
    x = images(dtype)
    ours.fit(x)
    theirs.fit(x)
    np.random.seed(4)
    feeds = (each.flow(x, batch_size=8) for each in (ours, theirs))
    for _, fed, expected in zip(range(3), *feeds, strict=False):
        assert_close(fed.numpy(), expected, dtype)


@one_test
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("zca_whitening", "`zca_whitening`, which overrides setting of `featurewise_cent"),
        ("featurewise_std_normalization", "overrides setting of `featurewise_center`"),
        ("samplewise_std_normalization", "overrides setting of `samplewise_center`"),
    ],
)
def test_an_option_that_switches_on_another_warns_as_in_keras(option, message):
    for kind in (ImageDataGenerator, KerasGenerator):
        with pytest.warns(UserWarning, match=message):
            kind(**{option: True})


@one_test
@pytest.mark.parametrize(
    ("options", "method", "shape", "message"),
    [
        *(
            ({"featurewise_center": True}, "fit", shape, message)
            for shape, message in (
                ((5, 5, 3), "fit: x of shape .5, 5, 3.: expected four axes"),
                ((0, 5, 5, 3), "at least one"),
            )
        ),
        *(
            (
                {"preprocessing_function": lambda image, returned=returned: returned},
                *("standardize", (5, 6, 3)),
                r"for an image of shape \(5, 6, 3\): expected the same",
            )
            for returned in (torch.zeros(3), np.zeros((5, 6)))
        ),
    ],
)
def test_another_shape_is_an_error(options, method, shape, message):
    generator = ImageDataGenerator(**options)
    with pytest.raises(ValueError, match=message):
        getattr(generator, method)(torch.zeros(shape))
