"""OutputLosses: a loss for each output of a model, weighted and added up.

Source: keras 3.15 `trainers/compile_utils.py` (`CompileLoss`).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

Function = Callable[..., torch.Tensor]
OfOutputs = Mapping[str, Any] | Sequence[Any]


class OutputLosses(nn.Module):
    """sum(weight * loss) over the outputs of a model, as `compile(loss={...}, loss_weights={...})`.

    Args:
        losses: of each output, by its name or in the order of `names`; None: it has none.
        weights: of each loss, by name or in the order of the losses; None: 1.
        names: of the outputs, in the order in which the model returns them; of a mapping they are
            its keys, unless others are given.

    Attributes:
        names: of the outputs.
        weights: of each loss, by the name of its output.
        parts: what each loss said of the last batch, without its weight, by output; empty if only
            one output has a loss.

    Raises:
        ValueError: losses, weights and names do not fit together.
    """

    def __init__(
        self, losses: OfOutputs, weights: OfOutputs | None = None, names: Iterable[str] = ()
    ) -> None:
        super().__init__()
        self.names = tuple(names) or (
            tuple(names_in(losses)) if isinstance(losses, Mapping) else ()
        )
        if not self.names:
            raise ValueError(
                "losses in a list: expected output_names=(...), the names of the outputs, or a "
                "mapping from these"
            )
        found = by_output(losses, self.names, "losses", may_lack=True)
        self._losses: dict[str, Function] = {n: each for n, each in found.items() if each}
        if not self._losses:
            raise ValueError("no output has a loss: expected at least one")
        self.weights: dict[str, float] = dict.fromkeys(self._losses, 1.0)
        if weights is not None:
            given = by_output(weights, tuple(self._losses), "loss_weights")
            self.weights = {name: float(weight) for name, weight in given.items()}
        for name, each in self._losses.items():  # so that their parameters are found
            if isinstance(each, nn.Module):
                self.add_module(f"of_{name.replace('.', '_')}", each)
        self.parts: dict[str, torch.Tensor] = {}

    def forward(
        self, outputs: OfOutputs, targets: OfOutputs, sample_weight: Any = None
    ) -> torch.Tensor:
        """Returns the loss of a batch, a scalar.

        Args:
            outputs: of the model: a mapping by name, or a tuple or list in order.
            targets: likewise; those of outputs without a loss may be left out.
            sample_weight: (N,) weights for all outputs, or a nest of those of each.
        """
        predictions = by_output(outputs, self.names, "outputs")
        with_loss = tuple(self._losses)
        is_whole = isinstance(targets, Mapping) or len(targets) == len(self.names)
        wanted = by_output(targets, self.names if is_whole else with_loss, "targets", may_lack=True)
        is_nest = isinstance(sample_weight, Mapping | tuple | list)
        weights = (
            by_output(sample_weight, self.names, "sample_weight", may_lack=True)
            if is_nest
            else dict.fromkeys(self.names, sample_weight)
        )
        parts, total = {}, torch.zeros(())
        for name, loss in self._losses.items():
            if wanted.get(name) is None:
                raise ValueError(f"targets have none for the output {name!r}: expected some")
            weight = weights.get(name)
            given = {} if weight is None else {"sample_weight": weight}
            value = loss(predictions[name], wanted[name], **given)
            parts[name] = value.detach()
            value = value * self.weights[name]
            total = value if len(parts) == 1 else total + value
        self.parts = parts if len(parts) > 1 else {}
        return total

    def without(self, name: str) -> OutputLosses:
        """Returns the same losses without that of an output."""
        found = copy.copy(self)
        found._losses = {each: loss for each, loss in self._losses.items() if each != name}
        return found

    def of(self, name: str) -> Function | None:
        """Returns the loss of an output; None if it has none."""
        return self._losses.get(name)

    @property
    def takes_weights(self) -> bool:
        """Whether all losses have the argument `sample_weight`."""
        return all(map(takes_weights, self._losses.values()))


def by_output(
    nest: Any, names: Sequence[str], what: str, *, may_lack: bool = False
) -> dict[str, Any]:
    """Returns what belongs to each output, by its name.

    Args:
        nest: a mapping by name, or a tuple or list in the order of the names; one thing alone if
            there is one name. Nested mappings have paths as names, "boxes/size", and tuples in a
            mapping their numbers, "boxes/0"; nested tuples are in order.
        names: of the outputs.
        what: is sorted, for messages.
        may_lack: whether a mapping may lack names.

    Raises:
        ValueError: other names, or another number.
    """
    nest = _flat(nest, names)
    if isinstance(nest, Mapping):
        unknown = [str(name) for name in nest if name not in names]
        missing = [] if may_lack else [name for name in names if name not in nest]
        if unknown or missing:
            raise ValueError(
                f"{what} of {', '.join(map(str, nest))}: expected those of the outputs "
                f"{', '.join(names)}"
            )
        return {name: nest[name] for name in names if name in nest}
    if isinstance(nest, tuple | list):
        if len(nest) != len(names):
            raise ValueError(
                f"{len(nest)} {what}: expected {len(names)}, of the outputs {', '.join(names)}"
            )
        return dict(zip(names, nest, strict=True))
    if len(names) != 1:
        raise ValueError(
            f"{what} of type {type(nest).__name__}: expected a mapping, tuple or list of those of "
            f"the outputs {', '.join(names)}"
        )
    return {names[0]: nest}


def names_in(nest: Mapping[str, Any]) -> list[str]:
    """Returns the names of what a nested mapping holds: "boxes/size", or "boxes/0" of a list."""
    found = []
    for key, given in nest.items():
        part = _numbered(given)
        is_nest = isinstance(part, Mapping)
        found += [f"{key}/{name}" for name in names_in(part)] if is_nest else [str(key)]
    return found


def flat(nest: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a nested mapping holds, by its names: see `names_in`."""
    return _flat(nest, names_in(nest))  # type: ignore[no-any-return]


