"""The torch half of `parity check`: the listing of this folder is the ladder.

`run` has the order of the stages, one file each; what they ask of a port is
`torch_impl.harness.port.port_under_test`'s.
"""

from torch_impl.harness.check.run import run_check

__all__ = ["run_check"]
