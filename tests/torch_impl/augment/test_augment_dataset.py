"""A DataLoader gets every sample once, and augments none of them as another one."""

import gc
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from covering import one_test
from PIL import Image
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from torch_impl.augment import AugmentedDataset, ImageDataGenerator

pytestmark = [
    # Python 3.12 warns where a process with threads forks, torch where it has fewer cores.
    pytest.mark.filterwarnings("ignore:.*use of fork.. may lead to deadlocks:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker:UserWarning"),
]

NUM_IMAGES = 11
SHAPE = (6, 9, 3)
IMAGES = np.random.default_rng(0).normal(0.5, 3, (NUM_IMAGES, *SHAPE)).astype(np.float32)
LABELS = np.arange(NUM_IMAGES) * 7 % NUM_IMAGES
WEIGHTS = np.linspace(0.1, 0.9, NUM_IMAGES)
# No two images are moved alike.
OPTIONS = {"rotation_range": 25.0, "width_shift_range": 0.3, "zoom_range": 0.4}


def dataset_of(x=IMAGES, y=LABELS, *, options=OPTIONS, seed=None, **flow):
    """Without a seed, torch's decides."""
    random_state = None if seed is None else np.random.RandomState(seed)
    return AugmentedDataset(
        ImageDataGenerator(**options, random_state=random_state).flow(x, y, **flow)
    )


def of_one_image(**more):
    """Every sample is the same image, so that one that comes out twice was moved alike twice."""
    return dataset_of(np.tile(IMAGES[:1], (NUM_IMAGES, 1, 1, 1)), **more)


def singly(dataset, num_workers, **options):
    return DataLoader(
        dataset, 4, shuffle=True, num_workers=num_workers, **_fork(num_workers), **options
    )


def in_batches(dataset, num_workers):
    sampler = BatchSampler(RandomSampler(dataset), 4, drop_last=False)
    options = {"num_workers": num_workers, **_fork(num_workers)}
    return DataLoader(dataset, batch_size=None, sampler=sampler, **options)


every_way = pytest.mark.parametrize(
    ("loader", "num_workers"),
    [(singly, 0), (singly, 2), (in_batches, 0), (in_batches, 2)],
)


@every_way
def test_no_sample_of_any_epoch_is_moved_as_another(loader, num_workers):
    loaders = [loader(of_one_image(seed=seed), num_workers) for seed in (None, 3)]
    if loader is singly and num_workers:
        loaders.append(singly(of_one_image(), num_workers, persistent_workers=True))
    for batches in loaders:
        images = torch.cat([joined(batches)[0] for _ in range(3)])
        assert num_different(images) == 3 * NUM_IMAGES


@one_test
@pytest.mark.parametrize(
    "index",
    [[3, 0, 0, 10], (3, 0), [7], np.array([3, -1]), torch.tensor([5, 4]), -11, np.int64(3)],
)
def test_numbers_are_samples_and_several_a_batch_of_them(index):
    images, labels = dataset_of(seed=5)[index]
    dataset = dataset_of(seed=5)
    if not np.ndim(index):
        images, labels, index = images[None], labels[None], [index]
    for image, label, number in zip(images, labels, index, strict=True):
        expected, expected_label = dataset[int(number)]
        assert torch.equal(image, expected)
        assert label == expected_label == LABELS[number]


def test_a_for_loop_ends_after_the_last_sample_of_a_subset():
    dataset = dataset_of(
        options={"validation_split": 0.3}, subset="training", ignore_class_split=True
    )
    assert len(dataset) == 8
    assert [int(label) for _, label in dataset] == LABELS[3:].tolist()


def _fork(num_workers):
    if not num_workers:
        return {}
    # What other tests have left of TensorFlow crashes the worker whose collector finds it: its
    # threads are not there to let go of it. What is frozen is found by no collector.
    gc.freeze()
    return {"multiprocessing_context": "fork"}


def joined(batches):
    """The images and labels of an epoch."""
    return tuple(torch.cat(parts) for parts in zip(*batches, strict=True))


