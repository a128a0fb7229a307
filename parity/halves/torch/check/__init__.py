"""The torch half of `parity check`: each stage is a file of this folder.

`run` calls the stages in order. They reach the port through
`parity.halves.torch.port.port_under_test`.
"""

from parity.halves.torch.check.run import run_check

__all__ = ["run_check"]
