"""The child process of this half: `python -m keras_impl --data FILE DIRECTORY ...`."""

from __future__ import annotations

import sys

import keras_impl
from parity.child import main

if __name__ == "__main__":
    sys.exit(main("keras", keras_impl, sys.argv[1:]))
