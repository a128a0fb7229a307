"""Augmentation draws what Keras's ImageDataGenerator draws, and gives the pixels that it gives."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from helpers import SEEDS, fed_by_keras
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.keras.preprocessing.image import ImageDataGenerator as KerasGenerator
from torchvision.transforms import v2

from torch_impl.augment import ImageDataGenerator, KerasAffine
from torch_impl.data import FlowBatches
from torch_impl.seeds import KerasSeeds

# Different for every option, so that two of them cannot be exchanged unseen.
OPTIONS = {
    "rotation_range": 25.0,
    "width_shift_range": 0.3,
    "height_shift_range": 0.12,
    "shear_range": 17.0,
    "zoom_range": 0.4,
    "horizontal_flip": True,
}
SUBSETS = [
    dict(subset)
    for size in range(len(OPTIONS) + 1)
    for subset in itertools.combinations(OPTIONS.items(), size)
]
NAMES = ("theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal")


def id_of(options):
    return "+".join(name.removesuffix("_range") for name in options) or "nothing"


def signed_images(shape, dtype=np.float32, seed=0):
    """(N, H, W, C), of both signs and not zero at the border."""
    return np.random.default_rng(seed).normal(scale=3, size=shape).astype(dtype) + dtype(0.5)


def to_torch(images):
    return torch.tensor(images).movedim(-1, -3)


def to_keras(images):
    return images.movedim(-3, -1).numpy()


def ours_as_dict(params, index=0):
    return {name: params[name][index].item() for name in NAMES}


def keras_images(images, params):
    """What Keras's own `apply_transform` makes of images (N, H, W, C), one set of numbers each."""
    generator = KerasGenerator()
    pairs = enumerate(images)
    return np.stack([generator.apply_transform(x, ours_as_dict(params, i)) for i, x in pairs])


def assert_same_pixels(ours, theirs, images):
    """Both interpolate in float64 and round once: within one rounding of the range of values."""
    assert ours.dtype == theirs.dtype == images.dtype
    tolerance = 5e-7 if images.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(np.ptp(images), 1))


@pytest.mark.parametrize("options", SUBSETS, ids=id_of)
def test_every_choice_of_options_draws_keras_numbers(options):
    affine = KerasAffine(**options, random_state=np.random.RandomState(7))
    np.random.seed(7)
    generator = KerasGenerator(**options)
    theirs = [generator.get_random_transform((6, 9, 3)) for _ in range(5)]
    params = affine.draw(5, 6, 9)
    for index, expected in enumerate(theirs):
        assert ours_as_dict(params, index) == {name: expected[name] for name in NAMES}
    # Nothing more and nothing less was drawn.
    assert affine._random_state.random_sample() == np.random.random()


@pytest.mark.parametrize("bounds", [(0.5, 0.5), (0.8, 1.5), [1, 1], (1, 2)], ids=str)
def test_a_pair_of_zoom_bounds_draws_keras_numbers(bounds):
    affine = KerasAffine(zoom_range=bounds, random_state=np.random.RandomState(3))
    np.random.seed(3)
    generator = KerasGenerator(zoom_range=bounds)
    for _ in range(4):
        expected = generator.get_random_transform((6, 9, 3))
        assert ours_as_dict(affine.draw(1, 6, 9)) == {name: expected[name] for name in NAMES}


def test_images_of_a_batch_are_drawn_one_after_the_other():
    at_once = KerasAffine(**OPTIONS, random_state=np.random.RandomState(1)).draw(4, 6, 9)
    one_by_one = KerasAffine(**OPTIONS, random_state=np.random.RandomState(1))
    for index in range(4):
        assert ours_as_dict(one_by_one.draw(1, 6, 9)) == ours_as_dict(at_once, index)


def test_parameters_differ_between_the_images_of_a_batch():
    params = KerasAffine(**OPTIONS, random_state=np.random.RandomState(1)).draw(64, 6, 9)
    for name in set(NAMES) - {"flip_horizontal"}:
        assert len(set(params[name].tolist())) == 64
    assert 16 < params["flip_horizontal"].sum() < 48


