"""Form: how one call of a Keras layer is written in torch, and the table of all forms."""

from __future__ import annotations

import enum
import keyword as python
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from parity.ports.wrapping import scanned
from torch_impl.keras_config.planned import Planned, parameters_of

# --- Form: how one call of a Keras layer is written in torch, and the table of all forms ----------
#
# A row belongs to a class of modules, as `torch_impl.keras_config` plans them. It is torch's own
# part wherever that computes the same, else the part of `torch_impl`, with the reason.


Shape = tuple[int | None, ...]


class Layout(enum.Enum):
    """Where the channels of a tensor are, if it has more than two axes."""

    FIRST = "first"  # (N, C, ...), torch's
    LAST = "last"  # (N, ..., C), Keras's
    ANY = "any"  # the form does not care; inputs have one layout, which the output has too


@dataclass(frozen=True)
class Applied:
    """What a form knows of the call that it writes.

    Attributes:
        inputs: shapes of the tensors that the layer gets, in Keras's layout, batch axis included.
        output: shape of the first tensor that it returns, likewise.
        layout: of the first input, as it is now.
        ends: whether the model returns the output.
        listed: whether the layer takes its inputs as one list.
        nest: source of the first argument, if it is a dict or a nest of lists; "": it is not.
        whole: whether the first input has whole numbers or truth values.
        truth: whether it has truth values.
    """

    inputs: tuple[Shape, ...]
    output: Shape
    layout: Layout
    ends: bool = False
    listed: bool = False
    whole: bool = False
    truth: bool = False
    nest: str = ""

    @property
    def rank(self) -> int:
        """Number of axes of the first input."""
        return len(self.inputs[0])

    def axis(self, axis: int) -> int:
        """Returns an axis of Keras's layout in the layout of the first input."""
        axis %= self.rank
        if self.layout is not Layout.FIRST or axis == 0:
            return axis
        return 1 if axis == self.rank - 1 else axis + 1


@dataclass(frozen=True)
class Form:
    """How a call is written.

    Attributes:
        text: of the expression; "{self}" stands for the module, "{0}", "{1}" for inputs.
        made: what stands in `__init__`; None: nothing.
        takes: layout of the inputs.
        gives: layout of the output; None: as `takes`.
        why: the reason for a module that is not torch's own.
        note: the reason for an expression that a reader may wonder at.
    """

    text: str
    made: Planned | None = None
    takes: Layout = Layout.ANY
    gives: Layout | None = None
    why: str = ""
    note: str = ""

    @property
    def is_atom(self) -> bool:
        """Whether the text needs no brackets inside of another expression."""
        return is_atom(self.text)


@dataclass(frozen=True)
class Parameter:
    """An argument of a block's `__init__`, in the place of a value."""

    name: str


# Writes the call of a planned module.
Row = Callable[[Planned, Applied], Form]


def is_atom(text: str) -> bool:
    """Whether an expression needs no brackets inside of another one."""
    depth = 0
    for letter in scanned(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and letter == " ":
            return False
    return not text.startswith("-")


def literal(value: Any) -> str:
    """Returns a value as Python source, as a person writes it: a literal and nothing else.

    Raises:
        ValueError: it has none, as an object of any other class.
    """
    if isinstance(value, Parameter):
        return value.name
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(value, torch.dtype):  # programs are recorded in float64, and run in any dtype
        return "torch.get_default_dtype()" if value == torch.float64 else str(value)
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, tuple):
        inner = ", ".join(map(literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(key)}: {literal(each)}' for key, each in value.items())}}}"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, slice):
        return f"slice({', '.join(map(literal, (value.start, value.stop, value.step)))})"
    if value is None or value is Ellipsis or isinstance(value, bool | int | float | complex):
        return repr(value)
    raise ValueError(f"a {type(value).__name__} as an argument: expected numbers and texts")


def _escaped(letter: str) -> str:
    """Returns a character of a text as source.

    What ends a text, has a meaning in one or in a template of ours, or does not show, is a number.
    """
    if letter.isprintable() and letter not in '"\\{}':
        return letter
    code = ord(letter)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\U{code:08x}" if code > 65535 else f"\\u{code:04x}"
    )


