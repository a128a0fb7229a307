"""Operations of keras.ops that a loss has otherwise than a network: crossentropies, and bounds.

Targets come first in Keras's crossentropies.
"""

from __future__ import annotations

from torch_impl.source.form import Applied, Form, Layout, arguments, literal
from torch_impl.source.forms.operation import Operation, Row
from torch_impl.source.table import operation_of


def _binary(operation: Operation, call: Applied) -> Form:
    target, output = operation.arguments[:2]
    from_logits = bool(operation.setting("from_logits", 2, False))
    text = f"binary_crossentropy({output}, {target}, from_logits={from_logits})"
    return Form(text, None, Layout.LAST)


def _row(name: str) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        target, output = operation.arguments[:2]
        given = {"from_logits": operation.setting("from_logits", 2, False) or None}
        axis = operation.setting("axis", 3, -1)
        if axis not in (-1, len(call.inputs[-1]) - 1):
            given["axis"] = axis
        if name.startswith("Sparse"):
            if "axis" in given:
                raise ValueError(f"{name} with {axis=} has no source")
            target = f"{target}.long()"
        text = f"losses.{name}({arguments(**given)}).values({output}, {target})"
        return Form(text, None, Layout.LAST)

    return row


def _clip(operation: Operation, call: Applied) -> Form:
    ends = operation.setting("x_min", 1), operation.setting("x_max", 2)
    if not all(type(end) in (int, float) for end in ends):
        return operation_of(operation, call)
    return Form(f"clip({{0}}, {', '.join(map(literal, ends))})", None, Layout.LAST)


def _extreme(sign: str) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        if list(operation.arguments) != ["{0}", "{1}"] or call.whole:
            return operation_of(operation, call)
        note = "the first of two equal ones gets the slope, as in Keras"
        return Form(f"torch.where({{0}} {sign} {{1}}, {{0}}, {{1}})", None, Layout.LAST, note=note)

    return row


CROSSENTROPIES: dict[str, Row] = {
    "BinaryCrossentropy": _binary,
    **{name: _row(name) for name in ("CategoricalCrossentropy", "SparseCategoricalCrossentropy")},
}
BOUNDS: dict[str, Row] = {"Maximum": _extreme(">="), "Minimum": _extreme("<=")}
CLIPS: dict[str, Row] = {"Clip": _clip}
