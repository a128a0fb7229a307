"""Options of `check` and `record`: how a pair of models is probed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from parity.cli.names import files
from parity.cli.options import Decorator
from parity.programs.check_spec import CheckSpec
from parity.programs.settings import DTYPES

PROBES: list[Decorator] = [
    click.option(
        "--data",
        metavar="FILE",
        shell_complete=files(),
        help="A .npz file with x and y, or x_NAME, y_NAME of several.  [default: random samples]",
    ),
    click.option(
        "--dtype",
        type=click.Choice(DTYPES),
        default="float64",
        help="dtype of the port; float32 for one that has no float64.",
    ),
    click.option(
        "--seed",
        type=int,
        default=0,
        help="Seed for weights and probe samples.",
    ),
    click.option(
        "--steps",
        type=int,
        help="Number of training steps to compare; default: 6, or 3 from a million weights on.",
    ),
    click.option(
        "--batch-size",
        type=int,
        default=4,
        help="Number of samples in a probe batch.",
    ),
    click.option(
        "--threads",
        type=int,
        default=1,
        help="Intra-op threads of each half.",
    ),
]


def spec_of(**settings: Any) -> CheckSpec:
    """Returns the spec of a check in the current folder."""
    return CheckSpec(folder=str(Path.cwd()), **settings)
