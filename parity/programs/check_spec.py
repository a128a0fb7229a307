"""CheckSpec: all settings of `parity check` and `parity record`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from parity.files.ranges import AtLeast1
from parity.programs.settings import AtLeast2, Device, Dtype, Seed, Settings, Text

if TYPE_CHECKING:
    from parity.programs.program_spec import ProgramSpec


# Steps of the trajectory, if none are asked for. Half of them are enough where each is long: there
# is a step before and behind the cut of the rate, and the last one has a batch of one sample. What
# grows over many steps, such as moments, is compared by the level `optimizer` over a dozen.
NUM_STEPS, NUM_STEPS_OF_LARGE = 6, 3
LARGE_MODEL = 1_000_000  # weights; passes of such a model take long


def num_steps(asked: int | None, num_weights: int) -> int:
    """Returns the number of steps of the trajectory of a model.

    Args:
        asked: `steps` of the spec.
        num_weights: of the model, all numbers of all weights.
    """
    if asked is not None:
        return asked
    return NUM_STEPS_OF_LARGE if num_weights >= LARGE_MODEL else NUM_STEPS


@dataclass(frozen=True)
class CheckSpec(Settings):
    """Settings of one check of a pair of models.

    Attributes:
        keras: factory of the reference, "module:function", or a training script, "train.py"; with
            `described` also the path of a whole model; None if a bundle replaces it.
        torch: factory of the port; None if only a bundle is recorded.
        arguments: command line of the script.
        against: path of the bundle that the port is compared with.
        data: path of a .npz with the user's own samples; None = probe inputs only.
        dtype: in which the port computes: "float64", which shows more, or "float32", as it stands;
            Keras computes in float64, and its rounding is measured for this dtype.
        seed: seed for weights, inputs and masks.
        steps: number of training steps of the trajectory, at least 1; None: `num_steps` says it.
        batch_size: number of samples in a probe batch, at least 2; the last batches of the
            trajectory are smaller.
        device: device of the torch half: cpu, cuda or cuda:N.
        threads: intra-op threads of each half.
        brief: whether large arrays of single layers are left out, which say only where a difference
            comes from.
        draws: whether the port is built as often as the level `init` needs its initial weights.
        described: whether the trace says what a port is written of: `parity port`.
        folder: folder in which the command was called; factories are searched in it.
    """

    keras: Text | None = None
    torch: Text | None = None
    arguments: tuple[str, ...] = ()
    against: Text | None = None
    data: Text | None = None
    dtype: Dtype = "float64"
    seed: Seed = 0
    steps: AtLeast1 | None = None
    batch_size: AtLeast2 = 4
    device: Device = "cpu"
    threads: AtLeast1 = 1
    brief: bool = False
    draws: bool = True
    described: bool = False
    folder: Text = "."

    @property
    def is_script(self) -> bool:
        """Whether the reference is what a training script calls `fit` for."""
        return (self.keras or "").endswith(".py")

    @property
    def is_model_file(self) -> bool:
        """Whether the reference is the path of a whole model: a `.keras`, an `.h5`, or a folder."""
        path = self.keras or ""
        return path.endswith((".keras", ".h5", ".hdf5")) or (Path(self.folder) / path).is_dir()


def probes_of(spec: ProgramSpec) -> CheckSpec:
    """Returns the settings of the probes that come before a whole training."""
    return CheckSpec(
        keras=spec.keras,
        torch=spec.torch,
        arguments=spec.arguments,
        dtype=spec.probe_dtype,
        seed=spec.seed,
        device=spec.device,
        threads=spec.threads,
        folder=spec.folder,
    )
