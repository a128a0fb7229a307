"""Memory of a child that goes through several large models: given back between two of them."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

# Numbers of glibc's `mallopt`, and what it gets: blocks of so many bytes go back when they are
# freed. Weights of large layers are such, and activations of large images.
_MMAP_THRESHOLD, _MMAP_MAX = -3, -4
_MOST = 2**16
LARGE, SMALLER = 2**21, 2**19  # of what is kept for long, and of a pass forward and back


def give_back_large_blocks(size: int = LARGE) -> None:
    """Lets blocks from a size on, in bytes, be given back when they are freed, from now on.

    Children keep freed memory (`process.MALLOC`), which saves time. Between what stays, gaps of
    hundreds of MB are left by the weights, gradients and activations of a large model.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, size)
        library.mallopt(_MMAP_MAX, _MOST)


def free_memory() -> None:
    """Collects what nothing uses any more, models among it, and gives free memory back.

    The C library of Linux keeps freed memory for later; others do not, or have no such function.
    """
    gc.collect()
    give_back_free_blocks()


def give_back_free_blocks() -> None:
    """Gives free memory back, without looking for what nothing uses any more."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