def test_parameters_stay_in_their_ranges():
    params = KerasAffine(**OPTIONS, random_state=np.random.RandomState(1)).draw(2000, 6, 9)
    bounds = {
        "theta": (-25, 25),
        "tx": (-0.12 * 6, 0.12 * 6),  # the range of the height, although tx moves columns
        "ty": (-0.3 * 9, 0.3 * 9),
        "shear": (-17, 17),
        "zx": (0.6, 1.4),
        "zy": (0.6, 1.4),
    }
    for name, (low, high) in bounds.items():
        margin = 0.01 * (high - low)
        assert low <= params[name].min() < low + margin
        assert high - margin < params[name].max() <= high


cases = st.fixed_dictionaries(
    {
        "shape": st.tuples(
            st.integers(1, 3), st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3, 4])
        ),
        "dtype": st.sampled_from([np.float32, np.float64]),
        "seed": st.integers(0, 2**32 - 1),
        "still": st.sets(st.sampled_from(["theta", "shift", "shear", "zoom"])),
    }
)


def any_parameters(case):
    """Parameters far beyond usual ranges, some of them switched off."""
    generator = np.random.default_rng(case["seed"])
    n, height, width, _ = case["shape"]
    drawn = {
        "theta": generator.uniform(-180, 180, n),
        "tx": generator.uniform(-height, height, n),
        "ty": generator.uniform(-width, width, n),
        "shear": generator.uniform(-60, 60, n),
        "zx": generator.uniform(0.3, 2, n),
        "zy": generator.uniform(0.3, 2, n),
        "flip_horizontal": generator.random(n) < 0.5,
    }
    groups = {"shift": ("tx", "ty"), "zoom": ("zx", "zy")}
    for group in case["still"]:
        for name in groups.get(group, (group,)):
            drawn[name] = np.full(n, 1.0 if group == "zoom" else 0.0)
    return {name: torch.tensor(value) for name, value in drawn.items()}


@settings(max_examples=300)
@given(case=cases)
def test_pixels_are_keras_pixels_for_any_shape_and_parameters(case):
    images, params = signed_images(case["shape"], case["dtype"], case["seed"]), any_parameters(case)
    ours = to_keras(KerasAffine().transform(to_torch(images), params))
    assert_same_pixels(ours, keras_images(images, params), images)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (12, 20), (28, 28)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_drawn_parameters_give_keras_pixels(dtype, shape):
    images = signed_images((20, *shape, 3), dtype)
    affine = KerasAffine(**OPTIONS, random_state=np.random.RandomState(5))
    params = affine.draw(20, *shape)
    ours = to_keras(affine.transform(to_torch(images), params))
    assert_same_pixels(ours, keras_images(images, params), images)


def test_exchanged_shifts_do_not_pass_this_test():
    images = signed_images((5, 12, 20, 3))
    affine = KerasAffine(**OPTIONS, random_state=np.random.RandomState(5))
    params = affine.draw(5, 12, 20)
    wrong = {**params, "tx": params["ty"], "ty": params["tx"]}
    ours = to_keras(affine.transform(to_torch(images), wrong))
    assert np.abs(ours - keras_images(images, params)).max() > 0.1 * np.ptp(images)


def test_parameters_at_rest_leave_every_bit():
    images = to_torch(signed_images((3, 7, 10, 2)))
    affine = KerasAffine(random_state=np.random.RandomState(0))
    assert torch.equal(affine.transform(images, affine.draw(3, 7, 10)), images)


def test_a_flip_alone_mirrors_the_columns():
    images = to_torch(signed_images((2, 4, 5, 3)))
    affine = KerasAffine(random_state=np.random.RandomState(0))
    params = affine.draw(2, 4, 5)
    params["flip_horizontal"] = torch.tensor([True, False])
    flipped = affine.transform(images, params)
    assert torch.equal(flipped[0], images[0].flip(-1))
    assert torch.equal(flipped[1], images[1])


