"""A DataLoader gets every sample once, and augments none of them as another one."""

import gc
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_images
from keras_flows import generators
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
    generator = ImageDataGenerator(**options, random_state=random_state)
    return AugmentedDataset(generator.flow(x, y, **flow))


def loader_of(dataset, way, num_workers, **options):
    """Loads samples one by one, or a batch at a time."""
    if way == "batches":
        sampler = BatchSampler(RandomSampler(dataset), 4, drop_last=False)
        options |= {"batch_size": None, "sampler": sampler}
    else:
        options |= {"batch_size": 4, "shuffle": True}
    if num_workers:
        # What other tests have left of TensorFlow crashes the worker whose collector finds it: its
        # threads are not there to let go of it. What is frozen is found by no collector.
        gc.freeze()
        options |= {"num_workers": num_workers, "multiprocessing_context": "fork"}
    return DataLoader(dataset, **options)


every_way = pytest.mark.parametrize(
    ("way", "num_workers"), [("singly", 0), ("singly", 2), ("batches", 0), ("batches", 2)]
)


@every_way
def test_no_sample_of_any_epoch_is_moved_as_another(way, num_workers):
    """Every sample is the same image, so that one that comes out twice was moved alike twice."""
    same = np.tile(IMAGES[:1], (NUM_IMAGES, 1, 1, 1))
    given = [(None, {}), (3, {}), *[(None, {"persistent_workers": True})] * bool(num_workers)]
    for seed, options in given:
        loader = loader_of(dataset_of(same, seed=seed), way, num_workers, **options)
        images = torch.cat([joined(loader)[0] for _ in range(3)])
        assert len(images.flatten(1).unique(dim=0)) == 3 * NUM_IMAGES


@one_test
@pytest.mark.parametrize(
    "index",
    [[3, 0, 0, 10], (3, 0), [7], np.array([3, -1]), torch.tensor([5, 4]), -11, np.int64(3)],
)
def test_numbers_are_samples_and_several_a_batch_of_them(index):
    images, labels = dataset_of(seed=5)[index]
    if not np.ndim(index):
        images, labels, index = images[None], labels[None], [index]
    dataset = dataset_of(seed=5)
    singly = [dataset[int(number)] for number in index]
    assert torch.equal(images, torch.stack([image for image, _ in singly]))
    assert labels.tolist() == [label for _, label in singly] == [LABELS[number] for number in index]


def test_a_for_loop_ends_after_the_last_sample_of_a_subset():
    options = {"validation_split": 0.3}
    dataset = dataset_of(options=options, subset="training", ignore_class_split=True)
    assert ([int(label) for _, label in dataset], len(dataset)) == (LABELS[3:].tolist(), 8)


def joined(batches):
    """The images and labels of an epoch."""
    return tuple(torch.cat(parts) for parts in zip(*batches, strict=True))


@pytest.fixture(autouse=True, scope="module")
def _no_garbage_stays_frozen():
    """What is alive is frozen again, as before: else every later collection takes long."""
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@every_way
def test_an_epoch_has_every_sample_once_with_its_label(way, num_workers):
    batches = list(loader_of(dataset_of(options={}), way, num_workers))
    assert [len(labels) for _, labels in batches] == [4, 4, 3]
    images, labels = joined(batches)
    assert sorted(labels.tolist()) == sorted(LABELS)
    places = [LABELS.tolist().index(label) for label in labels.tolist()]
    np.testing.assert_array_equal(images, IMAGES[places])


@every_way
def test_torchs_seed_decides(way, num_workers):
    """With workers, whatever the dataset has drawn before."""
    dataset = dataset_of(seed=3 if num_workers else None)

    def epochs(seed):
        torch.manual_seed(seed)
        batches = loader_of(dataset if num_workers else dataset_of(), way, num_workers)
        return [*joined(batches), *joined(batches)]

    first = epochs(1)
    dataset[0]
    assert all(map(torch.equal, epochs(1), first))
    assert not torch.equal(first[0], epochs(2)[0])


def test_a_sample_is_what_keras_makes_of_it():
    """The dataset shuffles: neither its order nor its batch size is used."""
    ours, theirs = generators(**OPTIONS)
    theirs = theirs.flow(IMAGES, LABELS, batch_size=1, shuffle=False)
    dataset = AugmentedDataset(ours.flow(IMAGES, LABELS))
    for index in (3, 0, 0, 10):
        (image, label), (expected, labels) = dataset[index], theirs[index]
        assert_same_images(image[None], expected)
        assert label == labels


@one_test
@pytest.mark.parametrize("index", [11, -12, [0, 11], [-12, 0], torch.tensor([99])], ids=str)
def test_a_sample_that_is_not_there_is_an_error(index):
    """And nothing is drawn."""
    dataset = dataset_of(seed=5)
    with pytest.raises(IndexError, match="expected 0 to 10"):
        dataset[index]
    assert dataset_of(seed=5)[0][0].equal(dataset[0][0])


def test_a_sample_has_the_form_of_the_iterators_batches():
    assert dataset_of(y=None)[0].shape == SHAPE
    names = np.arange(NUM_IMAGES * 5).reshape(NUM_IMAGES, 5)
    sample = dataset_of((IMAGES, names), sample_weight=WEIGHTS)[2]
    (image, name), label, weight = sample
    assert [type(sample), type(sample[0]), image.shape] == [tuple, list, SHAPE]
    assert (name.tolist(), label, weight) == (names[2].tolist(), LABELS[2], WEIGHTS[2])


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
    assert (images.shape, images.mean((1, 2, 3)).tolist()) == ((2, 5, 6, 3), pytest.approx([20, 0]))
    assert labels.tolist() == [[0, 1], [1, 0]]
