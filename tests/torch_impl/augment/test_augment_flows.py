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


# What of torch the batches are made of. All of torch would take mypy most of a minute, and its
# `Tensor` is one class with as few questions asked.
TORCH = {
    "torch/__init__.pyi": """
from typing import Any
class Tensor:
    def __getattr__(self, name: str) -> Any: ...
def rand(*size: int) -> Tensor: ...
def ones(*size: int) -> Tensor: ...
def __getattr__(name: str) -> Any: ...
""",
    "torch/utils/__init__.pyi": "",
    "torch/utils/data.pyi": """
from collections.abc import Iterator
from typing import Any, Generic, TypeVar
T = TypeVar("T", covariant=True)
class Dataset(Generic[T]): ...
class IterableDataset(Dataset[T]): ...
class DataLoader(Generic[T]):
    def __init__(self, dataset: Dataset[T]) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
""",
}
SETTINGS = """
[mypy]
python_version = 3.11
strict = True
warn_unused_ignores = False
follow_imports = silent
mypy_path = STUBS
[mypy-torch.*,torchvision.*,scipy.*,PIL.*,parity.*,keras_impl.*]
follow_imports = skip
ignore_missing_imports = True
"""


def checked(folder, *paths):
    """What mypy says of files; it knows of torch what `TORCH` says."""
    files = {f"stubs/{name}": text for name, text in TORCH.items()}
    for name, text in {**files, "mypy.ini": SETTINGS.replace("STUBS", f"{folder}/stubs")}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    options = ["--config-file", folder / "mypy.ini", "--cache-dir", folder / "cache"]
    command = [sys.executable, "-m", "mypy", *options, *paths]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False
    )


@pytest.mark.long
def test_mypy_knows_what_a_batch_is(tmp_path):
    path = ROOT / "tests" / "support" / "typed_flows.py"
    wrong = tmp_path / "wrong_flows.py"
    wrong.write_text(path.read_text().replace("Pair = tuple[torch.Tensor, ", "Pair = tuple[int, "))
    ended = checked(tmp_path, path, wrong)
    assert ended.returncode == 1
    *errors, _ = ended.stdout.splitlines()
    assert errors
    assert {line.partition(":")[0] for line in errors} == {str(wrong)}
    assert "Expression is of type" in ended.stdout


def test_what_mypy_knows_is_so(folder):
    typed_flows.in_memory()
    typed_flows.of_files(folder)


def generator(**options):
    return ImageDataGenerator(data_format="channels_first", **options)


X, Y = torch.rand(5, 1, 8, 9), torch.arange(5)


def test_the_text_of_an_iterator_says_what_it_feeds():
    assert repr(generator().flow(X, Y, batch_size=2)) == (
        "NumpyArrayIterator(5 images of (1, 8, 9) with labels, 3 batches of 2, "
        "in a new order each epoch)"
    )
    assert repr(generator().flow((X, [Y, Y]), Y, sample_weight=Y, shuffle=False)) == (
        "NumpyArrayIterator(5 images of (1, 8, 9) with further inputs (2), labels, weights, "
        "1 batch of 32, in their order)"
    )


def test_what_wraps_an_iterator_has_its_text_and_its_length():
    seeds = KerasSeeds(3)
    flow = generator(random_state=seeds.numpy).flow(X, Y, batch_size=2)
    fed, dataset = FitFlow(flow, seeds), AugmentedDataset(flow)
    assert repr(fed) == f"FitFlow({flow!r}, shuffled batches)"
    assert repr(dataset) == f"AugmentedDataset(5 samples of {flow!r})"
    assert (len(flow), len(fed), len(dataset)) == (3, 3, 5)
    assert len(list(flow)) == len(list(fed)) == 3
