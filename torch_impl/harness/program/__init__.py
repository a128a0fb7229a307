"""Trains a user's own port whole, on what Keras was fed and with Keras's masks."""

from torch_impl.harness.program.run import run_program

__all__ = ["run_program"]
