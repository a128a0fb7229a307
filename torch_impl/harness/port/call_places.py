"""Which line of the user's own code a call was made from, or an error came through.

The stack or an error goes in; the innermost line that is neither a library's nor the harness's
comes out: "model.py:23".
"""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from types import FrameType

import parity
import torch_impl

# Files below these are not the user's own. With the separator: "torch_implementation" is.
_LIBRARIES = tuple(
    os.path.join(os.path.realpath(path), "")
    for path in (
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        sysconfig.get_path("stdlib"),
        os.path.dirname(torch_impl.__file__),
        os.path.dirname(parity.__file__),
    )
)


def line_of(error: BaseException) -> str:
    """Returns the innermost line of the user's own code that an error came through, or ""."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    own = (f for f in frames if _is_users(f.filename))
    return next((f"{os.path.basename(f.filename)}:{f.lineno}" for f in own), "")


def _is_users(filename: str) -> bool:
    path = os.path.realpath(filename)
    return not path.startswith((*_LIBRARIES, "<")) and os.path.isfile(path)


def where() -> str:
    """The innermost line of the stack that is the user's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if _is_users(frame.f_code.co_filename):
            return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
