"""Finds the line of the user's code that made a call or raised an error.

The stack or an error goes in. The innermost line that belongs neither to a library nor to the
harness comes out: "model.py:23".
"""

from __future__ import annotations

import functools
import os
import re
import sys
import sysconfig
import traceback
from types import FrameType
from typing import Any

import torch

import parity
import torch_impl
from parity.errors import UNFINISHED, UnfinishedError

# Files in these folders are not the user's. The separator at the end matters: a user may have a
# folder "torch_implementation".
_LIBRARIES = tuple(
    os.path.join(os.path.realpath(path), "")
    for path in (
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        sysconfig.get_path("stdlib"),
        os.path.dirname(torch.__file__),
        os.path.dirname(torch_impl.__file__),
        os.path.dirname(parity.__file__),
    )
)
_OWN = os.path.dirname(torch_impl.__file__)
_IMAGE_LAYERS = os.path.join(_OWN, "layers", "image", "")
# Frames between a function of torch and the code that calls it, while it is watched.
_BETWEEN = tuple(
    os.path.join(folder, "")
    for folder in (os.path.dirname(torch.__file__), os.path.dirname(os.path.dirname(__file__)))
)

# As torch names it: "expected Float but found Double", "not implemented for 'Double'", "float64".
_NO_FLOAT64 = re.compile(r"\b(double|float64)\b", re.IGNORECASE)


def told_of(error: BaseException) -> str:
    """Returns an error that the port raised, with the line of the user's code."""
    return f"{type(error).__name__}: {error}, {line_of(error) or 'inside torch'}"


def advice_on(error: BaseException, dtype: str) -> str:
    """Returns what to do if a port raised an error since it has no float64, or "".

    Args:
        error: that the port raised.
        dtype: of the check.
    """
    if dtype != "float64" or not _NO_FLOAT64.search(str(error)):
        return ""
    return "if it has no float64, check it as it stands: --dtype float32"


def check_written(error: BaseException) -> None:
    """Looks at an error of the port: its own code may say by one that it is still to be written.

    Raises:
        UnfinishedError: a line of the user's code raised NotImplementedError. An operation that
            torch has not for a dtype raises one too, but not by a line of Python.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not isinstance(error, NotImplementedError) or not frames:
        return
    if (frames[-1].line or "").startswith("raise") and _is_users(frames[-1].filename):
        message = f"{UNFINISHED}: {error} ({line_of(error)})"
        raise UnfinishedError(message) from error


def line_of(error: BaseException) -> str:
    """Returns the innermost line of the user's code in the traceback of an error, or ""."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    own = (f for f in frames if _is_users(f.filename))
    return next((f"{os.path.basename(f.filename)}:{f.lineno}" for f in own), "")


@functools.cache
def _is_users(filename: str) -> bool:
    path = os.path.realpath(filename)
    return not path.startswith((*_LIBRARIES, "<")) and os.path.isfile(path)


def where() -> str:
    """Returns the innermost line of the stack that is the user's code, or ""."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if _is_users(frame.f_code.co_filename):
            return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def is_by_image_layers() -> bool:
    """Whether a function of torch is called by the code of `torch_impl.layers.image`."""
    return _caller().startswith(_IMAGE_LAYERS)


def is_by_user() -> bool:
    """Whether a function of torch is called by the user's code."""
    return _is_users(_caller())


def _caller() -> str:
    """Returns the file whose code calls a function of torch."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        frame = frame.f_back
    return "" if frame is None else frame.f_code.co_filename


def told_function(function: Any) -> str:
    """Returns a function with the line that called it: "rand() at model.py:23"."""
    return f"{function.__name__}() at {where() or 'torch'}"
