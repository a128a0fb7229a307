"""What a flow draws is noted: samples and parameters of the batches that a pass has used."""

import threading

import keras
import numpy as np
import pytest
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from rows import each_row

from parity.halves.keras.program.feed import Flow, is_flow, why_written

X = np.random.default_rng(1).uniform(size=(10, 6, 5, 1)).astype(np.float32)
Y = np.arange(10)


def flow_of(batch_size=4, **arguments):
    given = {"rotation_range": 30, **arguments}
    return ImageDataGenerator(**given).flow(X, Y, batch_size=batch_size)


def noted(flow, *numbers, before=()):
    """A flow after some of its batches were used, and these batches."""
    found = Flow(flow)
    with found.watched(lambda number: number == 2):
        for number in before:
            flow[number]
        found.begin()
        batches = [flow[number] for number in numbers]
        found.end(len(batches))
    return found, batches


def test_all_is_as_before_afterwards():
    flow = flow_of()
    before = dict(vars(flow)), dict(vars(flow.image_data_generator))
    np.random.seed(5)
    expected = flow_of()[0][0]
    np.random.seed(5)
    _, ((images, _), *_) = noted(flow, 0)
    assert np.array_equal(images, expected)  # nothing more is drawn
    changing = ("total_batches_seen", "index_array")
    left = {n: v for n, v in vars(flow).items() if n not in changing}
    assert left == {n: v for n, v in before[0].items() if n not in changing}
    assert vars(flow.image_data_generator) == before[1]


def test_two_flows_of_one_generator_are_told_apart():
    generator = ImageDataGenerator(rotation_range=30)
    flows = [generator.flow(X, Y, 4), generator.flow(X[:4], Y[:4], 4)]
    found = [Flow(each) for each in flows]
    with found[0].watched(), found[1].watched():
        for each in found:
            each.begin()
        flows[0][0], flows[1][0], flows[0][1]
        generator.get_random_transform((6, 5, 1))  # belongs to no batch
        found[0].end(2)
        found[1].end()
    assert [len(each.told()["drawn"]["theta"]) for each in found] == [8, 4]
    assert "get_random_transform" not in vars(generator)


def test_batches_are_noted_that_another_thread_reads_ahead():
    flow = flow_of()
    found = Flow(flow)
    with found.watched():
        found.begin()
        thread = threading.Thread(target=lambda: [flow[number] for number in (0, 1, 2)])
        thread.start()
        thread.join()
        found.end(2)  # the last one was not used
    assert found.told()["sizes"].tolist() == [4, 4]


def test_images_are_told_in_float32_if_that_is_exact():
    keras.config.set_floatx("float64")
    try:
        narrow, wide = flow_of(), ImageDataGenerator().flow(X.astype(float) / 3, Y)
    finally:
        keras.config.set_floatx("float32")
    assert narrow.x.dtype == np.float64
    found, _ = noted(narrow, 0)
    assert found.told()["x"].dtype == np.float32
    assert found.settings()["dtype"] == "float64"
    assert noted(wide, 0)[0].told()["x"].dtype == np.float64


def with_workers(number):
    flow = flow_of()
    flow.workers = number
    return flow


@each_row(
    "flow, why",
    [
        (lambda: flow_of(), None),
        (lambda: flow_of(brightness_range=(0.5, 1), channel_shift_range=0.1), None),
        (lambda: flow_of(featurewise_center=True), None),
        (lambda: flow_of(preprocessing_function=np.sqrt), "a preprocessing_function"),
        (lambda: flow_of(samplewise_center=True), "samplewise_center of its generator rounds"),
        (
            lambda: flow_of(zca_whitening=True, featurewise_center=True),
            "zca_whitening of its generator",
        ),
        (lambda: flow_of(interpolation_order=3), "interpolation_order=3 with fill_mode='nearest'"),
        (lambda: flow_of(fill_mode="mirror"), "fill_mode='mirror' is not exact"),
        (
            lambda: type("Mine", (ImageDataGenerator,), {})().flow(X, Y),
            "of another class, Mine",
        ),
        (lambda: with_workers(2), "it has 2 workers"),
    ],
)
def test_what_cannot_be_made_again_is_told(flow, why):
    found = why_written(flow())
    assert found is None if why is None else why in found


@pytest.mark.filterwarnings("ignore:NumpyArrayIterator is set")
def test_channels_first_and_parts_of_a_pass_are_written_down():
    first = ImageDataGenerator(data_format="channels_first").flow(X, Y)
    assert "images are channels_first" in why_written(first)
    assert "validation_steps=2 leaves out some of its 3 batches" in why_written(flow_of(), 2)
    assert why_written(flow_of(), 3) is None


def test_files_are_written_down(tmp_path):
    from PIL import Image

    (tmp_path / "a").mkdir()
    Image.new("L", (6, 5)).save(tmp_path / "a" / "0.png")
    flow = ImageDataGenerator().flow_from_directory(tmp_path)
    assert is_flow(flow)
    assert why_written(flow) == "DirectoryIterator reads them from files"
