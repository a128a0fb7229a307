"""Piece: the settings of one call of a port, and changes of them with their texts.

The call may be of a module or of a function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from parity.halves.torch.arguments import names_of
from parity.halves.torch.call import Call
from parity.halves.torch.check.fixes.change import Change, Part
from torch_impl import layers

# Attribute of a layer of `torch_impl` -> the argument of its constructor.
_WORDS = {"keras_padding": "padding", "stride": "strides", "dilation": "dilation_rate"}
# Activations that torch's own function computes in the same way.
_TORCH = {
    "relu": ("F.relu(x)", "nn.ReLU()"),
    "relu6": ("F.relu6(x)", "nn.ReLU6()"),
    "tanh": ("torch.tanh(x)", "nn.Tanh()"),
    "silu": ("F.silu(x)", "nn.SiLU()"),
    "swish": ("F.silu(x)", "nn.SiLU()"),
    "softsign": ("F.softsign(x)", "nn.Softsign()"),
    "linear": ("x", "nn.Identity()"),
}
_BY_PLACE = frozenset(
    (*("num_features", "in_channels", "filters", "kernel_size"), "pool_size", "input_size", "units")
)


class Piece:
    """A call of a port.

    Args:
        call: from the pass in which the pairs were found.
    """

    def __init__(self, call: Call) -> None:
        self.call, self.module = call, call.module
        self.is_keras = type(self.module).__module__.startswith("torch_impl.")
        self._arguments = _arguments(call)

    def has(self, name: str) -> bool:
        """Whether the call has a setting of this name, as far as is known."""
        return self.module is None or name in vars(self.module)

    def get(self, name: str, default: Any = None) -> Any:
        """Returns a setting."""
        if self.module is None:
            return self._arguments.get(name, default)
        return getattr(self.module, name, default)

    def change(
        self, settings: Mapping[str, Any], *, pad: Sequence[int] = (), fill: float = 0.0
    ) -> list[Change]:
        """Returns the change that gives the call these settings; nothing if it has them.

        Args:
            settings: by their names in torch.
            pad: what `F.pad` adds to the input before.
            fill: the number that it adds.
        """
        settings = {
            name: value
            for name, value in settings.items()
            if self.has(name) and not is_same(self.get(name), value)
        }
        if not any(pad):
            return [Change(self.call.name, self._text(settings), settings)] if settings else []
        value = f", value={_code(fill)}" if fill else ""
        text = f"x = F.pad(x, {tuple(pad)}{value})  # before {self._name}"
        rest = f"\n{self._text(settings)}" if settings else ""
        return [Change(self.call.name, text + rest, settings, tuple(pad), fill)]

    def replaced(self, part: Part) -> list[Change]:
        """Returns the change that puts another layer in the place of this one."""
        text = f"{_of(part)}  # in the place of {self._name}"
        if self.module is not None:
            text = f"{_as_module(part)}  # {self._name}"
        return [Change(self.call.name, text, instead=part)]

    def removed(self) -> list[Change]:
        """Returns the change that takes the call away."""
        text = f"# remove {self._name}"
        return [Change(self.call.name, text, instead=Part("Identity"))]

    def followed(self, part: Part) -> list[Change]:
        """Returns the change that puts a layer after this one."""
        text = f"x = {_of(part)}  # after {self._name}"
        return [Change(self.call.name, text, after=part)]

    def _text(self, settings: dict[str, Any]) -> str:
        words = {name: _WORDS.get(name, name) if self.is_keras else name for name in settings}
        codes = {name: repr if name == "pad" else _code for name in settings}
        new = ", ".join(f"{words[n]}={codes[n](value)}" for n, value in settings.items())
        old = [codes[name](self.get(name)) for name in settings]
        if len(old) > 1:
            old = [f"{words[name]}={value}" for name, value in zip(settings, old, strict=True)]
        if self.module is None:
            name = self.call.name.partition("()")[0]
            return f"F.{name}(x, ..., {new})  # now {', '.join(old)}"
        code = f"{_class(self.module)}(..., {new})"
        return f"{code}  # {self._name}, now {', '.join(old)}"

    @property
    def _name(self) -> str:
        """The call in words: a path such as 0.1 alone would look like a number."""
        return self.call.name if self.module is None else f"module `{self.call.name}`"


def _of(part: Part) -> str:
    """Returns a layer as code that is applied to x."""
    if part.name not in layers.activations.ACTIVATIONS:
        return f"{_as_module(part)}(x)"
    if part.name in _TORCH and not part.arguments:
        return _TORCH[part.name][0]
    return f"torch_impl.layers.activations.{part.name}(x{_listed(part, ', ')})"


def _as_module(part: Part) -> str:
    """Returns a layer as code that makes it."""
    if part.name == "Identity":
        return "nn.Identity()"
    if part.name not in layers.activations.ACTIVATIONS:
        return f"torch_impl.layers.{part.name}({_listed(part)})"
    if part.name in _TORCH and not part.arguments:
        return _TORCH[part.name][1]
    return f"torch_impl.layers.Activation({part.name!r}{_listed(part, ', ')})"


def _listed(part: Part, first: str = "") -> str:
    """Returns the arguments of a layer as code."""
    named = [
        _code(value) if name in _BY_PLACE else f"{name}={_code(value)}"
        for name, value in part.arguments.items()
    ]
    return first + ", ".join(named) if named else ""


def _class(module: nn.Module) -> str:
    kind = type(module)
    if kind.__module__.startswith("torch.nn."):
        return f"nn.{kind.__name__}"
    if kind.__module__.startswith("torch_impl."):
        return f"torch_impl.layers.{kind.__name__}"
    return kind.__name__


def _code(value: Any) -> str:
    if isinstance(value, list | tuple) and value and all(item == value[0] for item in value):
        return _code(value[0]) if not isinstance(value[0], list | tuple) else repr(tuple(value))
    if value == -math.inf:
        return "-math.inf"
    return repr(tuple(value)) if isinstance(value, list) else repr(value)


def is_same(a: Any, b: Any) -> bool:
    """Whether two settings are equal; a number equals a tuple of this number."""
    return bool(_plain(a) == _plain(b))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        values = [_plain(item) for item in value]
        return values[0] if values and all(item == values[0] for item in values) else values
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else value


def _arguments(call: Call) -> dict[str, Any]:
    """Returns the arguments of a function's call by their names, as far as these are known."""
    if call.given is None:
        return {}
    function, positional, keywords, _ = call.given
    names = names_of(str(getattr(function, "__name__", "")))
    return dict(zip(names, positional, strict=False)) | dict(keywords)
