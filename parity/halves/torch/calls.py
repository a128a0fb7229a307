"""What a torch module computes, call by call: submodules and functions, with inputs and outputs.

Torch's global hooks watch the modules, and its function mode watches the functions. The module
itself is not changed, and `F.relu(self.conv(x))` is seen as well as `nn.ReLU()`. The caller decides
what a dropout keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from parity.halves.torch.call import (
    Call,
    Calls,
    Given,
    Taken,
    Weights,
    arguments_of,
    copied,
    data_alone,
    final_states,
    first_tensor,
    flat_tensors,
    is_turned,
    packed_in,
    padded,
    rerun,
    with_given,
)
from parity.halves.torch.factories import call_text, where
from parity.halves.torch.kinds import (
    REPLAYED,
    drawing_of,
    draws,
    is_leaf,
    kind_of,
    kind_of_function,
    rate_of,
    refined,
)
from parity.halves.torch.port.inner_calls import (
    Fused,
    Part,
    fuse_gate,
    is_of_cells,
    is_stacked,
    parts_of,
    run_cells,
    run_fused,
    run_stacked,
)

# (number of the dropout call, its input, its rate) -> what the dropout returns instead.
Dropped = Callable[[int, torch.Tensor, float], torch.Tensor]
# (a tensor that is drawn, its kind) -> what is taken in its place before it is scaled, or None.
Drawn = Callable[[torch.Tensor, str], torch.Tensor | None]
# (the call, its output) -> what goes on from there in the place of the output.
Passed = Callable[["Call", Any], Any]


@contextmanager
def recorded_calls(
    root: nn.Module,
    dropped: Dropped,
    whole: Collection[str] = (),
    passed: Passed | None = None,
    drawn: Drawn | None = None,
    fused: Fused | None = None,
    given: Given | None = None,
    is_kept: bool = True,
) -> Iterator[Calls]:
    """Watches a module inside the block, and yields a list to which each call is added.

    Args:
        root: the module that will be called.
        dropped: computes what an active dropout returns.
        whole: names of modules that are compared as a whole, whatever their kind.
        passed: computes what goes on from a call in the place of its output; the calls keep their
            own outputs.
        drawn: computes what is taken in the place of what a function draws: see `kinds.py`.
        fused: weights of linear layers that are run part by part, and the rows of the parts.
        given: returns what a call is given in the place of its own tensors.
        is_kept: whether calls have copies of their tensors, which later calls may change in place.
    """
    watch = _Watch(root, dropped, whole, passed)
    watch.drawn, watch.given, watch.is_kept = drawn, given, is_kept
    watch.set_fused(root, fused or {})
    apply = torch.autograd.Function.__dict__["apply"]

    def applied(kind: Any, *arguments: Any, **keywords: Any) -> Any:
        output = apply.__func__(kind, *arguments, **keywords)
        return watch.follow(arguments, output)

    # A function with a gradient of its own is not seen by torch's function mode.
    torch.autograd.Function.apply = classmethod(applied)  # type: ignore[method-assign, assignment]
    before = hooks.register_module_forward_pre_hook(watch.enter)
    after = hooks.register_module_forward_hook(watch.leave, always_call=True)
    try:
        with watch:
            yield watch.calls
    finally:
        torch.autograd.Function.apply = apply  # type: ignore[method-assign]
        before.remove()
        after.remove()


_NO_MODULE = nn.Module()


class _Watch(TorchFunctionMode):
    def __init__(
        self, root: nn.Module, dropped: Dropped, whole: Collection[str], passed: Passed | None
    ) -> None:
        super().__init__()
        self.calls = Calls()
        self._root, self._dropped, self._passed = root, dropped, passed
        self._weights = Weights(root)
        named = dict(root.named_modules())
        self._names = {id(module): name for name, module in named.items() if name}
        self._whole = {id(module) for name, module in named.items() if name in whole}
        # The watched module that is being called, and its arguments.
        self._inside: list[tuple[nn.Module, Taken]] = []
        self._made: dict[int, int] = {}  # id of a tensor -> number of the call that made it
        self._origin: dict[int, int] = {}  # the same, for what that tensor was made from
        self._nearest: dict[int, int] = {}  # the same, but permutations count as well
        self._alive: list[torch.Tensor] = []  # so that no id is used twice
        self._copies: dict[int, torch.Tensor] = {}  # id of an output -> the copy that its call has
        self._counts: dict[str, int] = {}
        self._num_dropouts = 0
        self.drawn: Drawn | None = None
        self.is_kept = True
        self.given: Given | None = None
        self._fused: dict[int, Sequence[list[int]]] = {}  # id of a weight -> rows of its parts

    def set_fused(self, root: nn.Module, fused: Fused) -> None:
        named = dict(root.named_parameters()) if fused else {}
        self._fused = {id(named[name]): rows for name, rows in fused.items() if name in named}

    def enter(self, module: nn.Module, arguments: Any) -> Any:
        if module is self._root:
            for tensor in flat_tensors(arguments):
                self._remember(tensor, -1)
        if id(getattr(module, "weight", None)) in self._fused and isinstance(module, nn.Linear):
            return None  # its function is watched
        if not self._inside and (is_leaf(module) or id(module) in self._whole):
            arguments = self._changed(self._name_of(module), arguments)
            self._inside.append((module, self._given(arguments, kind_of(module))))
        return arguments

    def leave(self, module: nn.Module, arguments: Any, output: Any) -> Any:
        if not self._inside or self._inside[-1][0] is not module:
            return None
        _, given = self._inside.pop()
        if output is None:  # the module raised an error
            return None
        if is_stacked(module, arguments) or is_of_cells(module, arguments):
            return self._recurrent(module, arguments, given)
        kind = kind_of(module)
        call = Call(
            name=self._numbered(self._name_of(module)),
            kind=kind,
            run=rerun(module, arguments, {}, self._weights),
            inputs=given.inputs,
            output=first_tensor(output),
            final=final_states(module, output),
            sources=given.sources,
            origins=given.origins,
            nearest=given.nearest,
            module=module,
            where=where(),
        )
        if kind in REPLAYED:
            call.rate = rate_of(module)
            call.is_active = module.training
            output = self._replaced(call, given.whole)
        output = self._add(call, output)
        for other in flat_tensors(output)[1:]:  # such as the last states of a recurrent module
            if id(other) not in self._origin:
                self._origin[id(other)] = self._nearest[id(other)] = len(self.calls) - 1
                self._alive.append(other)
        return output

    def _recurrent(self, module: Any, arguments: Any, given: Taken) -> Any:
        """Adds a call for every layer of a recurrent module; returns what the module returns."""
        rate = float(getattr(module, "dropout", 0.0))

        def dropped(_: int, x: torch.Tensor) -> torch.Tensor:
            number, self._num_dropouts = self._num_dropouts, self._num_dropouts + 1
            return self._dropped(number, x, rate) if module.training else x

        name = self._numbered(self._name_of(module))
        is_only, number = getattr(module, "num_layers", 2) == 1, 0
        sources, origins = given.sources[:1], given.origins[:1]
        # With the steps first, what a part is given has other axes than what the module is given.
        is_first = bool(getattr(module, "batch_first", True))
        nearest: list[int | None] = given.nearest[:1] if is_first else [None]

        def add_part(part: Part) -> Any:
            nonlocal sources, origins, nearest, number
            layer = part.module
            call = Call(
                name=name if is_only else self._numbered(f"{name}.{number}"),
                kind="dropout" if layer is None else kind_of(layer),
                run=part.run or (lambda value: value),
                inputs=[copied(part.given)],
                output=part.output,
                final=final_states(layer, (part.output, part.states)),
                sources=sources,
                origins=origins,
                nearest=nearest,
                module=layer,
                weights=None if layer is None else partial(list, part.weights or ()),
                where=where(),
            )
            if layer is None:
                call.rate, call.is_active = rate, module.training
            made = self._add(call, part.output if layer is None else (part.output, part.states))
            number, sources = number + 1, [len(self.calls) - 1]
            origins = nearest = sources
            return made

        self._inside.append((module, given))  # what happens inside is told by the parts
        try:
            if isinstance(module, nn.RNNBase):
                output = run_stacked(module, arguments, dropped, add_part)
            else:
                output = run_cells(module, arguments, add_part)
        finally:
            self._inside.pop()
        for tensor in flat_tensors(output):
            self._remember(tensor, len(self.calls) - 1)
            if not is_first:
                del self._nearest[id(tensor)]
        return output

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        keywords = keywords or {}
        if draws(function) and not (self._inside and kind_of(self._inside[-1][0]) in REPLAYED):
            drawing = drawing_of(function, arguments, keywords)
            if self.drawn is not None and drawing is not None:
                output = function(*arguments, **keywords)
                if (drawn := self.drawn(output, drawing.kind)) is not None:
                    self.calls.replaced.append(call_text(function))
                    with torch.no_grad():  # in its place, since a user may ignore what returns
                        return output.copy_(drawing.scaled(drawn))
                self.calls.draws.append(call_text(function))
                return output
            self.calls.draws.append(call_text(function))
        if self._inside:
            return function(*arguments, **keywords)
        if parts := parts_of(function, arguments, keywords):
            with self:  # so that what it consists of is watched
                return parts(*arguments, **keywords)
        kind = kind_of_function(function)
        if function is nn.functional.linear:
            x, weight, bias = (*arguments, *keywords.values(), None)[:3]
            if id(weight) in self._fused:
                with self:
                    return run_fused(x, weight, bias, self._fused[id(weight)])
        if kind in REPLAYED:
            return self._function_dropout(function, kind, arguments, keywords)
        if kind:
            named = f"{function.__name__}()"
            arguments, keywords = self._changed(named, (arguments, keywords))
        given = self._given((arguments, keywords), kind) if kind else None
        output = function(*arguments, **keywords)
        if not isinstance(output, torch.Tensor) or not output.ndim:
            if not self._weights.follow(function, arguments, keywords, output):
                for part in flat_tensors(output):  # such as the parts of a split
                    self._pass_on((arguments, keywords), part)
            return output
        if kind is not None and given is not None:
            kind = refined(kind, given.inputs, output, has_weights=given.has_weights)
        if kind is None or given is None:
            if not self._weights.follow(function, arguments, keywords, output):
                self._pass_on((arguments, keywords), output)
            return output
        name = self._numbered(f"{function.__name__}()")
        run = rerun(function, arguments, keywords, self._weights)
        call = Call(name, kind, run, given.inputs, output, sources=given.sources)
        call.origins, call.nearest, call.where = given.origins, given.nearest, where()
        call.given = function, arguments, keywords, self._weights
        call.arguments = arguments_of(function.__name__, arguments, keywords)
        if kind == "multiply":
            fuse_gate(call, self.calls)
        call.weights = cache(partial(self._weights.of_call, function, arguments, keywords))
        return self._add(call, output)

    def follow(self, arguments: Any, output: Any) -> Any:
        """Gives the outputs of a function that is not watched the source of its inputs."""
        if not self._inside:
            for tensor in flat_tensors(output):
                self._pass_on(arguments, tensor)
        return output

    def _pass_on(self, arguments: Any, output: torch.Tensor) -> None:
        """Gives the output of an unwatched function the source of its input."""
        known = (self._origin.get(id(x)) for x in flat_tensors(arguments))
        found = [origin for origin in known if origin is not None]
        if found and id(output) not in self._origin:
            self._origin[id(output)] = found[0]
            for x in flat_tensors(arguments):
                if (near := self._nearest.get(id(x))) is not None and not is_turned(x, output):
                    self._nearest[id(output)] = near
                    break
            self._alive.append(output)

    def _function_dropout(
        self, function: Any, kind: str, arguments: Any, keywords: Any
    ) -> torch.Tensor:
        named = dict(zip(("input", "p", "training"), arguments, strict=False)) | keywords
        x = named["input"]
        given = self._given(x, kind)
        call = Call(
            name=self._numbered(f"{function.__name__}()"),
            kind=kind,
            run=lambda value: value,
            inputs=given.inputs,
            output=x,
            sources=given.sources,
            origins=given.origins,
            nearest=given.nearest,
            where=where(),
            given=(function, arguments, keywords, self._weights),
            rate=float(named.get("p", 0.5)),
            is_active=bool(named.get("training", kind == "dropout")),
        )
        result: torch.Tensor = self._add(call, self._replaced(call, given.whole))
        return result

    def _given(self, arguments: Any, kind: str) -> Taken:
        given = flat_tensors(data_alone(arguments))
        found = [x for x in given if x not in self._weights]
        with torch._C.DisableTorchFunction():
            whole = found[0].clone() if kind in REPLAYED and found else None
            steps = {id(packed.data): padded(packed) for packed in packed_in(arguments)}
        known = (self._made, self._origin, self._nearest)
        made, origins, nearest = ([each.get(id(x)) for x in found] for each in known)
        has_weights = len(found) < len(given)
        inputs = [copied(steps.get(id(x), x), self.is_kept, self._copies.get(id(x))) for x in found]
        return Taken(inputs, made, origins, nearest, whole, has_weights)

    def _add(self, call: Call, output: Any) -> Any:
        """Adds a call; returns what goes on in the place of its output."""
        made, call.output = call.output, copied(call.output, self.is_kept)
        if self.is_kept:
            self._copies[id(made)] = call.output
            self._alive.append(made)
        if self._passed is not None:
            # It may repeat the call.
            self._inside.append((_NO_MODULE, Taken([], [], [], [], None, False)))
            try:
                with torch._C.DisableTorchFunction():
                    output = self._passed(call, output)
            finally:
                self._inside.pop()
        first = flat_tensors(output)[0]
        self._remember(first, len(self.calls))
        if call.kind == "permute" and call.origins and call.origins[0] is not None:
            self._origin[id(first)] = call.origins[0]  # it computes nothing itself
        self.calls.append(call)
        return output

    def _remember(self, tensor: torch.Tensor, number: int) -> None:
        for known in (self._made, self._origin, self._nearest):
            known[id(tensor)] = number
        self._alive.append(tensor)

    def _replaced(self, call: Call, x: torch.Tensor | None) -> torch.Tensor:
        """Returns what a dropout returns instead of its own output."""
        number, self._num_dropouts = self._num_dropouts, self._num_dropouts + 1
        assert x is not None
        assert call.rate is not None
        self.calls.dropping = call
        call.output = self._dropped(number, x, call.rate) if call.is_active else x
        return call.output

    def _name_of(self, module: nn.Module) -> str:
        return str(self._names.get(id(module), type(module).__name__))

    def _changed(self, name: str, arguments: Any) -> Any:
        """Returns the arguments of the next call of a name, with what it is given instead."""
        if self.given is None or self._inside:
            return arguments
        numbered = _with_number(name, self._counts.get(name, 0) + 1)
        arguments, pairs = with_given(self.given, numbered, arguments, self._weights)
        for other, tensor in pairs:
            for known in (self._made, self._origin, self._nearest):
                if id(tensor) in known:
                    known[id(other)] = known[id(tensor)]
            self._alive.append(other)
        return arguments

    def _numbered(self, name: str) -> str:
        self._counts[name] = self._counts.get(name, 0) + 1
        return _with_number(name, self._counts[name])


def _with_number(name: str, number: int) -> str:
    return name if number == 1 else f"{name}#{number}"
