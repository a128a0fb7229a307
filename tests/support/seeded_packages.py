"""What a written package and its Keras program build from one seed."""

import importlib

import keras
import torch

SEED = 5


def both_of_a_seed(folder, build, monkeypatch):
    """The module of a package in float64, and what the factory of the program returns.

    Args:
        folder: of the package, whose name is that of the package.
        build: the factory.
        monkeypatch: makes the package importable.
    """
    monkeypatch.syspath_prepend(folder.parent)
    torch.set_default_dtype(torch.float64)
    try:
        torch.manual_seed(SEED)
        module = importlib.import_module(f"{folder.name}.train").build().module
    finally:
        torch.set_default_dtype(torch.float32)
    keras.utils.clear_session()
    keras.utils.set_random_seed(SEED)
    return module, build()
