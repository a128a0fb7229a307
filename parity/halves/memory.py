"""Memory of a child that goes through several large models: given back between two of them."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def free_memory() -> None:
    """Collects what nothing uses any more, models among it, and gives free memory back.

    The C library of Linux keeps freed memory for later; others do not, or have no such function.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
