"""The child process of this half: `python -m keras_impl run|check|batch|bench ...`."""

from __future__ import annotations

import sys

import keras_impl
from parity.worker import leave, main

if __name__ == "__main__":
    leave(main("keras", keras_impl, sys.argv[1:]))
