"""CheckSpec: all that decides what `parity check` and `parity record` compute."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from parity.errors import InputError


@dataclass(frozen=True)
class CheckSpec:
    """How a pair of models is probed.

    Attributes:
        keras: factory of the reference, "module:function"; None where a bundle stands for it.
        torch: factory of the port; None where only a bundle is recorded.
        against: path of the bundle that the port is compared with.
        data: path of a .npz with the user's own samples; None = probe inputs only.
        seed: of weights, inputs, masks.
        steps: training steps of the trajectory, at least 1.
        batch_size: samples of a probe, at least 2; the last batches of the trajectory are smaller.
        device: of the torch half: cpu, cuda or cuda:N.
        threads: intra-op threads of each half.
        folder: in which the command was called; factories are looked for in it.
    """

    keras: str | None = None
    torch: str | None = None
    against: str | None = None
    data: str | None = None
    seed: int = 0
    steps: int = 6
    batch_size: int = 4
    device: str = "cpu"
    threads: int = 1
    folder: str = "."

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("steps", 1), ("batch_size", 2), ("threads", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name}={value!r}: expected an integer of at least {least}")
        if self.seed >= 2**32:
            raise InputError(f"seed={self.seed}: expected an integer below 2**32")
        for name in ("keras", "torch", "against", "data", "folder"):
            value = getattr(self, name)
            if value is None and name != "folder":
                continue
            if not isinstance(value, str) or not value or "\0" in value:
                raise InputError(f"{name}={value!r}: expected text that is not empty")
        device = self.device if isinstance(self.device, str) else ""
        if re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]*))?", device) is None:
            raise InputError(f"device={self.device!r}: expected 'cpu', 'cuda' or 'cuda:N'")

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CheckSpec:
        """Returns a spec from plain values.

        Raises:
            InputError: a name is not known, or a value is out of its range.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InputError(f"unknown settings {unknown}: expected some of {sorted(known)}")
        return cls(**values)
