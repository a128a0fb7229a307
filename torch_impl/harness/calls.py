"""What a torch module computes, call by call: submodules and functions, with inputs and outputs.

Torch's global hooks watch the modules, and its function mode watches the functions. The module
itself is not changed, and `F.relu(self.conv(x))` is seen as well as `nn.ReLU()`. The caller decides
what a dropout keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from torch_impl.harness.kinds import drops_channels, is_leaf, kind_of, kind_of_function, refined
from torch_impl.harness.port.call_places import where

# (number of the dropout call, its input, its rate) -> what the dropout returns instead.
Dropped = Callable[[int, torch.Tensor, float], torch.Tensor]
# (the call, its output) -> what goes on from there in the place of the output.
Passed = Callable[["Call", Any], Any]


@dataclass
class Call:
    """One call of a watched module, or of a function outside any watched module.

    Attributes:
        name: path of the module, with "#2" from its second call on; or the name and number of the
            function, such as "relu()" and "relu()#2".
        kind: a word of `torch_impl/harness/kinds.py`.
        run: computes the output from other inputs.
        inputs: copies of the input tensors; a later change in place does not reach them.
        output: copy of the output tensor, or of the first of several.
        final: the last states of a recurrent torch module, concatenated: what Keras returns unless
            it returns sequences. None for other modules.
        sources: what made each input: the number of a call, -1 for an input of the model, None
            if that was not watched.
        origins: the same, but traced back through functions that are not watched, such as
            `squeeze`.
        module: None for a function.
        where: line of the user's code that made the call, "model.py:23"; "" if there is none.
        given: of a function, what was called: the function, its arguments, its keywords.
        rate: of a dropout, the fraction to drop.
        is_active: whether a dropout dropped anything.
        drops_channels: whether a dropout drops whole channels instead of single values.
    """

    name: str
    kind: str
    run: Callable[..., Any]
    inputs: list[torch.Tensor]
    output: torch.Tensor
    final: torch.Tensor | None = None
    sources: list[int | None] = field(default_factory=list)
    origins: list[int | None] = field(default_factory=list)
    module: nn.Module | None = None
    where: str = ""
    given: tuple[Any, Any, Any] | None = None
    rate: float | None = None
    is_active: bool = False
    drops_channels: bool = False


@contextmanager
def recorded_calls(
    root: nn.Module, dropped: Dropped, passed: Passed | None = None
) -> Iterator[list[Call]]:
    """Watches a module inside the block, and yields a list to which each call is added.

    Args:
        root: the module that will be called.
        dropped: computes what an active dropout returns.
        passed: computes what goes on from a call in the place of its output; the calls keep their
            own outputs.
    """
    watch = _Watch(root, dropped, passed)
    before = hooks.register_module_forward_pre_hook(watch.enter)
    after = hooks.register_module_forward_hook(watch.leave, always_call=True)
    try:
        with watch:
            yield watch.calls
    finally:
        before.remove()
        after.remove()


@dataclass
class _Given:
    inputs: list[torch.Tensor]
    sources: list[int | None]
    origins: list[int | None]
    whole: torch.Tensor | None  # input of a dropout, which may work in place; part of the graph


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    with torch._C.DisableTorchFunction():
        return tensor.detach().clone()


class _Watch(TorchFunctionMode):
    def __init__(self, root: nn.Module, dropped: Dropped, passed: Passed | None) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._root, self._dropped, self._passed = root, dropped, passed
        self._names = {id(module): name for name, module in root.named_modules()}
        # The watched module that is being called, and its arguments.
        self._inside: list[tuple[nn.Module, _Given]] = []
        self._made: dict[int, int] = {}  # id of a tensor -> number of the call that made it
        self._origin: dict[int, int] = {}  # the same, for what that tensor was made from
        self._alive: list[torch.Tensor] = []  # so that no id is used twice
        self._counts: dict[str, int] = {}
        self._num_dropouts = 0

    def enter(self, module: nn.Module, arguments: Any) -> None:
        if module is self._root:
            for tensor in tensors(arguments):
                self._remember(tensor, -1)
        elif not self._inside and is_leaf(module):
            self._inside.append((module, self._given(arguments, kind_of(module))))

    def leave(self, module: nn.Module, arguments: Any, output: Any) -> Any:
        if not self._inside or self._inside[-1][0] is not module:
            return None
        _, given = self._inside.pop()
        if output is None:  # the module raised an error
            return None
        kind = kind_of(module)
        call = Call(
            name=self._numbered(self._names.get(id(module), type(module).__name__)),
            kind=kind,
            run=rerun(module, arguments, {}),
            inputs=given.inputs,
            output=first_tensor(output),
            final=final_states(module, output),
            sources=given.sources,
            origins=given.origins,
            module=module,
            where=where(),
        )
        if kind == "dropout":
            call.rate = float(getattr(module, "p", getattr(module, "rate", 0.0)))
            call.is_active = module.training
            call.drops_channels = drops_channels(module)
            output = self._replaced(call, given.whole)
        return self._add(call, output)

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        keywords = keywords or {}
        if self._inside:
            return function(*arguments, **keywords)
        kind = kind_of_function(function)
        if kind == "dropout":
            return self._function_dropout(function, arguments, keywords)
        given = self._given((arguments, keywords), kind) if kind else None
        output = function(*arguments, **keywords)
        if not isinstance(output, torch.Tensor) or not output.ndim:
            return output
        if kind is not None and given is not None:
            kind = refined(kind, given.inputs, output)
        if kind is None or given is None:
            self._pass_on((arguments, keywords), output)
            return output
        name = self._numbered(f"{function.__name__}()")
        run = rerun(function, arguments, keywords)
        call = Call(name, kind, run, given.inputs, output, sources=given.sources)
        call.origins, call.where = given.origins, where()
        call.given = function, arguments, keywords
        return self._add(call, output)

    def _pass_on(self, arguments: Any, output: torch.Tensor) -> None:
        """Gives the output of an unwatched function the source of its input."""
        found = [
            origin for x in tensors(arguments) if (origin := self._origin.get(id(x))) is not None
        ]
        if found and id(output) not in self._origin:
            self._origin[id(output)] = found[0]
            self._alive.append(output)

    def _function_dropout(self, function: Any, arguments: Any, keywords: Any) -> torch.Tensor:
        named = dict(zip(("input", "p", "training"), arguments, strict=False)) | keywords
        x = named["input"]
        given = self._given(x, "dropout")
        call = Call(
            name=self._numbered(f"{function.__name__}()"),
            kind="dropout",
            run=lambda value: value,
            inputs=given.inputs,
            output=x,
            sources=given.sources,
            origins=given.origins,
            where=where(),
            given=(function, arguments, keywords),
            rate=float(named.get("p", 0.5)),
            is_active=bool(named.get("training", True)),
            drops_channels=drops_channels(function),
        )
        result: torch.Tensor = self._add(call, self._replaced(call, given.whole))
        return result

    def _given(self, arguments: Any, kind: str) -> _Given:
        found = tensors(arguments)
        with torch._C.DisableTorchFunction():
            whole = found[0].clone() if kind == "dropout" else None
        made, origins = ([known.get(id(x)) for x in found] for known in (self._made, self._origin))
        return _Given([_copy(x) for x in found], made, origins, whole)

    def _add(self, call: Call, output: Any) -> Any:
        """Adds a call; returns what goes on in the place of its output."""
        call.output = _copy(call.output)
        if self._passed is not None:
            with torch._C.DisableTorchFunction():
                output = self._passed(call, output)
        first = first_tensor(output)
        self._remember(first, len(self.calls))
        if call.kind == "permute" and call.origins and call.origins[0] is not None:
            self._origin[id(first)] = call.origins[0]  # it computes nothing itself
        self.calls.append(call)
        return output

    def _remember(self, tensor: torch.Tensor, number: int) -> None:
        self._made[id(tensor)] = self._origin[id(tensor)] = number
        self._alive.append(tensor)

    def _replaced(self, call: Call, x: torch.Tensor | None) -> torch.Tensor:
        """Returns what a dropout returns instead of its own output."""
        number, self._num_dropouts = self._num_dropouts, self._num_dropouts + 1
        assert x is not None
        assert call.rate is not None
        call.output = self._dropped(number, x, call.rate) if call.is_active else x
        return call.output

    def _numbered(self, name: str) -> str:
        self._counts[name] = self._counts.get(name, 0) + 1
        return name if self._counts[name] == 1 else f"{name}#{self._counts[name]}"


def tensors(value: Any) -> list[torch.Tensor]:
    """Returns all tensors in nested arguments, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors(item)]
    return []


