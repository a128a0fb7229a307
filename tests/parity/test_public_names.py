"""What `import parity` and the two halves offer: the names of the contract, and no others."""

import importlib
import inspect
import re

import pytest
from rows import each_row

import parity

FUNCTIONS = ["assert_parity", "check", "diagnose", "load_data", "record", "run"]


@each_row("name", FUNCTIONS)
def test_what_is_public_is_a_function_whatever_was_imported_before(name):
    for module in ("parity.runs.check", "parity.runs.record", "parity.runs.run"):
        importlib.import_module(module)
    assert inspect.isfunction(getattr(parity, name))
    assert getattr(parity, name).__name__ == name


def test_the_listing_has_the_public_names_only():
    assert sorted(parity.__all__) == sorted(["RunSpec", *FUNCTIONS])
    assert dir(parity) == sorted([*parity.__all__, "__version__"])


@each_row("name", ["keras_impl", "torch_impl", "parity.programs"])
def test_the_listing_of_a_package_has_its_public_names_only(name):
    package = importlib.import_module(name)
    assert dir(package) == sorted(package.__all__)


def test_the_version_is_that_of_the_distribution():
    assert re.fullmatch(r"\d+\.\d+\.\d+", parity.__version__)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'parity' has no attribute 'train'"):
        _ = parity.train