def num_different(images):
    return len(torch.unique(images.flatten(1), dim=0))


@pytest.fixture(autouse=True, scope="module")
def _no_garbage_stays_frozen():
    """What is alive is frozen again, as before: else every later collection takes long."""
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@every_way
def test_an_epoch_has_every_sample_once_with_its_label(loader, num_workers):
    batches = list(loader(dataset_of(options={}), num_workers))
    assert [len(labels) for _, labels in batches] == [4, 4, 3]
    images, labels = joined(batches)
    assert sorted(labels.tolist()) == sorted(LABELS)
    position = {label: index for index, label in enumerate(LABELS)}
    for image, label in zip(images, labels.tolist(), strict=True):
        np.testing.assert_array_equal(image, IMAGES[position[label]])


@every_way
def test_torchs_seed_decides(loader, num_workers):
    """With workers, whatever the dataset has drawn before."""
    dataset = dataset_of(seed=3 if num_workers else None)

    def epochs(seed):
        torch.manual_seed(seed)
        batches = loader(dataset if num_workers else dataset_of(), num_workers)
        return [*joined(batches), *joined(batches)]

    first = epochs(1)
    dataset[0]
    assert all(map(torch.equal, epochs(1), first))
    assert not torch.equal(first[0], epochs(2)[0])


def test_a_sample_is_what_keras_makes_of_it():
    from tensorflow.keras.preprocessing.image import ImageDataGenerator as KerasGenerator

    np.random.seed(5)
    theirs = KerasGenerator(**OPTIONS).flow(IMAGES, LABELS, batch_size=1, shuffle=False)
    dataset = dataset_of(seed=5)  # shuffles: neither its order nor its batch size is used
    for index in (3, 0, 0, 10):
        image, label = dataset[index]
        (expected,), (expected_label,) = theirs[index]
        assert label == expected_label
        np.testing.assert_allclose(image, expected, rtol=0, atol=5e-7 * np.ptp(expected))


@one_test
@pytest.mark.parametrize("index", [11, -12, [0, 11], [-12, 0], torch.tensor([99])], ids=str)
def test_a_sample_that_is_not_there_is_an_error(index):
    dataset = dataset_of(seed=5)
    with pytest.raises(IndexError, match="expected 0 to 10"):
        dataset[index]
    # And nothing was drawn.
    assert dataset_of(seed=5)[0][0].equal(dataset[0][0])


def test_a_sample_has_the_form_of_the_iterators_batches():
    assert dataset_of(y=None)[0].shape == SHAPE
    names = np.arange(NUM_IMAGES * 5).reshape(NUM_IMAGES, 5)
    sample = dataset_of((IMAGES, names), sample_weight=WEIGHTS)[2]
    assert [type(part) for part in (sample, sample[0])] == [tuple, list]
    (image, name), label, weight = sample
    assert image.shape == SHAPE
    np.testing.assert_array_equal(name, names[2])
    assert (label, weight) == (LABELS[2], WEIGHTS[2])


def test_a_dataset_can_be_sent_to_a_worker_that_is_not_forked():
    dataset = dataset_of(seed=5)
    sent = ForkingPickler.loads(ForkingPickler.dumps(dataset))
    assert all(map(torch.equal, sent[[3, 4]], dataset[[3, 4]]))


def test_files_are_read_each_with_its_label(tmp_path):
    for number, name in enumerate("aab"):  # a file of one value, which no move changes
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("RGB", (8 + number, 9), (10 * number,) * 3).save(
            tmp_path / name / f"{number}.png"
        )
    generator = ImageDataGenerator(**OPTIONS)
    dataset = AugmentedDataset(generator.flow_from_directory(tmp_path, target_size=(5, 6)))
    images, labels = dataset[[2, 0]]
    assert images.shape == (2, 5, 6, 3)
    assert images.mean((1, 2, 3)).tolist() == pytest.approx([20, 0])
    assert labels.tolist() == [[0, 1], [1, 0]]