def first_tensor(output: Any) -> torch.Tensor:
    """Returns an output, or the first of several."""
    return tensors(output)[0]


def final_states(module: nn.Module | None, output: Any) -> torch.Tensor | None:
    """Returns the last states (N, directions * units) of what a torch.nn.RNNBase returned."""
    if not isinstance(module, nn.RNNBase) or not isinstance(output, tuple):
        return None
    states = output[1][0] if isinstance(output[1], tuple) else output[1]
    directions = 2 if module.bidirectional else 1
    return torch.cat(list(states[-directions:]), dim=-1).detach().clone()


def output_of(
    output: torch.Tensor, final: torch.Tensor | None, shape: Sequence[int]
) -> torch.Tensor:
    """Returns the output, or the last states if only they have Keras's shape."""
    is_final = final is not None and list(final.shape) == list(shape) != list(output.shape)
    return final if is_final and final is not None else output


def rerun(function: Any, arguments: Any, keywords: Any) -> Callable[..., Any]:
    """Returns a function that repeats the call with other tensors, in the order of the old ones."""

    def run(*others: torch.Tensor) -> Any:
        left = list(others)

        def replaced(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return left.pop(0) if left else value
            if isinstance(value, list | tuple):
                return type(value)(replaced(item) for item in value)
            return value

        return function(
            *(replaced(value) for value in arguments),
            **{name: replaced(value) for name, value in keywords.items()},
        )

    return run
