"""The Keras half of `parity check`: the listing of this folder is the ladder.

`run` has the order of the stages, one file each, `model` what they ask of a model, `noise` what
rounding may do to their answers.
"""

from keras_impl.harness.check.run import run_check

__all__ = ["run_check"]
