"""Iterators say what they feed: to mypy by their type, and to a reader by their text."""

import subprocess
import sys

import pytest
import torch
import typed_flows
from paths import ROOT
from PIL import Image

from torch_impl import KerasSeeds
from torch_impl.augment import AugmentedDataset, FitFlow, ImageDataGenerator


@pytest.fixture
def folder(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 7)).save(tmp_path / name / "a.png")
    return tmp_path


def checked(*paths):
    options = ["--config-file", "pyproject.toml", "--strict", "--no-warn-unused-ignores"]
    return subprocess.run(
        [sys.executable, "-m", "mypy", *options, *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.mark.long
def test_mypy_knows_what_a_batch_is(tmp_path):
    path = ROOT / "tests" / "support" / "typed_flows.py"
    wrong = tmp_path / "wrong_flows.py"
    wrong.write_text(path.read_text().replace("Pair = tuple[torch.Tensor, ", "Pair = tuple[int, "))
    ended = checked(path, wrong)
    assert ended.returncode == 1
    *errors, _ = ended.stdout.splitlines()
    assert errors
    # By its name: the cache of mypy may remember the same text in another folder.
    assert {line.partition(":")[0].rpartition("/")[2] for line in errors} == {wrong.name}
    assert "Expression is of type" in ended.stdout


def test_what_mypy_knows_is_so(folder):
    typed_flows.in_memory()
    typed_flows.of_files(folder)


def generator(**options):
    return ImageDataGenerator(data_format="channels_first", **options)


X, Y = torch.rand(5, 1, 8, 9), torch.arange(5)


def test_the_text_of_an_iterator_says_what_it_feeds():
    flow = generator().flow(X, Y, batch_size=2)
    assert repr(flow) == (
        "NumpyArrayIterator(5 images of (1, 8, 9) with labels, 3 batches of 2, "
        "in a new order each epoch)"
    )
    more = generator().flow((X, [Y, Y]), Y, sample_weight=Y, shuffle=False)
    assert repr(more) == (
        "NumpyArrayIterator(5 images of (1, 8, 9) with further inputs (2), labels, weights, "
        "1 batch of 32, in their order)"
    )


def test_the_text_of_an_iterator_over_files_names_the_folder(folder):
    flow = ImageDataGenerator().flow_from_directory(folder, (8, 8), class_mode="sparse")
    assert repr(flow) == (
        f"DirectoryIterator(2 rgb images of (8, 8) in {str(folder)!r}, 2 classes, sparse labels, "
        "1 batch of 32, in a new order each epoch)"
    )


def test_what_wraps_an_iterator_has_its_text_and_its_length():
    seeds = KerasSeeds(3)
    flow = generator(random_state=seeds.numpy).flow(X, Y, batch_size=2)
    fed, dataset = FitFlow(flow, seeds), AugmentedDataset(flow)
    assert repr(fed) == f"FitFlow({flow!r}, shuffled batches)"
    assert repr(dataset) == f"AugmentedDataset(5 samples of {flow!r})"
    assert (len(flow), len(fed), len(dataset)) == (3, 3, 5)
    assert len(list(flow)) == len(list(fed)) == 3
