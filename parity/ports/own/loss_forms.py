"""Operations of keras.ops that a loss has otherwise than a network: crossentropies, and bounds.

Targets come first in Keras's crossentropies.
"""

from __future__ import annotations

from parity.ports.form import Applied, Form, Layout, arguments, literal
from parity.ports.forms.operation import Operation, Row
from parity.ports.table import operation_of


def _binary(operation: Operation, call: Applied) -> Form:
    target, output = operation.arguments[:2]
    from_logits = bool(operation.setting("from_logits", 2, False))
    text = f"binary_crossentropy({output}, {target}, from_logits={from_logits})"
    return Form(text, None, Layout.LAST)


def _without_mean(operation: Operation, call: Applied) -> Form:
    raise ValueError(f"{operation.name} of each entry has no plain form")


def _row(name: str, home: str) -> Row:
    """A crossentropy of each sample, by a class of `losses` or of a file of rules."""

    def row(operation: Operation, call: Applied) -> Form:
        target, output = operation.arguments[:2]
        given = {"from_logits": operation.setting("from_logits", 2, False) or None}
        axis = operation.setting("axis", 3, -1)
        if axis not in (-1, len(call.inputs[-1]) - 1):
            given["axis"] = axis
        if "axis" in given and (name.startswith("Sparse") or home == "rules"):
            raise ValueError(f"{name} with {axis=} has no source")
        if name.startswith("Sparse"):
            target = f"{target}.long()"
        text = f"{home}.{name}({arguments(**given)}).values({output}, {target})"
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


BINARY, MEAN_OF_BINARY = "BinaryCrossentropy", "mean of BinaryCrossentropy"
_OF_SAMPLES = ("CategoricalCrossentropy", "SparseCategoricalCrossentropy")
_BOUNDS: dict[str, Row] = {"Maximum": _extreme(">="), "Minimum": _extreme("<=")}
# By Keras's names of the operations; the mean is that of keras.losses, over the last axis.
ROWS: dict[str, Row] = {
    BINARY: _binary,
    MEAN_OF_BINARY: _row(BINARY, "losses"),
    **{name: _row(name, "losses") for name in _OF_SAMPLES},
    **_BOUNDS,
    "Clip": _clip,
}
PLAIN_ROWS: dict[str, Row] = {
    BINARY: _without_mean,
    MEAN_OF_BINARY: _row(BINARY, "rules"),
    **{name: _row(name, "rules") for name in _OF_SAMPLES},
    **_BOUNDS,
}
