"""Memory of a child: what it imports stays, and that of large models is given back between them."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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


@contextmanager
def kept_for_good() -> Iterator[None]:
    """What is imported in the block stays: the garbage collector need not look at it, ever.

    It would take a third of the time of importing TensorFlow and Keras, and time again for every
    new model, for each of which Keras calls it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


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
