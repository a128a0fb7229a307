"""Operations of keras.ops in a functional model."""

from __future__ import annotations

from typing import Any

from parity.ports.form import Applied, Form, Layout, arguments, literal
from parity.ports.forms import arranging, entrywise
from parity.ports.forms.entrywise import activated
from parity.ports.forms.operation import Operation, Row, other


def _infix(sign: str) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        ranks = {len(shape) for shape in call.inputs}
        text = f" {sign} ".join(operation.arguments[:2])
        return Form(text, None, Layout.ANY if len(ranks) == 1 else Layout.LAST)

    return row


def _reduction(method: str, *, every: bool = False) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        if operation.settings.get("initial") is not None:
            return other(operation, call)
        axis = operation.setting("axis", 1)
        keepdim = True if operation.setting("keepdims", 2, False) else None
        if axis is None and keepdim:
            axis = list(range(call.rank))
        if axis is None:
            return Form(f"{{0}}.{method}()", None, Layout.LAST)
        axes = [axis] if isinstance(axis, int) else list(axis)
        is_all_space = {a % call.rank for a in axes} == set(range(1, call.rank - 1))
        if call.layout is Layout.FIRST and is_all_space and call.rank > 2:
            places = sorted(call.axis(a) for a in axes)
            told = arguments(tuple(places) if len(places) > 1 else places[0], keepdim=keepdim)
            return Form(f"{{0}}.{method}({told})")
        told = arguments(tuple(axes) if len(axes) > 1 else axes[0], keepdim=keepdim)
        return Form(f"{{0}}.{method}({told})", None, Layout.LAST)

    return row


def _reshape(operation: Operation, call: Applied) -> Form:
    shape = list(operation.setting("newshape", 1))
    first = "len({0})" if shape[0] in (None, -1) and -1 in shape[1:] else str(shape[0] or -1)
    told = ", ".join([first, *(str(-1 if size is None else size) for size in shape[1:])])
    return Form(f"{{0}}.reshape({told})", None, Layout.LAST)


def _transpose(operation: Operation, call: Applied) -> Form:
    axes = operation.setting("axes", 1)
    axes = list(range(call.rank))[::-1] if axes is None else list(axes)
    return Form(f"{{0}}.permute({arguments(*axes)})", None, Layout.LAST)


def _concatenate(operation: Operation, call: Applied) -> Form:
    axis = operation.setting("axis", 1, 0)
    inner = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return Form(f"torch.cat([{inner}], dim={call.axis(axis)})")


def _stack(operation: Operation, call: Applied) -> Form:
    inner = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return Form(f"torch.stack([{inner}], dim={operation.setting('axis', 1, 0)})", None, Layout.LAST)


def _item(operation: Operation, call: Applied) -> Form:
    key = operation.setting("key", 1)
    parts = key if isinstance(key, tuple | list) else (key,)
    return Form(f"{{0}}[{', '.join(map(_index, parts))}]", None, Layout.LAST)


def _index(part: Any) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join(ends if part.step in (None, 1) else [*ends, str(part.step)])
    return "..." if part is Ellipsis else literal(part)


def _axis(method: str) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        axis = operation.setting("axis", 1)
        if axis is None:
            return Form(f"{{0}}.{method}()", None, Layout.LAST)
        axes = [axis] if isinstance(axis, int) else list(axis)
        if method == "unsqueeze":  # one after the other, of which the first has the least place
            axes = sorted(a % (call.rank + len(axes)) for a in axes) if len(axes) > 1 else axes
        elif len(axes) > 1:
            axes = [tuple(axes)]
        return Form("{0}" + "".join(f".{method}({a})" for a in axes), None, Layout.LAST)

    return row


def _swapped(operation: Operation, call: Applied) -> Form:
    first, second = operation.setting("axis1", 1), operation.setting("axis2", 2)
    return Form(f"{{0}}.transpose({first}, {second})", None, Layout.LAST)


def _matmul(operation: Operation, call: Applied) -> Form:
    return Form(f"{operation.arguments[0]} @ {operation.arguments[1]}", None, Layout.LAST)


def _einsum(operation: Operation, call: Applied) -> Form:
    inner = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    equation = literal(operation.settings["subscripts"])
    return Form(f"torch.einsum({equation}, {inner})", None, Layout.LAST)


ROWS: dict[str, Row] = {
    **entrywise.ROWS,
    **arranging.ROWS,
    **{name: _infix("+") for name in ("Add",)},
    **{name: _infix("-") for name in ("Subtract",)},
    **{name: _infix("*") for name in ("Multiply",)},
    **{name: _infix("/") for name in ("Divide", "TrueDivide")},
    "Power": _infix("**"),
    "Matmul": _matmul,
    "Einsum": _einsum,
    "Negative": lambda operation, call: Form("-{0}"),
    "StopGradient": lambda operation, call: Form("{0}.detach()"),
    "Relu": activated("relu"),
    "Relu6": activated("relu6"),
    "Silu": activated("silu"),
    "Swish": activated("silu"),
    "Sigmoid": activated("sigmoid"),
    "Tanh": activated("tanh"),
    "Softmax": activated("softmax", "axis"),
    "Softplus": activated("softplus"),
    "Mean": _reduction("mean"),
    "Sum": _reduction("sum"),
    **{name: _reduction("amax") for name in ("Max", "Amax")},
    **{name: _reduction("amin") for name in ("Min", "Amin")},
    "Reshape": _reshape,
    "Transpose": _transpose,
    "SwapAxes": _swapped,
    "Swapaxes": _swapped,
    "Concatenate": _concatenate,
    "Stack": _stack,
    "GetItem": _item,
    "ExpandDims": _axis("unsqueeze"),
    "Squeeze": _axis("squeeze"),
}