def test_height_shift_range_moves_columns_as_in_keras():
    """By hand: tx = 1 takes every pixel from the column to its right; the last one is repeated."""
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    affine = KerasAffine(random_state=np.random.RandomState(0))
    params = affine.draw(1, 2, 3) | {"tx": torch.ones(1, dtype=torch.float64)}
    assert affine.transform(image, params).tolist() == [[[[1, 2, 2], [4, 5, 5]]]]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_memory_layout_does_not_matter(layout):
    images = torch.tensor(signed_images((3, 7, 10, 2))).movedim(-1, 1).contiguous()
    affine = KerasAffine(**OPTIONS, random_state=np.random.RandomState(0))
    params = affine.draw(3, 7, 10)
    expected = affine.transform(images, params)
    assert torch.equal(affine.transform(images.contiguous(memory_format=layout), params), expected)


def test_one_image_is_augmented_as_a_batch_of_one():
    image = to_torch(signed_images((7, 10, 3)))
    alone = KerasAffine(**OPTIONS, random_state=np.random.RandomState(2))(image)
    batch = KerasAffine(**OPTIONS, random_state=np.random.RandomState(2))(image[None])
    assert alone.shape == image.shape
    assert torch.equal(alone, batch[0])
    assert not torch.equal(alone, image)


def test_a_batch_is_the_images_one_by_one():
    images = to_torch(signed_images((4, 7, 10, 3)))
    batch = KerasAffine(**OPTIONS, random_state=np.random.RandomState(2))(images)
    affine = KerasAffine(**OPTIONS, random_state=np.random.RandomState(2))
    assert torch.equal(batch, torch.stack([affine(image) for image in images]))


def test_the_input_is_not_changed():
    images = to_torch(signed_images((4, 7, 10, 3)))
    before = images.clone()
    KerasAffine(**OPTIONS, random_state=np.random.RandomState(2))(images)
    assert torch.equal(images, before)


def test_it_composes_and_passes_labels_through():
    images, labels = to_torch(signed_images((4, 7, 10, 3))), torch.tensor([3, 1, 4, 1])
    affine = KerasAffine(**OPTIONS, random_state=np.random.RandomState(2))
    pipeline = v2.Compose([affine, v2.Normalize([0.0] * 3, [2.0] * 3)])
    augmented, same_labels = pipeline(images, labels)
    expected = KerasAffine(**OPTIONS, random_state=np.random.RandomState(2))(images)
    assert torch.equal(augmented, expected / 2)
    assert torch.equal(same_labels, labels)


def test_one_image_with_a_plain_number_as_label_passes_through():
    image = to_torch(signed_images((7, 10, 3)))
    augmented, label = KerasAffine(**OPTIONS, random_state=np.random.RandomState(2))(image, 3)
    assert label == 3
    assert augmented.shape == image.shape


def test_without_a_random_state_torchs_seed_decides():
    images = to_torch(signed_images((4, 7, 10, 3)))

    def augmented(seed):
        torch.manual_seed(seed)
        return KerasAffine(**OPTIONS)(images)

    assert torch.equal(augmented(1), augmented(1))
    assert not torch.equal(augmented(1), augmented(2))


def test_two_transforms_without_a_random_state_draw_apart():
    torch.manual_seed(1)
    first, second = KerasAffine(**OPTIONS), KerasAffine(**OPTIONS)
    assert ours_as_dict(first.draw(1, 7, 10)) != ours_as_dict(second.draw(1, 7, 10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation_range": -1}, "rotation_range=-1: expected degrees of at least 0"),
        ({"shear_range": -0.5}, "shear_range=-0.5: expected degrees of at least 0"),
        ({"width_shift_range": 1}, r"width_shift_range=1: expected a fraction in \[0, 1\)"),
        ({"width_shift_range": -0.1}, r"width_shift_range=-0.1: expected a fraction in \[0, 1\)"),
        ({"height_shift_range": 2}, r"height_shift_range=2: expected a fraction in \[0, 1\)"),
        ({"zoom_range": 1.0}, r"zoom_range=1.0: expected z in \[0, 1\) or a pair of bounds"),
        ({"zoom_range": -0.1}, r"zoom_range=-0.1: expected z in \[0, 1\) or a pair of bounds"),
        ({"zoom_range": (1, 2, 3)}, r"zoom_range=\(1, 2, 3\): expected z in \[0, 1\) or a pair"),
    ],
    ids=lambda value: id_of(value) if isinstance(value, dict) else "",
)
def test_a_range_that_makes_no_sense_is_an_error_that_shows_it(options, message):
    with pytest.raises(ValueError, match=message):
        KerasAffine(**options)


