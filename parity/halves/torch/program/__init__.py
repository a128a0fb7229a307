"""Trains a user's own port whole: on what Keras was fed and with Keras's masks, or by itself."""

from parity.halves.torch.program.alone import fit_program
from parity.halves.torch.program.run import run_program

__all__ = ["fit_program", "run_program"]
