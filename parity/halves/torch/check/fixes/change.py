"""Change: one change of a port's module or of a call's settings, made and taken back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from parity.halves.torch.call import Call, first_tensor, names_of, rerun
from torch_impl import layers

# --------------------------------------------------------------------------------------------------
#
# Change: one change of a port's module or of one of its calls, and how it is made and taken back.
#
# A change is plain values, so that it can be written into a trace and made again in another
# process.


Undo = Callable[[], Any]


@dataclass(frozen=True)
class Part:
    """A layer that Keras would have in a place.

    Attributes:
        name: a class of `torch_impl.layers`, "Identity", or in lower case an activation.
        arguments: of its constructor, or of the function next to x.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def built(self) -> Callable[..., Any]:
        """Returns the layer as a module, or as a function."""
        if self.name == "Identity":
            return nn.Identity()
        if self.name in layers.activations.ACTIVATIONS:
            return layers.activations.activation(self.name, **self.arguments)
        module: nn.Module = getattr(layers, self.name)(**self.arguments)
        return module


@dataclass(frozen=True)
class Change:
    """One change of a port.

    Attributes:
        place: path of a module, "conv1", or the name of a call of a function, "relu()#2".
        text: the change as code to paste, a line for each place.
        settings: attribute of the module, or argument of the function, -> its new value.
        pad: what `F.pad` adds to the input before, the last axis first; empty: nothing.
        fill: the number that it adds.
        instead: what stands in the place of the module or function.
        after: what follows it.
        mode: "eval": the module stays in eval mode; "train": it follows the mode of the port.
    """

    place: str
    text: str = field(compare=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    pad: tuple[int, ...] = ()
    fill: float = 0.0
    instead: Part | None = None
    after: Part | None = None
    mode: str = ""

    @property
    def is_of_call(self) -> bool:
        """Whether a function is changed, not a module."""
        return "()" in self.place

    def excludes(self, other: Change) -> bool:
        """Whether the two cannot be made together."""
        if self.place != other.place:
            return False
        if self.instead or other.instead:
            return not (self.after or other.after)
        is_same = (self.settings.keys() & other.settings.keys()) or (self.pad and other.pad)
        return bool(is_same) or bool(self.after and other.after) or bool(self.mode and other.mode)

    def to_json(self) -> dict[str, Any]:
        """Returns the change as plain values."""
        found: dict[str, Any] = {"call" if self.is_of_call else "module": self.place}
        if self.settings:
            found["set"] = {name: _written(value) for name, value in self.settings.items()}
        if self.pad:
            found |= {"pad": list(self.pad), "fill": _written(self.fill)}
        for name, part in (("replace", self.instead), ("after", self.after)):
            if part is not None:
                found[name] = {"class": part.name, "arguments": _written(dict(part.arguments))}
        return found | ({"mode": self.mode} if self.mode else {})


Suggested = Change | tuple[Change, ...]  # one change, or some that only make sense together


def change_from(data: Mapping[str, Any]) -> Change:
    """Returns a change from the plain values of `Change.to_json`."""
    parts = {
        name: Part(data[key]["class"], _read(data[key]["arguments"])) if key in data else None
        for name, key in (("instead", "replace"), ("after", "after"))
    }
    return Change(
        place=data["module"] if "module" in data else data["call"],
        text="",
        settings={name: _read(value) for name, value in data.get("set", {}).items()},
        pad=tuple(data.get("pad", ())),
        fill=_read(data.get("fill", 0.0)),
        mode=data.get("mode", ""),
        **parts,
    )


def _written(value: Any) -> Any:
    """Returns a value as strict JSON has it, in which infinity is a text."""
    if isinstance(value, dict):
        return {name: _written(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return "-inf" if value == float("-inf") else value


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _read(item) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(_read(item) for item in value)
    return float("-inf") if value == "-inf" else value


# --- modules -------------------------------------------------------------------------------------


def change_modules(root: nn.Module, changes: Sequence[Change], *, is_hidden: bool) -> Undo:
    """Makes the changes that are of modules.

    Args:
        root: the whole network.
        changes: those of functions are left out.
        is_hidden: whether what is added is not seen by those who watch the functions of torch.

    Returns:
        A function that takes them back.
    """
    undo: list[Undo] = []
    for change in sorted(changes, key=lambda change: change.instead is None):
        if not change.is_of_call:
            undo += _of_module(root, change, is_hidden)

    def back() -> None:
        for each in reversed(undo):
            each()

    return back


def _of_module(root: nn.Module, change: Change, is_hidden: bool) -> list[Undo]:
    undo: list[Undo] = []
    path = change.place.partition("#")[0]
    module = root.get_submodule(path)
    if change.instead is not None:
        other = change.instead.built()
        new = _taking_over(module, other if isinstance(other, nn.Module) else _Function(other))
        if isinstance(module, nn.RNNBase):
            undo += _compute(module, new)
        else:
            module = new
            undo += _put(root, path, module)
    for name, value in change.settings.items():
        undo.append(partial(setattr, module, name, getattr(module, name)))
        setattr(module, name, value)
    if change.pad:
        hook = module.register_forward_pre_hook(
            lambda _, given: (F.pad(given[0], list(change.pad), value=change.fill), *given[1:])
        )
        undo.append(hook.remove)
    if change.mode:
        hook = module.register_forward_pre_hook(
            lambda child, _: child.train(change.mode == "train" and root.training) and None
        )
        undo += [hook.remove, partial(module.train, module.training)]
    if change.after is not None:
        added = change.after.built()

        def follow(_: nn.Module, __: Any, output: Any) -> Any:
            with torch._C.DisableTorchFunction() if is_hidden else nullcontext():
                return added(output)

        undo.append(module.register_forward_hook(follow).remove)
    return undo


class _Function(nn.Module):
    """An activation in the place of a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        y: torch.Tensor = self.function(x)
        return y


def _compute(module: nn.RNNBase, layer: nn.Module) -> list[Undo]:
    """Lets a layer of `torch_impl.layers` compute what a recurrent module returns.

    The module stays, since those who read its weights and states know its class.
    """

    def forward(x: torch.Tensor, _: Any = None) -> Any:
        outputs, *states = layer(x)
        last = tuple(state[None] for state in states)
        return outputs, last if len(last) > 1 else last[0]

    vars(module)["forward"] = forward
    return [partial(vars(module).pop, "forward")]


def _taking_over(old: nn.Module, new: nn.Module) -> nn.Module:
    """Gives a new module the weights of the old one: the same tensors, so that both have them."""
    example = next(iter(old.parameters()), None)
    if example is not None:
        new.to(device=example.device, dtype=example.dtype)
    for name, tensor in (*old.named_parameters(recurse=False), *old.named_buffers(recurse=False)):
        if name in new._parameters and isinstance(tensor, nn.Parameter):
            new._parameters[name] = tensor
        elif name in new._buffers:
            new._buffers[name] = tensor.detach()  # of the same memory
    new.train(old.training)
    return new


def _put(root: nn.Module, path: str, module: nn.Module) -> list[Undo]:
    """Puts a module in the place of another, wherever the network has that one."""
    old = root.get_submodule(path)
    undo: list[Undo] = []
    for parent in list(root.modules()):
        for name, child in list(parent.named_children()):
            if child is old:
                undo.append(partial(setattr, parent, name, child))
                setattr(parent, name, module)
    return undo


# --- functions -----------------------------------------------------------------------------------


def called(
    changes: Sequence[Change], function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> Any:
    """Returns what a call gives with the changes of it, but for what follows it.

    Args:
        changes: of this call.
        function: that is called.
        arguments: by their places; the first is the tensor that is changed.
        keywords: by their names.
    """
    given, named = list(arguments), dict(keywords)
    names = names_of(str(getattr(function, "__name__", "")))
    for change in changes:
        if change.pad:
            given[0] = F.pad(given[0], list(change.pad), value=change.fill)
        if change.instead is not None:
            return change.instead.built()(given[0] if given else named["input"])
        for name, value in change.settings.items():
            place = names.index(name) if name in names else len(given)
            if place < len(given):
                given[place] = value
            else:
                named[name] = value
    return function(*given, **named)


def changed_output(changes: Sequence[Change], call: Call, output: Any) -> Any:
    """Returns the output of a watched call of a function with the changes of it."""
    if call.given is None:
        return output
    if call.kind == "dropout":  # whose mask is Keras's, if there is one in this mode
        assert call.rate is not None
        if torch.equal(output, call.inputs[0]):
            return output
        for change in changes:
            output = output * ((1 - call.rate) / (1 - change.settings.get("p", call.rate)))
        return output
    function, given, named, weights = call.given
    return rerun(partial(_of_given, changes, function), given, named, weights)(*call.inputs)


def _of_given(changes: Sequence[Change], function: Any, *given: Any, **named: Any) -> Any:
    return called(changes, function, given, named)


def followed(changes: Sequence[Change], output: Any) -> Any:
    """Returns what follows a call, for its output."""
    for change in changes:
        if change.after is not None:
            output = change.after.built()(first_tensor(output))
    return output


# --- Piece: the settings of one call of a port, and changes of them with their texts --------------
#
# The call may be of a module or of a function.


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