def keras_flow(seed, images, labels, options, *, batch_size, epochs):
    """Images, labels and drawn parameters that a real `fit(datagen.flow(...))` feeds."""
    keras.utils.set_random_seed(seed)
    generator = KerasGenerator(**options)
    draw, drawn = generator.get_random_transform, []

    def draw_and_note(*args):
        drawn.append(draw(*args))
        return drawn[-1]

    generator.get_random_transform = draw_and_note
    flow = generator.flow(images, labels, batch_size=batch_size)
    fed = fed_by_keras({"x": flow}, epochs=epochs)
    fed_images, fed_labels = (np.concatenate(parts) for parts in zip(*fed, strict=True))
    return fed_images, fed_labels, drawn[-len(fed_labels) :]


FLOWS = {"four_batches_the_last_partial": 16, "one_batch": 64, "two_batches": 32, "single": 1}


def assert_flow_is_keras_flow(seed, batch_size, options=OPTIONS, epochs=3):
    images, numbers = signed_images((50, 6, 9, 3)), np.arange(50)
    theirs = keras_flow(seed, images, numbers, options, batch_size=batch_size, epochs=epochs)
    seeds = KerasSeeds(seed)
    generator = ImageDataGenerator(seeds.numpy, **options)
    batches = FlowBatches(to_torch(images), torch.tensor(numbers), batch_size, generator, seeds)
    ours = [batch for _ in range(epochs) for batch in batches]
    order = torch.cat([batch.y for batch in ours]).numpy()
    np.testing.assert_array_equal(order, theirs[1])
    np.testing.assert_array_equal(torch.cat([batch.index for batch in ours]), order)
    for name in NAMES:
        values = torch.cat([batch.params[name] for batch in ours]).tolist()
        assert values == [drawn[name] for drawn in theirs[2]]
    assert_same_pixels(to_keras(torch.cat([batch.x for batch in ours])), theirs[0], images)


@pytest.mark.parametrize("seed", SEEDS)
def test_flow_feeds_what_fit_takes_from_keras_flow_for_three_epochs(seed):
    assert_flow_is_keras_flow(seed, batch_size=16)


@pytest.mark.parametrize("batch_size", FLOWS.values(), ids=FLOWS)
def test_flow_feeds_what_fit_takes_from_keras_flow_for_any_number_of_batches(batch_size):
    assert_flow_is_keras_flow(5, batch_size, epochs=2)


def test_flow_without_any_augmentation_draws_the_flips_nonetheless():
    assert_flow_is_keras_flow(5, 16, options={}, epochs=2)


def test_batches_by_number_are_those_of_keras():
    images, labels = signed_images((10, 6, 9, 3)), np.arange(10)
    tf.keras.utils.set_random_seed(4)
    theirs = KerasGenerator(**OPTIONS).flow(images, labels, batch_size=4)
    generator = ImageDataGenerator(np.random.RandomState(4), **OPTIONS)
    ours = generator.flow(to_torch(images), torch.tensor(labels), batch_size=4)
    assert len(ours) == len(theirs) == 3
    for number in (2, 0, 0, 1):
        (x, y), (keras_x, keras_y) = ours[number], theirs[number]
        np.testing.assert_array_equal(y, keras_y)
        assert_same_pixels(to_keras(x), keras_x, images)


@pytest.mark.parametrize("number", [-1, 3])
def test_a_batch_that_is_not_there_is_an_error(number):
    flow = ImageDataGenerator(np.random.RandomState(4)).flow(
        torch.zeros(10, 1, 4, 4), torch.zeros(10), batch_size=4
    )
    with pytest.raises(IndexError, match=f"batch {number}: expected 0 to 2"):
        flow[number]


@pytest.mark.parametrize(("num_images", "num_labels"), [(3, 2), (0, 0)])
def test_unequal_or_empty_inputs_are_an_error(num_images, num_labels):
    generator = ImageDataGenerator(np.random.RandomState(4))
    expected = rf"len\(x\)={num_images}, len\(y\)={num_labels}: expected equal lengths above 0"
    with pytest.raises(ValueError, match=expected):
        generator.flow(torch.zeros(num_images, 1, 4, 4), torch.zeros(num_labels))
