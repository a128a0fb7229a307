"""The child process of this half: `python -m torch_impl run|check|batch|bench ...`."""

from __future__ import annotations

import sys

import torch_impl
from parity.worker import leave, main

if __name__ == "__main__":
    leave(main("torch", torch_impl, sys.argv[1:]))
