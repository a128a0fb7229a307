"""Trains a user's own port whole: on what Keras was fed and with Keras's masks, or by itself."""

from torch_impl.harness.program.alone import fit_program
from torch_impl.harness.program.run import run_program

__all__ = ["fit_program", "run_program"]
