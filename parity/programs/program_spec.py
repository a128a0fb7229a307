"""ProgramSpec: all settings of one whole training of a user's own program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from parity.files import ranges
from parity.programs import settings

NUM_SEEDS = 5  # of a sweep that names none, since nothing is known of the spread of a program


@dataclass(frozen=True)
class ProgramSpec(settings.Settings):
    """One training of a pair of the user's, in both halves.

    Attributes:
        program: its name in results and in folder names.
        keras: factory of the reference, "module:function" or "file.py:function"; or "train.py", a
            training script that calls `fit`.
        torch: factory of the port.
        data: what `fit` gets if neither the reference nor the script says it: a .npz file, a folder
            with IDX files, "embedded", "mnist", or a function that returns arrays.
        arguments: command line of the script.
        epochs: number of epochs; None: as the reference or the script says.
        batch_size: samples per step; None: likewise.
        train_size: number of training samples of a source of images; None: all.
        val_size: number of validation samples of a source of images; None: a sixth.
        seed: the integer given to `keras.utils.set_random_seed` before the program begins.
        sets_seed: whether a script that sets a seed itself gets `seed` instead.
        dtype: of weights, activations and optimizer. "float64": whole trainings are compared, long
            ones from recorded states. "float32": each half trains as it stands, and they are
            compared from recorded states of the Keras half.
        device: device of the torch half: cpu, cuda or cuda:N.
        threads: intra-op threads of each half.
        max_feed: MiB of batches that are written down if `fit` gets no arrays.
        folder: folder in which the command was called; names of modules and files belong to it.
    """

    program: settings.Name = "custom"
    keras: settings.Text | None = None
    torch: settings.Text | None = None
    data: settings.Text | None = None
    arguments: tuple[str, ...] = ()
    epochs: ranges.AtLeast1 | None = None
    batch_size: ranges.AtLeast1 | None = None
    train_size: ranges.AtLeast1 | None = None
    val_size: ranges.AtLeast1 | None = None
    seed: settings.Seed = 42
    sets_seed: bool = False
    dtype: settings.Dtype = "float64"
    device: settings.Device = "cpu"
    threads: ranges.AtLeast1 = 1
    max_feed: ranges.AtLeast1 = 1024
    folder: settings.Text = "."

    @property
    def name(self) -> str:
        """Name of the run: its program."""
        return self.program

    @property
    def given(self) -> tuple[Any, ...]:
        """What the factories are called with: nothing, if they are the user's."""
        return ()

    @property
    def probe_dtype(self) -> str:
        """The dtype of the checks of single batches that come before the training."""
        return self.dtype

    @property
    def evaluates(self) -> bool:
        """Whether the training samples are evaluated after every epoch, which takes its time."""
        return False

    def told(self) -> dict[str, Any]:
        """Returns the settings as results have them."""
        return {name: value for name, value in self.to_dict().items() if name != "folder"}

    @property
    def is_script(self) -> bool:
        """Whether the Keras half is a training script."""
        return (self.keras or "").endswith(".py")
