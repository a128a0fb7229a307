"""The final weights of a Keras run, for the torch half, which saves those of both halves."""

from __future__ import annotations

from collections.abc import Callable

from parity.data.dataset import Data
from parity.files.atomic import write_bytes
from parity.programs.run_spec import RunSpec
from parity.traces.folder import RunFolder
from parity.traces.trace import Weights


def save_weights(
    spec: RunSpec, data: Data, weights: Weights, run: RunFolder, pause: Callable[[], None]
) -> None:
    """Leaves the weights for the torch half.

    Args:
        spec: the run.
        data: its arrays.
        weights: final ones, in the portable layout.
        run: folder of the run.
        pause: not called: the other half waits for this one.
    """
    from safetensors.numpy import save

    write_bytes(run.half("keras").final, save(weights))
