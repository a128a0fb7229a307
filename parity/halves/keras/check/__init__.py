"""The Keras half of `parity check`: each stage is a file of this folder.

`run` calls the stages in order. They reach the model through `model`, and `noise` measures how much
rounding may change what they write.
"""

from parity.halves.keras.check.run import run_check

__all__ = ["run_check"]
