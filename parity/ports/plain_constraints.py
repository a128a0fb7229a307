"""Constraints of the weights of a written module as source in plain torch."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from parity.ports.form import literal
from parity.ports.plain_layout import Place, places_of
from parity.ports.wrapping import wrapped
from torch_impl import constraints
from torch_impl.weights import variable_of


def constraint_lines(
    rules: Mapping[str, str], full: nn.Module, plain: nn.Module, left_out: list[str]
) -> list[str]:
    """Returns the statement that constrains weights after each step of `optimizer`.

    Args:
        rules: name of a module and Keras's of a weight -> source of its constraint in `torch_impl`.
        full: the module with the parts of `torch_impl`.
        plain: the same without them.
        left_out: gets a sentence for each constraint that has no plain form.
    """
    trained = {name for name, weight in plain.named_parameters() if weight.requires_grad}
    pairs: list[str] = []
    for name, text in rules.items():
        variable = variable_of(full, name)
        shape = tuple(variable.to_keras(variable.tensors).shape)
        try:
            places = places_of(full, plain, {name: variable})[name]
            made = [(p.name, _text(text, p, shape)) for p in places if p.name in trained]
        except ValueError:
            left_out.append(f"{text} of {name!r}: it has no plain form")
            continue
        pairs += [f'(model.get_parameter("{path}"), {rule})' for path, rule in made]
    return wrapped(f"    rules.constrain(optimizer, [{', '.join(pairs)}])") if pairs else []


def _text(text: str, place: Place, shape: tuple[int, ...]) -> str:
    """Returns the source of a constraint of a parameter.

    Args:
        text: the call that makes it, in `torch_impl`.
        place: of the parameter in Keras's weight.
        shape: of that weight.

    Raises:
        ValueError: it has no plain form, or its axes are none of the parameter.
    """
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not text.startswith("constraints."):
        raise ValueError(f"{text} has no plain form")
    kind = text.removeprefix("constraints.").partition("(")[0]
    given = inspect.signature(getattr(constraints, kind)).bind(
        *map(ast.literal_eval, call.args),
        **{str(each.arg): ast.literal_eval(each.value) for each in call.keywords},
    )
    given.apply_defaults()
    settings = given.arguments
    if kind == "NonNeg":
        return "rules.non_negative"
    axes = literal(_axes(settings["axis"], place, shape))
    if kind == "UnitNorm":
        return f"rules.unit_norm({axes})"
    if kind == "MaxNorm":
        return f"rules.max_norm({literal(settings['max_value'])}, {axes})"
    numbers = [literal(settings[name]) for name in ("min_value", "max_value", "rate")]
    return f"rules.min_max_norm({', '.join(numbers)}, {axes})"


def _axes(told: int | Sequence[int], place: Place, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the axes of a parameter for those of Keras's weight."""
    if place.row is not None or place.shape != tuple(shape[axis] for axis in place.axes):
        raise ValueError(f"{place.name} has other axes than Keras's weight")
    wanted: Any = [told] if isinstance(told, int) else told
    of_keras = {axis % len(shape) for axis in wanted}
    return tuple(at for at, axis in enumerate(place.axes) if axis in of_keras)
