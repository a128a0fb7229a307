"""BenchSpec: all settings of a benchmark, and the variants that it compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

from parity.errors import InputError
from parity.files.ranges import AtLeast0, AtLeast1, Rule
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import scenario as scenario_of
from parity.programs.settings import Device, Seed, Settings

# --- The variants that a benchmark compares: one program, written in several ways -----------------
#
# A variant says which half runs the program and how. All variants train the same model. Built-in
# scenarios have `VARIANTS`, a program of the user's has `PROGRAM_VARIANTS`.


@dataclass(frozen=True)
class Variant:
    """One way of training the same program.

    Attributes:
        name: name on the command line and in lists.
        half: "keras" or "torch"; a child of this half runs the variant.
        summary: one line.
        mode: "seeded" if it repeats Keras's run from the same seed, so that both can be compared
            level by level; "independent" if it draws its own random numbers.
    """

    name: str
    half: str
    summary: str
    mode: str


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("keras", "keras", "model.fit on arrays or on a flow, unchanged", "seeded"),
        Variant(
            "keras-tuned",
            "keras",
            "model.fit on a cached tf.data pipeline, many steps per execution, XLA on a GPU",
            "independent",
        ),
        Variant("keras-torch", "keras", "model.fit, Keras on its torch backend", "independent"),
        Variant(
            "torch-eager",
            "torch",
            "an ordinary training loop: DataLoader, torch's Adam, nn.Dropout",
            "independent",
        ),
        Variant(
            "torch", "torch", "torch_impl.fit: the same run as Keras's from the seed", "seeded"
        ),
        Variant(
            "torch-own",
            "torch",
            "torch_impl.fit in mode independent: torch's random numbers",
            "independent",
        ),
        Variant("torch-compiled", "torch", "torch_impl.fit with torch.compile", "seeded"),
    )
}

# What a port gains by a part of torch or of torch_impl; each changes one thing of "torch-eager".
PROGRAM_VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("keras", "keras", "model.fit of the program, as it stands", "seeded"),
        Variant(
            "torch-eager", "torch", "the port, in its own loop or in that of Trainer", "seeded"
        ),
        Variant("torch-fused", "torch", "the port with the fused form of its optimizer", "seeded"),
        Variant(
            "torch-channels-last",
            "torch",
            "the port with images and kernels in memory as Keras stores images",
            "seeded",
        ),
        Variant("torch-tuned", "torch", "torch-fused and torch-channels-last together", "seeded"),
        Variant("torch-compiled", "torch", "the port's module through torch.compile", "seeded"),
    )
}


def half_of(name: str) -> str:
    """Returns the half that runs a variant, of a scenario or of a program."""
    return (VARIANTS.get(name) or PROGRAM_VARIANTS[name]).half


# --- BenchSpec: all settings of a benchmark, as one frozen value ----------------------------------


PARTS = ("train", "step", "input", "augment", "startup")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
BASELINE = "keras"

# Of a program of the user's: what is known of it, and what can be compared with its Keras half.
PROGRAM_PARTS = ("train", "step")
PROGRAM_PRECISIONS = ("fp32",)
OF_A_PROGRAM = ("keras", "torch-eager", "torch-fused", "torch-channels-last")

_ABOVE_0 = {"gt": 0, "le": 1}
_Accuracy = Annotated[float, Rule(lambda value: 0 < value <= 1, "a fraction in (0, 1]", _ABOVE_0)]


@dataclass(frozen=True)
class BenchSpec(Settings):
    """One benchmark.

    Attributes:
        scenario: scenario whose program is trained, see `parity list`; or the name of a program of
            the user's.
        parts: what is timed. "train": whole epochs; "step": steps on one resident batch; "input":
            feeding without training; "augment": augmented batches alone; "startup": from the start
            of a process to its first step.
        variants: names from `VARIANTS`. A name may occur twice, to compare a variant with itself.
        baseline: the variant that the others are compared with.
        batch_sizes: batch sizes; each makes a cell of its own. Empty for a program of the user's:
            its own batch size.
        precisions: precisions; each makes a cell of its own.
        device: "cpu", "cuda", "cuda:1".
        threads: number of threads of each process.
        rounds: number of rounds; each starts all variants in new processes. An interval of 95 %
            needs at least 6.
        train_size: number of samples in a turn; of a program of the user's, the greatest number.
        val_size: number of samples on which the accuracy is measured.
        accuracy: the time until this validation accuracy is measured; None = not measured.
        data: data source, as for `load_data`.
        seed: seed of the split and of every run.
        across_precision: whether other precisions are compared with the baseline in fp32.
        gate_seeds: number of runs that check the accuracy of each variant of mode "independent",
            at least 2; 0 leaves the parity of all variants unchecked.
        program: of the user's; None for a built-in scenario.
    """

    scenario: str = "dropout"
    parts: tuple[str, ...] = ("train",)
    variants: tuple[str, ...] = ("keras", "torch-eager", "torch")
    baseline: str = BASELINE
    batch_sizes: tuple[int, ...] = (32,)
    precisions: tuple[str, ...] = ("fp32",)
    device: Device = "cpu"
    threads: AtLeast1 = 2
    rounds: AtLeast1 = 7
    train_size: AtLeast1 = 2048
    val_size: AtLeast1 = 512
    accuracy: _Accuracy | None = None
    data: str = "embedded"
    seed: Seed = 42
    across_precision: bool = False
    gate_seeds: AtLeast0 = 8
    program: ProgramSpec | None = None

    @classmethod
    def of_program(cls, program: ProgramSpec, **settings: Any) -> Self:
        """Returns the benchmark of a program of the user's, with defaults that fit one.

        Args:
            program: what is trained.
            **settings: of the benchmark.

        Raises:
            InputError: a setting is for built-in scenarios alone.
        """
        defaults = {
            "scenario": program.name,
            "variants": OF_A_PROGRAM,
            "batch_sizes": () if program.batch_size is None else (program.batch_size,),
            "data": program.data or "its own",
            "seed": program.seed,
            "program": program,
        }
        return cls(**{**defaults, **settings})

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON-ready values; `from_dict` is the inverse."""
        values = super().to_dict()
        return {name: values[name] for name in values if name != "program" or values[name]}

    def to_json(self) -> dict[str, Any]:
        """Returns what a result tells of the spec: without the folder of a program."""
        values = self.to_dict()
        if self.program is not None:
            del values["program"]["folder"]
        return values

    def check(self) -> None:
        """Rejects unknown names and settings that contradict each other."""
        has_program = self.program is not None
        for name, known in (
            ("parts", PROGRAM_PARTS if has_program else PARTS),
            ("variants", tuple(PROGRAM_VARIANTS if has_program else VARIANTS)),
            ("precisions", PROGRAM_PRECISIONS if has_program else PRECISIONS),
        ):
            values = getattr(self, name)
            is_known = bool(values) and all(value in known for value in values)
            whose = " for a program of your own" if has_program else ""
            self.require(is_known, name, f"some of {', '.join(known)}{whose}")
        # Each makes a cell of its own; only a variant may occur twice.
        for name in ("parts", "batch_sizes", "precisions"):
            values = getattr(self, name)
            self.require(len(set(values)) == len(values), name, "each value once")
        self.require(
            self.baseline in self.variants,
            "baseline",
            f"one of the measured variants, {', '.join(self.variants)}; choose one of them, or add "
            "it to --variants",
        )
        if self.gate_seeds == 1:
            raise InputError(
                "gate_seeds=1: one run shows no spread; expected at least 2, or 0 to check nothing"
            )
        if has_program:
            self._check_program()
            return
        if not self.batch_sizes:
            raise InputError("batch_sizes is empty; expected at least one number")
        for batch_size in self.batch_sizes:
            self.run_spec(batch_size)

    def _check_program(self) -> None:
        """Rejects what only a built-in scenario has."""
        for name in ("accuracy", "across_precision", "val_size"):
            is_default = getattr(self, name) == getattr(type(self), name)
            self.require(is_default, name, "nothing: a program of your own is timed without it")
        self.require(
            self.gate_seeds in (0, type(self).gate_seeds),
            "gate_seeds",
            "0, or nothing: a program of your own is compared step by step, from one seed",
        )
        for batch_size in self.batch_sizes:
            self.program_spec(batch_size)

    def run_spec(self, batch_size: int) -> RunSpec:
        """Returns the run that is timed.

        Raises:
            InputError: a value is out of range.
        """
        return scenario_of(self.scenario).replace(
            seed=self.seed,
            data=self.data,
            train_size=self.train_size,
            val_size=self.val_size,
            batch_size=batch_size,
            device=self.device,
            threads=self.threads,
            reduce_lr=None,
            early_stopping=None,
        )

    def program_spec(self, batch_size: int | None = None) -> ProgramSpec:
        """Returns the training of a program of the user's, which is timed and compared.

        Args:
            batch_size: samples in a step; None: as the program says.

        Raises:
            InputError: a value is out of range.
        """
        assert self.program is not None
        return self.program.replace(
            seed=self.seed,
            device=self.device,
            threads=self.threads,
            batch_size=batch_size or self.program.batch_size,
        )
