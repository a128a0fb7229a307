"""What train.py makes of outputs for loss and metrics, which take Keras's layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.ports.form import Layout, literal
from parity.ports.program import Program, Value, values_in
from parity.ports.wrapping import commented, wrapped

FUNCTION = "in_keras_layout"


def output_text(program: Program, turn: str) -> tuple[str, list[str]]:
    """Returns the argument `output` of a training, and the lines of a function that it needs.

    Args:
        program: the model.
        turn: source of the function that turns one output.

    Returns:
        "" and no lines for a model without images among its outputs; no lines for one output.
    """
    if not any(map(_is_turned, values_in(program.outputs))):
        return "", []
    if len(values_in(program.outputs)) == 1 and not isinstance(program.outputs, Mapping):
        return turn, []
    return FUNCTION, [
        f"def {FUNCTION}(outputs: Any) -> Any:",
        '    """Turns images among the outputs, as loss and metrics take them: channels last."""',
        *wrapped(f"    return {_turned(program.outputs, 'outputs', turn)}"),
    ]


def about_output(output: str) -> list[str]:
    """Returns a comment on the argument `output`; nothing without one."""
    told = "loss and metrics take images in Keras's layout, as the targets are"
    return commented(told, "    ") if output else []


def _is_turned(value: Value) -> bool:
    return value.layout is Layout.FIRST


def _turned(nest: Any, place: str, turn: str) -> str:
    """Returns an expression of the nest that a model returns, with its images turned."""
    if isinstance(nest, Value):
        return f"{turn}({place})" if _is_turned(nest) else place
    if isinstance(nest, Mapping):
        places = {key: f"{place}[{literal(key)}]" for key in nest}
        rows = [f"{literal(k)}: {_turned(nest[k], at, turn)}" for k, at in places.items()]
        return f"{{{', '.join(rows)}}}"
    return f"({', '.join(_turned(part, f'{place}[{n}]', turn) for n, part in enumerate(nest))})"
