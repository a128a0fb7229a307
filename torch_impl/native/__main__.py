"""Prints as JSON where each loop comes from.

python -m torch_impl.native
"""

import json
import sys
from pathlib import Path

import torch  # noqa: F401 - the loops share its threads

import torch_impl
from torch_impl import native


def origins() -> dict[str, str]:
    """Returns the name of each C file, and where its loop comes from; compiles what is missing."""
    folder = Path(torch_impl.__file__).parent
    return {path.stem: native.loops(path).origin for path in sorted(folder.rglob("*.c"))}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(origins()) + "\n")
