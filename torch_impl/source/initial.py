"""The initial weights of a written module: what Keras draws from its seed, in Keras's order."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from torch_impl.initializers import GlorotUniform, Initializer, Zeros
from torch_impl.keras_config.initial import initializer_of
from torch_impl.keras_config.settings import holder
from torch_impl.layers.initial import KERNELS, is_seeded
from torch_impl.layouts import Variable
from torch_impl.source.form import literal
from torch_impl.source.graph import Traced
from torch_impl.source.program import Program
from torch_impl.source.weights import paths, targets
from torch_impl.weights import match

# Weights that torch's modules begin with as Keras's initialisers say.
_AS_TORCH = {"gamma": "Ones", "beta": "Zeros", "moving_mean": "Zeros", "moving_variance": "Ones"}


@dataclass(frozen=True)
class Draw:
    """One weight or seed.

    Attributes:
        name: of the module, and of the weight if it is one; "" for a number that nothing gets.
        number: of the draw; None: nothing is drawn.
        initializer: of the weight; None: it is a seed.
    """

    name: str
    number: int | None
    initializer: Initializer | None


def draws_of(
    module: nn.Module, program: Program, traced: Traced, numbers: Sequence[tuple[str, int]]
) -> list[Draw]:
    """Returns all draws of a program in order, and the weights that are set without one.

    Args:
        module: the written one.
        program: of which it was written.
        traced: the model.
        numbers: (path of a weight, or of a layer with "/seed", number of the draw).

    Raises:
        ValueError: an initialiser is none of Keras's.
    """
    known = targets(module, program)
    by_layer = dict(paths(program))
    entries = _entries(traced)
    drawn = {name: number for name, number in numbers if not name.endswith("/seed")}
    places = {target: drawn[name] for name, target in match(list(drawn), list(known)).items()}
    found = []
    for layer, path in by_layer.items():
        for name, variable in _of_layer(known, layer):
            own = name.removeprefix(f"{layer}/")
            initializer = initializer_of(own, holder(entries[layer], own))
            if initializer is not None:
                number = places.get(name)
                if number is not None or not _is_begun(variable, own, initializer):
                    found.append(Draw(f"{path}.{own}", number, initializer))
    for name, number in numbers:
        if name.endswith("/seed"):
            layer = name.removesuffix("/seed")
            ends = [
                key
                for key in by_layer
                if f"/{layer}".endswith(f"/{key}") or f"/{key}".endswith(f"/{layer}")
            ]
            owner = by_layer[max(ends, key=len)] if ends else None
            if owner is not None and hasattr(module.get_submodule(owner), "seed"):
                found.append(Draw(owner, number, None))
    drawn_numbers = {draw.number for draw in found if draw.number is not None}
    skipped = set(range(max(drawn_numbers, default=-1) + 1)) - drawn_numbers
    found += [Draw("", number, None) for number in sorted(skipped)]
    order = {id(draw): place for place, draw in enumerate(found)}
    return sorted(found, key=lambda d: (d.number is None, d.number or 0, order[id(d)]))


def _entries(traced: Traced, before: str = "") -> dict[str, Any]:
    found = {f"{before}{name}": layer for name, layer in traced.layers.items()}
    for name, inner in traced.inner.items():
        found |= _entries(inner, f"{before}{name}/")
    return found


def _of_layer(known: Mapping[str, Variable], layer: str) -> list[tuple[str, Variable]]:
    return [(name, known[name]) for name in known if name.rpartition("/")[0] == layer] or [
        (name, known[name]) for name in known if name.startswith(f"{layer}/")
    ]


def _is_begun(variable: Variable, name: str, initializer: Initializer) -> bool:
    """Whether the module has the value from the beginning."""
    return _AS_TORCH.get(name) == type(initializer).__name__


def initial_text(model: nn.Module, draws: Sequence[Draw]) -> tuple[list[str], str]:
    """Returns the statements that draw the initial weights, and the name that they import.

    Args:
        model: the written module.
        draws: of it.
    """
    if _is_usual(model, draws):
        return ["layers.initialise(model, seeds)"], "layers"
    rows = []
    for draw in draws:
        if draw.initializer is not None:
            rows.append(f'("{draw.name}", {_text(draw.initializer)})')
        else:
            rows.append(f'("{draw.name}", {"SEED" if draw.name else "SKIPPED"})')
    return [f"draw_initial(model, seeds, [{', '.join(rows)}])"], "draw_initial"


def _text(initializer: Initializer) -> str:
    """Returns the call that makes an initialiser, without its defaults."""
    kind = type(initializer)
    parts = []
    for name, parameter in inspect.signature(kind).parameters.items():
        value = getattr(initializer, name)
        if isinstance(value, Initializer):
            if value != Zeros():  # the only default among them
                parts.append(f"{name}={_text(value)}")
        elif value != parameter.default:
            parts.append(f"{name}={literal(value)}")
    return f"initializers.{kind.__name__}({', '.join(parts)})"


def _is_usual(model: nn.Module, draws: Sequence[Draw]) -> bool:
    """Whether `torch_impl.layers.initialise` draws the same, in the same order."""
    recorded: list[str] = []
    names = {id(module): name for name, module in model.named_modules()}
    for draw in draws:
        plain = isinstance(draw.initializer, GlorotUniform) and draw.initializer == GlorotUniform()
        is_kernel = plain and draw.name.endswith((".kernel",))
        is_zero = isinstance(draw.initializer, Zeros) and draw.name.endswith(".bias")
        is_seed = draw.initializer is None and bool(draw.name)
        if not (is_kernel or is_zero or is_seed):
            return False
        if draw.number is not None:
            recorded.append(draw.name.removesuffix(".kernel"))
    order = [names[id(module)] for module in _drawing(model)]
    return order == recorded


def _drawing(model: nn.Module) -> list[nn.Module]:
    """Returns the modules for which `initialise` draws a number, in its order."""
    return [m for m in model.modules() if isinstance(m, KERNELS) or is_seeded(m)]