_LONG = 12  # characters of a number that nobody writes
_DIGITS = 6  # of the number in the place of it


def readable(value: Any) -> str:
    """Returns an argument as Python source: 1 / 255 for 0.00392156862745098.

    Of a long number that is a quotient or a root of a short one, exactly, it is that.
    """
    text = literal(value)
    if not isinstance(value, float) or not math.isfinite(value) or len(text) < _LONG:
        return text
    inverse, square = (float(f"{x:.{_DIGITS}g}") for x in (1 / value, value * value))
    found = text
    if inverse and 1 / inverse == value:
        found = f"{'-' if value < 0 else ''}1 / {short_number(abs(inverse))}"
    elif value > 0 and square**0.5 == value:
        found = f"{short_number(square)}**0.5"
    return min(found, text, key=len)


def short_number(value: float) -> str:
    """Returns a number as source, a whole one without its point."""
    return str(int(value) if value == int(value) else value)


def even(values: Sequence[int]) -> int | tuple[int, ...]:
    """Returns one number in the place of several equal ones."""
    return values[0] if len(set(values)) == 1 else tuple(values)


_SIZES = ("kernel_size", "strides", "pool_size", "dilation_rate", "size")


def without_defaults(planned: Planned) -> Planned:
    """Returns the same module without the settings that its class has by default.

    A seed of 0 is left out: it is drawn. Sizes that are alike become one number.
    """
    defaults = defaults_of(planned)
    settings = {}
    known = order_of(planned)  # those of `**options` come last
    for name in sorted(planned.settings, key=lambda name: known.get(name, len(known))):
        value = planned.settings[name]
        if isinstance(value, list):
            value = tuple(value)
        if name in _SIZES and isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        if name not in defaults or not _same(defaults[name], value):
            settings[name] = value
    if settings.get("seed") in (0, None):
        settings.pop("seed", None)
    inside = [_inner_without_defaults(value) for value in planned.arguments]
    order = list(known)
    while (
        settings and next(iter(settings)) in _PLACED and order[len(inside)] == next(iter(settings))
    ):
        inside.append(settings.pop(next(iter(settings))))
    return Planned(planned.kind, *inside, **settings)


def _inner_without_defaults(value: Any) -> Any:
    if isinstance(value, list):
        return [_inner_without_defaults(each) for each in value]
    return without_defaults(value) if isinstance(value, Planned) else value


# Settings that a person writes without their names.
_PLACED = ("filters", "kernel_size", "units", "rate", "stddev", "pool_size", "output_size")


def defaults_of(planned: Planned) -> dict[str, Any]:
    """Returns the defaults of the arguments of a class, and of those of its bases."""
    return {
        n: p.default for n, p in parameters_of(planned.kind).items() if p.default is not p.empty
    }


def order_of(planned: Planned) -> dict[str, int]:
    """Returns the place of each argument of a class: first its own, then those of its bases."""
    return {name: place for place, name in enumerate(parameters_of(planned.kind))}


def _same(default: Any, value: Any) -> bool:
    return type(default) is type(value) and bool(default == value)


def arguments(*positional: Any, **named: Any) -> str:
    """Returns the arguments of a call; those by name that are None are left out."""
    parts = [literal(value) for value in positional]
    parts += [keyword(name, literal(v)) for name, v in named.items() if v is not None]
    return ", ".join(parts)


def keyword(name: str, text: str) -> str:
    """Returns an argument by name.

    Args:
        name: of it.
        text: source of its value.

    Raises:
        ValueError: no argument can have this name.
    """
    if not name.isidentifier() or python.iskeyword(name):
        raise ValueError(f"an argument {name[:40]!r}: expected a name of Python")
    return f"{name}={text}"


# --- Operation: one call of an operation of keras.ops, and the form of one that torch has not -----


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


OperationRow = Callable[[Operation, Applied], Form]


def other(operation: Operation, call: Applied) -> Form:
    """The form of an operation without a row: Keras's operation, as `torch_impl` has it."""
    texts = [*operation.arguments, *(keyword(k, literal(v)) for k, v in operation.settings.items())]
    text = f"OPERATIONS[{literal(operation.name)}]({', '.join(texts)})"
    return Form(text, None, Layout.LAST, note="keras.ops's own rules")
