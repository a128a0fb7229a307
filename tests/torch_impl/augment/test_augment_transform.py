"""KerasTransform is a v2 transform that draws anew for every image of a batch."""

import pickle
import re

import numpy as np
import pytest
import torch
from covering import one_test
from helpers import MOVED
from torchvision import tv_tensors
from torchvision.transforms import v2

from torch_impl.augment import KerasTransform

OPTIONS = {**MOVED, "channel_shift_range": 1.0}


def images_of(shape, seed=0):
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 0.5


def transform_of(seed=2, **options):
    return KerasTransform(**(options or OPTIONS), random_state=np.random.RandomState(seed))


def test_a_batch_is_the_images_one_by_one_each_moved_otherwise():
    """Also of a transform that was sent to a worker."""
    images = images_of((1, 3, 9, 9)).expand(4, -1, -1, -1)
    one_by_one = pickle.loads(pickle.dumps(transform_of()))  # noqa: S301 - our own bytes
    with torch.no_grad():
        moved = transform_of()(images)
    assert torch.equal(moved, torch.stack([one_by_one(x) for x in images]))
    assert len(moved.flatten(1).unique(dim=0)) == 4


def test_it_composes_and_passes_labels_through():
    pixels, labels = images_of((4, 3, 7, 10)).mul(20).abs().to(torch.uint8), torch.tensor([3, 1, 4])
    to_floats = v2.ToDtype(torch.float32, scale=True)
    pipeline = v2.Compose([to_floats, transform_of(), v2.Normalize([0.0] * 3, [2.0] * 3)])
    found, expected = pipeline(pixels, labels, 3), transform_of()(to_floats(pixels)) / 2
    torch.testing.assert_close(found, (expected, labels, 3), rtol=0, atol=0)


def test_its_text_shows_what_was_asked_for():
    text = repr(KerasTransform(rotation_range=10, zoom_range=0.5, fill_mode="wrap"))
    assert re.match(
        r"KerasTransform\(rotation_range=10.0, .*zoom_range=\[0.5, 1.5\].*fill_mode='wrap'", text
    )


@one_test
@pytest.mark.parametrize("options", [OPTIONS, {"horizontal_flip": True}, {"zoom_range": 0}])
def test_the_input_is_neither_changed_nor_given_back(options):
    images = images_of((4, 3, 7, 10))
    assert transform_of(**options)(images).data_ptr() != images.data_ptr()
    assert torch.equal(images, images_of((4, 3, 7, 10)))


def test_recorded_parameters_give_the_same_pixels_again():
    images, transform = images_of((4, 3, 7, 10)), transform_of()
    params = transform.make_params([images])
    as_tensors = {name: torch.from_numpy(values) for name, values in params.items()}
    expected = transform_of()(images)
    for given in (params, params, as_tensors):
        assert torch.equal(transform.transform(images, given), expected)


@one_test
@pytest.mark.parametrize(("quirks", "expected"), [(True, [3, 4, 2, 3]), (False, [3, 4, 1, 2])])
def test_wrap_has_scipys_short_period_by_quirk_only(quirks, expected):
    """By hand, two columns to the right of a b c d: scipy's wrap takes c d b c."""
    images = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 1, 4)
    transform = KerasTransform(fill_mode="wrap", keras_quirks=quirks)
    assert transform.transform(images, {"tx": 2}).flatten().tolist() == expected


@one_test
@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.zeros(7, 10), ValueError, r"shape \(7, 10\): expected \(channels, height, width\)"),
        (torch.zeros(1, 2, 3, 7, 10), ValueError, r"shape \(1, 2, 3, 7, 10\): expected"),
        (torch.zeros(1, 7, 10, dtype=torch.uint8), ValueError, "torch.uint8: expected float32 or"),
        (torch.zeros(1, 7, 10, dtype=torch.float16), ValueError, "torch.float16: expected float32"),
        (tv_tensors.Video(torch.zeros(2, 1, 7, 10)), TypeError, "Video: expected a tensor of imag"),
    ],
    ids=["rank 2", "rank 5", "uint8", "float16", "video"],
)
def test_what_is_no_batch_of_images_is_an_error(images, error, message):
    with pytest.raises(error, match=message):
        transform_of()(images)


@one_test
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("fill_mode", ["nearest", "constant", "reflect", "wrap"])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_on_a_gpu_the_pixels_are_those_of_the_cpu(order, fill_mode):
    images = images_of((5, 3, 12, 20)).double()
    options = {"fill_mode": fill_mode, "interpolation_order": order, "brightness_range": (0.5, 2)}
    on_cpu = transform_of(**OPTIONS, **options)(images)
    on_gpu = transform_of(**OPTIONS, **options)(images.cuda())
    assert on_gpu.is_cuda
    assert torch.allclose(on_gpu.cpu(), on_cpu, rtol=0, atol=1e-10)
