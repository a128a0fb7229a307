"""Operations of keras.ops in a functional model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch_impl.source.form import Applied, Form, Layout, arguments, literal
from torch_impl.source.forms import activation


@dataclass(frozen=True)
class Operation:
    """One call of an operation.

    Attributes:
        name: Keras's name of its class.
        arguments: in their order, as source; a tensor is "{0}", "{1}".
        values: the same as values; a tensor is None.
        settings: by name, of the operation and of the call.
    """

    name: str
    arguments: Sequence[str]
    values: Sequence[Any]
    settings: Mapping[str, Any]

    def setting(self, name: str, place: int, default: Any = None) -> Any:
        """Returns a setting that may also stand at a place among the arguments."""
        if name in self.settings:
            return self.settings[name]
        return self.values[place] if place < len(self.values) else default


Row = Callable[[Operation, Applied], Form]


def _infix(sign: str) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        ranks = {len(shape) for shape in call.inputs}
        text = f" {sign} ".join(operation.arguments[:2])
        return Form(text, None, Layout.ANY if len(ranks) == 1 else Layout.LAST)

    return row


def _comparison(sign: str) -> Row:
    """Returns the row of a comparison; Keras rounds a number that is not whole to float32."""

    def row(operation: Operation, call: Applied) -> Form:
        is_whole = not any(isinstance(value, float) for value in operation.values)
        return _infix(sign)(operation, call) if is_whole else other(operation, call)

    return row


def _method(name: str) -> Row:
    return lambda operation, call: Form(f"{{0}}.{name}()")


def _activation(name: str, *settings: str) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        given = {key: operation.settings[key] for key in settings if key in operation.settings}
        return activation.named(name, call, **given)

    return row


def _reduction(method: str, *, every: bool = False) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        axis = operation.setting("axis", 1)
        keepdim = True if operation.setting("keepdims", 2, False) else None
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
        if isinstance(axis, list | tuple):
            if len(axis) != 1:
                raise ValueError(f"axis={axis}: expected one")
            axis = axis[0]
        return Form(f"{{0}}.{method}({axis})", None, Layout.LAST)

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


def other(operation: Operation, call: Applied) -> Form:
    """The form of an operation without a row: Keras's operation, as `torch_impl` has it."""
    told = [*operation.arguments, *(f"{k}={literal(v)}" for k, v in operation.settings.items())]
    text = f'OPERATIONS["{operation.name}"]({", ".join(told)})'
    return Form(text, None, Layout.LAST, note="keras.ops's own rules")


ROWS: dict[str, Row] = {
    **{name: _infix("+") for name in ("Add",)},
    **{name: _infix("-") for name in ("Subtract",)},
    **{name: _infix("*") for name in ("Multiply",)},
    **{name: _infix("/") for name in ("Divide", "TrueDivide")},
    "Power": _infix("**"),
    "Equal": _comparison("=="),
    "NotEqual": _comparison("!="),
    "Greater": _comparison(">"),
    "GreaterEqual": _comparison(">="),
    "Less": _comparison("<"),
    "LessEqual": _comparison("<="),
    "Matmul": _matmul,
    "Einsum": _einsum,
    "Negative": lambda operation, call: Form("-{0}"),
    "Square": _method("square"),
    "Sqrt": _method("sqrt"),
    "Rsqrt": _method("rsqrt"),
    "Exp": _method("exp"),
    "Log": _method("log"),
    "Sin": _method("sin"),
    "Cos": _method("cos"),
    "StopGradient": _method("detach"),
    "Relu": _activation("relu"),
    "Relu6": _activation("relu6"),
    "Silu": _activation("silu"),
    "Sigmoid": _activation("sigmoid"),
    "Tanh": _activation("tanh"),
    "Softmax": _activation("softmax", "axis"),
    "Softplus": _activation("softplus"),
    "Mean": _reduction("mean"),
    "Sum": _reduction("sum"),
    "Max": _reduction("amax"),
    "Min": _reduction("amin"),
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
