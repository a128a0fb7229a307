"""Trains a user's own Keras program whole, from a factory or a script, and writes it down."""

from parity.halves.keras.program.alone import fit_program
from parity.halves.keras.program.run import run_program

__all__ = ["fit_program", "run_program"]