def _numbered(part: Any) -> Any:
    """Returns a list as the mapping that its paths tell: "u/0" is the first of those of "u"."""
    if isinstance(part, tuple | list):
        return {str(number): each for number, each in enumerate(part)}
    return part


def _flat(nest: Any, names: Sequence[str]) -> Any:
    """Returns a nest without nests in it, unless these are what belongs to an output."""
    if isinstance(nest, Mapping):
        found: dict[str, Any] = {}
        for key, part in nest.items():
            if key not in names and any(name.startswith(f"{key}/") for name in names):
                part = _numbered(part)
            if key not in names and isinstance(part, Mapping):
                inner = [name.removeprefix(f"{key}/") for name in names]
                found |= {f"{key}/{name}": each for name, each in _flat(part, inner).items()}
            else:
                found[key] = part
        return found
    if isinstance(nest, tuple | list) and len(nest) < len(names):
        flat = []
        for part in nest:
            is_nest = isinstance(part, tuple | list | Mapping)
            flat += (
                list(part.values() if isinstance(part, Mapping) else part) if is_nest else [part]
            )
        return _flat(tuple(flat), names) if len(flat) > len(nest) else nest
    return nest


def of_outputs(loss: Any) -> OutputLosses | None:
    """Returns the `OutputLosses` that a loss is, or that it wraps; None if there are none."""
    while loss is not None and not isinstance(loss, OutputLosses):
        loss = getattr(loss, "loss", None)
    return loss


def parts_of(loss: Any) -> dict[str, torch.Tensor]:
    """Returns what each output's loss said last, of `OutputLosses` or of what wraps them."""
    found = of_outputs(loss)
    return {} if found is None else found.parts


def takes_weights(loss: Any) -> bool:
    """Whether a loss has the argument `sample_weight`."""
    if isinstance(declared := getattr(loss, "takes_weights", None), bool):
        return declared
    called = loss.forward if isinstance(loss, nn.Module) else loss
    try:
        return "sample_weight" in inspect.signature(called).parameters
    except (TypeError, ValueError):  # a builtin may have no known signature
        return False
