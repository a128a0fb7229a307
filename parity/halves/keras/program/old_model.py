"""A SavedModel of Keras 2 as an `.h5` file, written in the environment of the old program.

The folder of a SavedModel goes in, and the path of the `.h5`, which Keras 3 can read.
"""

from __future__ import annotations

from pathlib import Path

import keras

from parity.errors import InputError
from parity.halves.keras.versions import IS_KERAS_2


def save_as_h5(source: Path, target: Path) -> None:
    """Loads a SavedModel and writes it as an `.h5` of `model.save`. Keras 2 only.

    To load it runs what is in it, such as the code of a Lambda.

    Args:
        source: folder of the SavedModel.
        target: the file, whose name ends with ".h5".

    Raises:
        InputError: this is Keras 3, Keras cannot load the folder, or a class in it is the user's.
    """
    if not IS_KERAS_2:
        raise InputError(
            f"{source.name}: a SavedModel of Keras 2, which Keras {keras.__version__} of "
            "--keras-python cannot load; expected an interpreter with Keras 2"
        )
    try:
        model = keras.models.load_model(source)
    except Exception as error:  # of any part of Keras, for any file
        raise InputError(
            f"{source.name}: Keras {keras.__version__} cannot load it ({_error_line(error)}); "
            "expected what model.save has written"
        ) from error
    try:
        model.save(target)
    except Exception as error:  # of a class of the user, which may raise anything
        raise InputError(
            f"{source.name}: Keras {keras.__version__} cannot write it as .h5 "
            f"({_error_line(error)}); a model with classes of your own is loaded by a function of "
            "yours, which gives them to keras.models.load_model as custom_objects; there, write "
            "model.save('model.h5')"
        ) from error


def _error_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
