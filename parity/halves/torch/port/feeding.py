"""How the inputs of a batch become arguments of a port's module, `feed` and loss."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from parity.data.samples import packed
from parity.halves.torch.kinds import SPATIAL
from parity.halves.torch.port.portable import (
    Axes,
    as_returned,
    channels_first,
    from_returned,
    in_order,
)
from parity.traces.trace import KerasTrace, keyed
from torch_impl.port import Port
from torch_impl.trainer.batches import mapped

# --------------------------------------------------------------------------------------------------
#
# The module of a port as it is watched: without wrappers, not compiled, with all its parameters.
#
# A wrapper of torch (`torch.compile`, DataParallel) computes what the module in it computes, under
# other names, and where it cannot be watched.


# Class of torch -> the attribute with the module that is wrapped.
_WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
}


def unwrapped(module: nn.Module) -> nn.Module:
    """Returns the module in a wrapper; wrapped and compiled modules inside of it are replaced.

    Args:
        module: is changed, but for its parameters, which an optimizer may hold.
    """
    if "torch._dynamo" in sys.modules:  # also functions that the port has compiled
        torch.compiler.set_stance("force_eager")
    module = _inner(module)
    for parent in list(module.modules()):
        parent._compiled_call_impl = None
        for name, child in list(parent._modules.items()):
            if child is not None and (inner := _inner(child)) is not child:
                parent._modules[name] = inner
                for other in inner.modules():
                    other._compiled_call_impl = None
    return module


def _inner(module: nn.Module) -> nn.Module:
    while (attribute := _WRAPPERS.get(type(module).__name__)) is not None:
        inner = getattr(module, attribute, None)
        if not type(module).__module__.startswith("torch.") or not isinstance(inner, nn.Module):
            break
        module = inner
    return module


def has_lazy(module: nn.Module) -> bool:
    """Whether a module has parameters or buffers whose shapes the first batch decides."""
    return any(map(is_lazy, [*module.parameters(), *module.buffers()]))


def build_lazy(module: nn.Module, arguments: Callable[[], tuple[Any, ...]]) -> None:
    """Runs a module once in eval mode, which makes its lazy parameters; others are not changed.

    Args:
        module: without effect if it has no lazy parameters.
        arguments: returns the arguments of the module.
    """
    if has_lazy(module):
        was_training = module.training
        module.eval()
        with torch.no_grad():
            module(*arguments())
        module.train(was_training)


# --- How the inputs of a batch become the arguments of a port's module, or of its `feed` ----------
#
# A list of inputs in Keras's order goes in. The arguments come out: one after the other, by their
# names, or all in the structure in which Keras's model takes them.


# Makes the arguments of a module from the inputs.
Form = Callable[[Sequence[Any]], tuple[Any, ...]]


class Feeding:
    """The inputs of Keras's model, as a port gets them.

    Args:
        facts: of Keras's trace: `inputs` and `input_structure`; without them, inputs have no names.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        inputs = facts.get("inputs") or []
        self.names = [str(each["name"]) for each in inputs]
        in_a_row = list(range(len(inputs))) if len(inputs) > 1 else 0
        self._structure: Any = facts.get("input_structure", in_a_row)

    def call(self, feed: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """Returns what a port's `feed` makes of a batch.

        It gets the arrays by keyword if it has an argument of the name of each input; all in one if
        there are several and it has one argument; else one after the other.
        """
        names, takes_any = positional(feed)
        if len(arrays) > 1 and len(arrays) == len(self.names):
            if set(self.names) <= {*names, *_keywords(feed)}:
                return feed(**dict(zip(self.names, arrays, strict=True)))
            if len(names) == 1 and not takes_any:
                return feed(packed(self._structure, arrays))
        return feed(*arrays)

    def forms(self, forward: Callable[..., Any]) -> list[Form]:
        """Returns the ways in which a module may take its inputs, the likeliest first.

        Args:
            forward: of the module.
        """
        structure = self._structure
        names, takes_any = positional(forward)
        parts = list(structure.values()) if isinstance(structure, Mapping) else structure
        flat: list[Form] = [tuple]
        in_a_row = list(flat)
        if isinstance(parts, list) and any(not isinstance(part, int) for part in parts):
            in_a_row.insert(0, lambda x: tuple(packed(part, x) for part in parts))
        whole: list[Form] = [] if structure == 0 else [lambda x: (packed(structure, x),)]
        by_name = self._by_name(names)
        if takes_any:
            return [*whole, *flat] if isinstance(structure, Mapping) else [*in_a_row, *whole]
        if len(names) < len(self.names) and not by_name:
            return [*whole, *in_a_row]
        if isinstance(structure, Mapping):
            return [*by_name, *in_a_row, *whole]
        return [*in_a_row, *by_name, *whole]

    def _by_name(self, names: Sequence[str]) -> list[Form]:
        """Returns the form that gives each input to the argument of its name, if all have one."""
        by_name = self._structure
        if by_name == 0:
            return []
        if not isinstance(by_name, Mapping):
            by_name = {name: number for number, name in enumerate(self.names)}
        first = names[: len(by_name)]
        if set(first) != set(by_name):
            return []
        return [lambda x: tuple(packed(by_name[name], x) for name in first)]


def positional(function: Callable[..., Any]) -> tuple[list[str], bool]:
    """Returns the names of positional arguments, and whether there may be more of them."""
    kinds = _parameters(function)
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [name for name, kind in kinds.items() if kind in plain]
    return names, inspect.Parameter.VAR_POSITIONAL in kinds.values()


def _keywords(function: Callable[..., Any]) -> list[str]:
    kinds = _parameters(function)
    return [name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY]


def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return {p.name: p.kind for p in inspect.signature(function).parameters.values()}
    except (TypeError, ValueError):  # a function in C may not tell them
        return {"arguments": inspect.Parameter.VAR_POSITIONAL}


def has_channels_first(array: np.ndarray, nodes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether torch's layers take an input with channels first: an image, or a signal.

    Args:
        array: the input in Keras's layout.
        nodes: of Keras.
    """
    if array.ndim != 3:
        return array.ndim > 3
    shape = list(array.shape[1:])  # without the batch size, which differs in the last batches
    for node in nodes:
        if shape in [given[1:] for given in node["input_shapes"]]:
            return node["kind"] in SPATIAL
    return False


def on_device(value: Any, device: str) -> Any:
    """Returns a nest with its tensors on a device; arrays become tensors."""
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.array(value))
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, list | tuple):
        return type(value)(on_device(item, device) for item in value)
    if isinstance(value, dict):
        return {name: on_device(item, device) for name, item in value.items()}
    return value


def fitting(
    tensors: Sequence[torch.Tensor], arrays: Sequence[np.ndarray]
) -> list[tuple[torch.Tensor, np.ndarray]]:
    """Returns each tensor with the input it is made of, in whatever order the port takes them."""
    left, found = list(arrays), []
    for tensor in tensors:
        number = next((n for n, x in enumerate(left) if x.size == tensor.numel()), None)
        if number is not None:
            found.append((tensor, left.pop(number)))
    return found


# --- PortFeed: batches of Keras's trace as the arguments of a port's module, and of its loss ------


Change = Callable[[np.ndarray], np.ndarray]


class PortFeed:
    """What a port under test is fed.

    Attributes:
        module: the network.
        built: the port.
        keras: what Keras computed.
        device: on which the port computes.
        dtype: in which it computes.
        target_axes: whether targets of one number a sample are fed as (N,), 1, or as (N, 1), 2, by
            the name of the output; of the only one by "".
        turned_targets: shape of a sample of the targets that are fed in the layout of the port's
            output, by the name of the output; of the only one by "".
        returned: order of the axes in which the only output is Keras's; None: its shape tells it.
        input_change: what is made of floating inputs first, and of the whole numbers of the only
            input; None: they are fed as they are.
    """

    module: nn.Module
    built: Port
    keras: KerasTrace
    device: str
    dtype: str
    target_axes: Mapping[str, int]
    turned_targets: Mapping[str, Sequence[int]]
    returned: Axes | None
    input_change: Change | None = None

    def feed_as(self, feeding: Feeding) -> None:
        """Feeds the module as its arguments say first; other ways are tried later."""
        self.target_axes, self.turned_targets = {}, {}
        self._is_turned = True  # whether images are fed with channels first
        self._is_stored_anew = False  # whether what `feed` returns is put into row-major order
        self._feeding = feeding
        self._forms = feeding.forms(self.module.forward)
        self._form = self._forms[0]

    @contextmanager
    def computing(self, dtype: str) -> Iterator[None]:
        """Feeds the module in another dtype in the block; its tensors are of it already."""
        before, self.dtype = self.dtype, dtype
        try:
            yield
        finally:
            self.dtype = before

    @property
    def fed(self) -> str:
        """How images and sequences are fed to the network, in words for the user."""
        if self.built.feed is not None:
            return "fed by the port's own `feed`"
        is_first = any(map(self.turns, self.batch("probe")))
        return "fed with channels first" if is_first else "fed as Keras is"

    @property
    def channels_last(self) -> bool:
        """Whether the network takes images in Keras's layout."""
        return bool(getattr(self.module, "channels_last", False))

    def arguments(self, purpose: str) -> tuple[Any, ...]:
        """Returns the arguments of the module for a recorded batch."""
        return self.arguments_of(self.batch(purpose))

    def arguments_of(self, arrays: Sequence[np.ndarray]) -> tuple[Any, ...]:
        """Returns the arguments of the module for the inputs of a batch, in Keras's layout."""
        arrays = [self.cast(self._changed(array, len(arrays) == 1)) for array in arrays]
        moved: tuple[Any, ...]
        if self.built.feed is None:
            moved = on_device(self._form([self._fed(array) for array in arrays]), self.device)
        else:
            fed = self._feeding.call(self.built.feed, arrays)
            moved = on_device(fed if isinstance(fed, tuple) else (fed,), self.device)
            if self._is_stored_anew:
                moved = tuple(in_order(x) if isinstance(x, torch.Tensor) else x for x in moved)
        return moved

    def _changed(self, array: np.ndarray, is_only: bool) -> np.ndarray:
        if self.input_change is None or not (array.dtype.kind == "f" or is_only):
            return array
        return self.input_change(array.astype(self.dtype))

    def batch(self, purpose: str) -> list[np.ndarray]:
        """Returns the inputs of a recorded batch in Keras's layout."""
        arrays: list[np.ndarray] = []
        while (key := f"input/{purpose}/{len(arrays)}") in self.keras:
            arrays.append(self.keras[key])
        return arrays

    def _fed(self, array: np.ndarray) -> torch.Tensor:
        tensor = self.tensor(array)
        return channels_first(tensor) if self.turns(array) else tensor

    def turns(self, array: np.ndarray) -> bool:
        """Whether an input is fed with channels first: an image, or a signal for such a layer."""
        may_turn = not self.channels_last and self._is_turned
        return may_turn and has_channels_first(array, self.keras.facts["nodes"])

    def target_of(self, arrays: Any) -> Any:
        """Returns targets as the loss takes them: of the only output, or of several by name."""
        if isinstance(arrays, Mapping):
            arrays = {name: self._as_fed(name, array) for name, array in arrays.items()}
        elif isinstance(arrays, np.ndarray):
            arrays = self._as_fed("", arrays)
        if self.built.target is not None:
            return on_device(self.built.target(mapped(self.cast, arrays)), self.device)
        return mapped(lambda array: on_device(self.tensor(array), self.device), arrays)

    def _as_fed(self, name: str, array: np.ndarray) -> np.ndarray:
        """Returns the targets of an output with the axes, and in the layout, of what is fed.

        Whole numbers are int64, as losses of torch need them.
        """
        array = array.astype(np.int64) if array.dtype.kind in "iu" else array
        if array.ndim == 1 and self.target_axes.get(name) == 2:
            return array[:, None]
        if array.shape[1:] == (1,) and self.target_axes.get(name) == 1:
            return array[:, 0]
        if name not in self.turned_targets:
            return array
        shape = (len(array), *self.turned_targets[name])
        return as_returned(array, shape, None if name else self.returned)

    def targets_as_keras(self, targets: Any) -> Any:
        """Returns what `target_of` has made of targets in Keras's layout again."""
        if isinstance(targets, Mapping):
            return {name: self._as_keras(name, tensor) for name, tensor in targets.items()}
        return self._as_keras("", targets)

    def _as_keras(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        if name not in self.turned_targets:
            return tensor
        shape = self.keras[keyed("target/probe", name)].shape
        return from_returned(tensor, shape, None if name else self.returned)

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """Returns an array of Keras as a tensor; real numbers in the dtype of the check."""
        return torch.from_numpy(np.array(self.cast(array)))

    def cast(self, array: np.ndarray) -> np.ndarray:
        """Returns an array with its real numbers in the dtype of the check."""
        return array.astype(self.dtype) if array.dtype.kind == "f" else array
