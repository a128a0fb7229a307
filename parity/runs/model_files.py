"""Files of whole models, in the place of a factory: looked at before Keras loads them.

A path goes in. What is no whole model, or damaged, is refused in one line; the others are read once
in a process of their own, which may crash without harm.
"""

from __future__ import annotations

from pathlib import Path

from parity.errors import InputError
from parity.files.private import private_folder
from parity.programs.check_spec import CheckSpec
from parity.runs.weight_files import copy_weights
from parity.weights.copied import read_copied

_EXPECTED = "MODULE:FUNCTION, a training script, or a .keras or .h5 file of model.save"
_GRAPH, _OF_KERAS_2 = "saved_model.pb", "keras_metadata.pb"


def check_model_file(spec: CheckSpec) -> None:
    """Looks at the file that a spec names as its reference.

    Args:
        spec: its `keras` is a path.

    Raises:
        InputError: it is no file of a whole model.
    """
    assert spec.keras is not None
    path = Path(spec.folder) / spec.keras
    if path.is_dir():
        raise InputError(f"{spec.keras}: {_of_folder(path)}")
    if not path.is_file():
        raise InputError(f"{spec.keras}: there is no such file; expected {_EXPECTED}")
    with private_folder("model") as folder:
        copy_weights(path, folder / "copy")
        stored = read_copied(folder / "copy")
    if stored.config is None:
        raise InputError(
            f"{spec.keras}: it has weights, and no model; expected what model.save has written, or "
            "a function that builds the model and loads them"
        )


def is_of_keras_2(path: Path) -> bool:
    """Whether a path is the folder of a SavedModel that Keras 2 has written."""
    return (path / _OF_KERAS_2).is_file()


def _of_folder(path: Path) -> str:
    """Returns why a folder is refused, and what to do."""
    how = "there, write model.save('model.h5'), and port that file"
    if is_of_keras_2(path):
        return (
            "a SavedModel of Keras 2, which Keras 3 cannot load; name an interpreter with Keras 2 "
            "and this project by --keras-python, which loads the folder and so runs what is in "
            f"it; or load it in its environment by keras.models.load_model; {how}"
        )
    if (path / _GRAPH).is_file():
        return (
            "a SavedModel without a Keras model: a graph alone says what it computes; go to the "
            f"program that exported it; {how.replace('.h5', '.keras')}"
        )
    return f"a folder; expected {_EXPECTED}"
