"""BenchSpec: everything that decides a benchmark, as one frozen value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from parity.bench.variants import VARIANTS
from parity.errors import InputError
from parity.scenarios import scenario as scenario_of
from parity.spec import RunSpec

PARTS = ("train", "step", "input", "augment", "startup")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
BASELINE = "keras"


@dataclass(frozen=True)
class BenchSpec:
    """One benchmark.

    Attributes:
        scenario: scenario whose program is trained, see `parity list`.
        parts: what is timed. "train": whole epochs; "step": steps on one resident batch; "input":
            feeding without training; "augment": augmented batches alone; "startup": from the start
            of a process to its first step.
        variants: names from `VARIANTS`. A name may stand twice, to compare a variant with itself.
        baseline: the variant that the others are compared with.
        batch_sizes: one cell for each.
        precisions: one cell for each.
        device: "cpu", "cuda", "cuda:1".
        threads: number of threads of each process.
        rounds: number of rounds; each starts all variants in new processes. An interval of 95 %
            needs at least 6.
        train_size: number of samples in a turn.
        val_size: number of samples on which the accuracy is measured.
        accuracy: validation accuracy to which the time is measured; None = not measured.
        data: source, as `load_data` takes it.
        seed: seed of the split and of every run.
        across_precision: whether other precisions are compared with the baseline in fp32.
        gate_seeds: number of runs by which the accuracy of each variant of mode "independent" is
            judged, at least 2; 0 leaves the parity of all variants unchecked.
    """

    scenario: str = "dropout"
    parts: tuple[str, ...] = ("train",)
    variants: tuple[str, ...] = ("keras", "torch-eager", "torch")
    baseline: str = BASELINE
    batch_sizes: tuple[int, ...] = (32,)
    precisions: tuple[str, ...] = ("fp32",)
    device: str = "cpu"
    threads: int = 2
    rounds: int = 7
    train_size: int = 2048
    val_size: int = 512
    accuracy: float | None = None
    data: str = "embedded"
    seed: int = 42
    across_precision: bool = False
    gate_seeds: int = 8

    def __post_init__(self) -> None:
        for name, known in (
            ("parts", PARTS),
            ("variants", tuple(VARIANTS)),
            ("precisions", PRECISIONS),
        ):
            values = getattr(self, name)
            unknown = [value for value in values if value not in known]
            if not values or unknown:
                raise InputError(
                    f"{name}={','.join(map(str, values)) or 'none'}: expected some of "
                    f"{', '.join(known)}"
                )
        # Each makes a cell of its own; only a variant may stand twice.
        for name in ("parts", "batch_sizes", "precisions"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise InputError(f"{name}={','.join(map(str, values))}: expected each once")
        if self.baseline not in self.variants:
            raise InputError(
                f"baseline={self.baseline!r}: expected one of the measured variants, "
                f"{', '.join(self.variants)}; name another one, or add it to --variants"
            )
        for name, least in (("rounds", 1), ("train_size", 1), ("val_size", 1), ("gate_seeds", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name}={value}: expected an integer of at least {least}")
        if self.gate_seeds == 1:
            raise InputError(
                "gate_seeds=1: one run has no spread to judge by; expected at least 2, or 0 to "
                "check nothing"
            )
        if not self.batch_sizes:
            raise InputError("batch_sizes is empty; expected at least one number")
        if self.accuracy is not None and not 0 < self.accuracy <= 1:
            raise InputError(f"accuracy={self.accuracy}: expected a fraction in (0, 1]")
        for batch_size in self.batch_sizes:
            self.run_spec(batch_size)

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

    def to_dict(self) -> dict[str, Any]:
        """Returns the spec as JSON-ready values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
