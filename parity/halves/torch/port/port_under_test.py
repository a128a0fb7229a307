"""PortUnderTest: a port that has Keras's weights, is fed Keras's batches, and is read back."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice, product
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.errors import InputError
from parity.halves.memory import free_memory
from parity.halves.torch.call import Call, flat_tensors
from parity.halves.torch.calls import Passed, recorded_calls
from parity.halves.torch.factories import advice_on, call_factory, check_written, error_text
from parity.halves.torch.port.agreement import (
    agreeing,
    last_activation_agrees,
    output_error,
    returned_axes,
    with_nearest_axes,
)
from parity.halves.torch.port.carried import LOAD, Carried
from parity.halves.torch.port.carrying import (
    AGREES,
    MOST_TRIALS,
    Cargo,
    PortWeights,
    WeightsByName,
    carry_by_load,
    carry_with_copies,
    load_by,
    needs_of,
    sources_of,
)
from parity.halves.torch.port.feeding import (
    Feeding,
    PortFeed,
    build_lazy,
    fitting,
    has_lazy,
    unwrapped,
)
from parity.halves.torch.port.given_images import given_images, passed_images
from parity.halves.torch.port.loop_modes import modes_of_loop
from parity.halves.torch.port.modules_by_hand import (
    CarriedState,
    Fused,
    called_once,
    modules_by_hand,
    order_gates,
    take_apart,
)
from parity.halves.torch.port.outputs import Outputs, carried_logits
from parity.halves.torch.port.paired_layer import (
    PairedLayer,
    differ,
    node_of,
    other_pairings,
    paired_calls,
    paired_layers,
    ways_of,
)
from parity.halves.torch.port.pairing import Pairing
from parity.halves.torch.port.parts import called_by_parts, parts_left_out, weights_left_out
from parity.halves.torch.port.portable import Axes, Traced, as_keras, nearest, traced, unknown
from parity.halves.torch.port.random_masks import (
    drawn_masks,
    dropout_masks,
    find_side_that_keeps,
    given_masks,
    masked,
    nothing_drawn,
    with_inner,
)
from parity.ladder.rounding import dtype_of
from parity.programs.check_spec import LARGE_MODEL
from parity.traces.port_facts import PortNode
from parity.traces.trace import KerasTrace
from torch_impl.layers import RecurrentDropout
from torch_impl.parametrized import forget_gradients, keep_gradients

# --- PortUnderTest: a port that has Keras's weights, is fed Keras's batches, and is read back -----
#
# factory -> Port -> calls of one forward pass -> pairs (`paired_layer.py`) -> weights carried over


class PortUnderTest(PortFeed, PortWeights):
    """A port with Keras's weights.

    Args:
        factory: builds the port.
        seed: of the factory's random numbers.
        keras: what Keras computed.
        device: on which it computes.
        dtype: in which it computes; None: that of the trace.
        any_form: as of `Outputs`.

    Raises:
        InputError: the factory or `layers` of the port cannot be used.
    """

    def __init__(
        self,
        factory: Callable[[], Any],
        seed: int,
        keras: KerasTrace,
        device: str = "cpu",
        dtype: str | None = None,
        *,
        any_form: bool = False,
    ) -> None:
        self.dtype = dtype or dtype_of(keras.facts)
        self.outputs = Outputs(keras.facts.get("outputs") or [], keras, any_form=any_form)
        self.built = self.outputs.named(call_factory(factory, seed, self.dtype))
        self.built.module.to(device)  # in place, so that the optimizer keeps its parameters
        self.module = unwrapped(self.built.module)
        self.step_feed = self.built.feed  # of the data of a step
        self.choose: Callable[[Any], Any] = lambda returned: returned  # the outputs of a module
        self.modes = [(module, module.training) for module in self.module.modules()]  # as built
        self.built = called_by_parts(self.built, self.module, keras.facts)
        self.outputs.leave_out(parts_left_out(self.module))
        keep_gradients(self.module)
        self.device = device
        self.keras = keras
        self.feed_as(Feeding(keras.facts))
        self.replaced: list[str] = []  # where it draws masks, which are given to it
        self.draws: list[str] = []  # where the port draws random numbers, dropouts aside
        self.keeps_low = False  # whether its uniform numbers keep what is below the share
        self.as_built: dict[str, Any] = {}
        self._carried = CarriedState(self.module) if keras.facts.get("stateful") else None
        self.nodes: list[PortNode] = []
        self.nest: Any = None  # what the module returned in its last pass
        self.fused: Fused = {}  # layers that are run part by part
        self.by_hand: Mapping[str, str] = {}  # recurrent layers of Keras -> modules by hand
        self.layers: Mapping[str, str] = {}  # pairs that are known: those of the user, and these
        self._pair_up()
        if self._may_be_unturned() and not self._is_right():
            with suppress(Exception):  # the code of the port may raise anything
                self._pair_up(is_turned=False)
            if self._is_turned or not self._is_right():
                self._pair_up()
        take_apart(self)
        # In which order the axes of what the module returns are Keras's; None: its shape tells.
        self.returned: Axes | None = None
        self.agrees = False  # whether the output in eval mode is Keras's, within rounding
        self.last_activation_agrees = (
            True  # whether its last activation gets what Keras's gets, there
        )
        self.eval_calls: list[Call] = []  # of a pass in eval mode, with Keras's weights
        self.pairs = self._compared()
        find_side_that_keeps(self)

    def _pair_up(self, *, is_turned: bool = True) -> None:
        """Pairs the calls of the module with Keras's layers, and gives it Keras's weights.

        A module that is a recurrent layer by hand is one call, if something in the port is wrong.
        """
        self._is_turned = is_turned
        self._pair_with({})
        by_hand = modules_by_hand(self)
        if not by_hand or "forward/eval/output" not in self.keras or self._is_right():
            return
        found = called_once(self, by_hand, self._called_with)
        self._pair_with(found)
        if self.built.load is None:
            order_gates(self, found)

    def _called_with(self, by_hand: Mapping[str, str]) -> list[Call]:
        self.by_hand, self.layers = by_hand, {**self.built.layers, **by_hand}
        return self._discovered()[0]

    def _pair_with(self, by_hand: Mapping[str, str]) -> None:
        self.by_hand, self.layers = by_hand, {**self.built.layers, **by_hand}
        self.calls, self.output = self._discovered()
        self.pairing = paired_calls(self.keras.facts, self.nodes, self.layers)
        self.all_pairs = self._layers(self.pairing)
        self.cargo = self._carry()
        if self._carried is not None:
            self._carried.note_buffers()

    def pair_again(self, fused: Fused) -> None:
        """Pairs anew, with other layers run part by part."""
        self.fused = fused
        self.begin_as_built()
        self._pair_up(is_turned=self._is_turned)

    def distance(self) -> float:
        """Returns how far the output in eval mode is from Keras's, in units of rounding."""
        with suppress(Exception):  # a later stage tells an error
            return output_error(self.keras, self._eval_output())
        return np.inf

    def _may_be_unturned(self) -> bool:
        """Whether a module that turns its inputs itself could not have failed with turned ones."""
        turned = [array for array in self.batch("probe") if self.turns(array)]
        is_known = self.built.feed is not None or "forward/eval/output" not in self.keras
        shapes = [array.shape for array in turned]
        return (
            bool(turned)
            and not is_known
            and all((shape[0], shape[-1], *shape[1:-1]) == shape for shape in shapes)
        )

    def _layers(
        self, pairing: Pairing, *, is_first: bool = True, axes: Traced | None = None
    ) -> list[PairedLayer]:
        nodes, axes = self.keras.facts["nodes"], axes or self._traced(pairing)
        order = None if self.channels_last else is_first
        found = paired_layers(
            nodes,
            self.nodes,
            self.calls,
            pairing,
            axes=axes,
            is_first=order,
            shapes={name: entry["shape"] for name, entry in self.keras.facts["weights"].items()},
        )
        return [with_inner(pair, nodes) for pair in found]

    def _traced(self, pairing: Pairing) -> Traced:
        columns = {column for _, column in pairing.pairs}
        return traced(self.calls, self.given_axes(), self.keras.facts["nodes"], columns)

    def given_axes(self) -> list[Axes | None]:
        """Returns the order of the axes of each tensor that the module is given."""
        arrays = self.batch("probe")
        pairs = fitting(flat_tensors(self.arguments("probe")), arrays)
        return [nearest(x, array) for x, array in pairs if x.is_floating_point()]

    def _discovered(self) -> tuple[list[Call], torch.Tensor]:
        """Returns the calls of one pass in train mode without dropout, and the output.

        A module that fails with channels first may move the channels itself. It is then fed in
        Keras's layout. One with a `feed` of its own may fail for how a batch is stored.
        """
        try:
            return self._called()
        except InputError:  # it says itself what is wrong
            raise
        except Exception as error:  # the code of the port may raise anything
            check_written(error)
            for _ in self._other_ways():
                with suppress(Exception):
                    return self._called()
            shapes = " and ".join(str(tuple(array.shape)) for array in self.batch("probe"))
            feed = "return a Port with `feed`, which turns a batch into its arguments"
            raise InputError(
                f"the torch module cannot take the batch that Keras took, of shape {shapes} in "
                f"Keras's layout ({error_text(error)}); {advice_on(error, self.dtype) or feed}"
            ) from error

    def _other_ways(self) -> Iterator[None]:
        """Changes how the module is fed, to all that it may expect, one by one."""
        self._is_stored_anew = self.built.feed is not None
        if self._is_stored_anew:
            yield
            return
        for self._form, self._is_turned in list(product(self._forms, (True, False)))[1:]:  # noqa: B020
            if self._is_turned or not self.channels_last:
                yield

    def _called(self) -> tuple[list[Call], torch.Tensor]:
        build_lazy(self.module, lambda: self.arguments("probe"))
        self.as_built = self.as_built or copy.deepcopy(self.module.state_dict())
        self.module.train()
        identity: Any = lambda number, x, rate: x  # noqa: E731
        self.forget_states()
        arguments = self.arguments("probe")  # outside the block: `feed` is not a call of the port
        whole = self.layers.values()
        self._see_output(arguments)
        with torch.no_grad():
            watch = recorded_calls(
                self.module, identity, whole, drawn=nothing_drawn, fused=self.fused
            )
            with watch as calls:
                self.nest = self.returned_for(arguments)
                output = masked(self, "eval", self.outputs.of(self.nest))
            for call in calls:
                if call.name in self.by_hand.values():  # its weights are found one by one
                    call.weights = list
            # Before the state changes: a view of a parameter cannot be read afterwards.
            self.nodes = [node_of(call) for call in calls]
        self.module.load_state_dict(self.as_built)
        self.draws, self.replaced = calls.draws, calls.replaced
        return calls, output

    def _see_output(self, arguments: Any) -> None:
        """Looks whether `Port.output` chooses among what the module returns: see `Outputs`."""
        if self.built.output is None:
            return
        with torch.no_grad(), self.kept():
            returned = self.module(*arguments)
            shape = (len(self.batch("probe")[0]), *self.keras.facts.get("output_shape", ()))
            if self.outputs.chosen(self.built, returned, shape):
                self.choose = self.built.taken
                self.built = dataclasses.replace(self.built, output=None)
        self.forget_states()

    def returned_for(self, arguments: Any) -> Any:
        """Calls the module; returns the outputs of the port, with others that it may have."""
        return self.choose(self.module(*arguments))

    def forget_states(self, purpose: str = "probe") -> None:
        """Lets a stateful port begin as Keras does: each probe anew, a training once."""
        if self._carried is not None and purpose in ("probe", "step1"):
            self._carried.restore()

    def begin_as_built(self) -> None:
        """Gives the module the weights and the generators with which the factory returned it."""
        self.module.load_state_dict(self.as_built)

    @cached_property
    def loop_modes(self) -> list[tuple[nn.Module, bool]]:
        """In which modes its own loop trains each part; the module is in train mode before."""
        has_loop = self.built.train_epoch is not None
        return modes_of_loop(self.built, self.module, self.arguments("probe")) if has_loop else []

    def as_recorded(self, output: torch.Tensor) -> torch.Tensor:
        """Returns an output as the trace has it: in Keras's order where its shape does not tell."""
        if self.returned is None or self.returned == as_keras(output.ndim):
            return output
        turned = output.permute(self.returned)
        return turned if turned.shape == output.shape else output

    def forward(
        self, mode: str, purpose: str, *, training: bool, passed: Passed | None = None, **how: Any
    ) -> tuple[list[Call], Any]:
        """Calls the module; returns its calls and its output. See `recorded_calls` for the rest."""
        self.module.train(training)
        for module, is_training in self.loop_modes if training else ():
            module.training = is_training
        forget_gradients(self.module)
        self.forget_states(purpose)
        arguments, whole = self.arguments(purpose), self.layers.values()
        goes_on = passed_images(self, mode, passed)
        replacements = (
            dropout_masks(self, mode),
            whole,
            goes_on,
            drawn_masks(self, mode),
            self.fused,
        )
        watch = recorded_calls(self.module, *replacements, given_images(self, mode), **how)
        logits = carried_logits(self.built.loss, self.keras.facts)
        with given_masks(self, mode), logits, watch as calls:
            self.nest = self.returned_for(arguments)
            output = self.outputs.of(self.nest)
        return calls, masked(self, mode, output)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Restores parameters and buffers at the end of the block."""
        before = copy.deepcopy(self.module.state_dict())
        try:
            yield
        finally:
            self.module.load_state_dict(before)

    # --- weights ---------------------------------------------------------------------------------

    def _carry(self) -> Cargo:
        """Sets Keras's weights in the module, by the port's `load` or by what was paired."""
        built, keras = self.built, self.keras
        if built.load is not None:
            found = {name: self.cast(keras[f"weights/{name}"]) for name in keras.facts["weights"]}
            weights = WeightsByName(found)
            load_by(built.load, built.module, weights)
            return carry_by_load(self.module, keras, self.all_pairs, self._eval_output)
        sources = sources_of(self.module, self.calls, self.pairing)
        needs, ways = needs_of(keras.facts, self.pairing), ways_of(keras, self.calls, self.pairing)
        left_out = weights_left_out(self.module)
        needs = {name: need for name, need in needs.items() if name not in left_out}
        whole, output = self.module, self._eval_output
        cargo = carry_with_copies(whole, keras, self.all_pairs, sources, needs, output, beside=ways)
        if cargo.problems or "forward/eval/output" not in keras or self._is_right():
            return cargo
        others = other_pairings(keras.facts, self.nodes, self.layers, self.pairing)
        turned = [
            self._layers(self.pairing, is_first=is_first, axes=axes)
            for axes in (None, unknown(self.calls))
            for is_first in (False, True)
        ]
        trials = [(self.pairing, each) for each in turned if differ(self.all_pairs, each)]
        later = ((pairing, self._layers(pairing)) for pairing in others)
        for pairing, pairs in islice(chain(trials, later), MOST_TRIALS):
            tried = carry_with_copies(whole, keras, pairs, sources, needs, output, most=1)
            if not tried.problems and self._is_right():
                self.pairing, self.all_pairs = pairing, pairs
                return tried
        for item in cargo.carried:
            item.set(keras[f"weights/{item.name}"])
        return cargo

    def _is_right(self) -> bool:
        """Whether the output in eval mode is Keras's, but for what no other weights explain."""
        with suppress(Exception):  # a later stage tells an error
            return output_error(self.keras, self._eval_output()) < AGREES
        return True

    def _eval_output(self) -> torch.Tensor:
        """Returns the output for the probe in eval mode, watched only if Keras draws numbers."""
        with torch.no_grad(), self.kept():
            if any(self.keras.below("draw/eval")):
                output: torch.Tensor = self.forward("eval", "probe", training=False)[1]
                return output
            self.module.eval()
            self.forget_states()
            return self.outputs.of(self.returned_for(self.arguments("probe")))

    def _compared(self) -> list[PairedLayer]:
        """Returns the pairs that are compared by themselves: see `agreeing`."""
        if "forward/eval/output" not in self.keras:
            return [pair for pair in self.all_pairs if not pair.is_step]
        with torch.no_grad(), self.kept(), suppress(Exception):  # a later stage tells an error
            calls, output = self.forward("eval", "probe", training=False)
            self.eval_calls = calls
            self.all_pairs = with_nearest_axes(self.keras, self.all_pairs, self.calls, calls)
            if not self.outputs.names:
                made = self._traced(self.pairing).made
                self.returned = returned_axes(self.keras, output, calls, made)
            self.agrees = output_error(self.keras, output) <= 1
            self.last_activation_agrees = last_activation_agrees(self.keras, self.all_pairs, calls)
            if self.agrees and self.last_activation_agrees:
                return agreeing(self.keras, self.all_pairs, self.calls, calls)
        return [pair for pair in self.all_pairs if not pair.is_step]


# --- A second port of the same factory, for a training of its own, without pairing it anew --------
#
# A port and its factory go in. Large networks are paired once: each weight of Keras has its place
# in the module of the same name. What the first port holds is given back before.


def built_again(
    port: PortUnderTest, factory: Callable[[], Any], seed: int, *, is_last: bool = False
) -> PortUnderTest:
    """Returns a port before its first step, with Keras's weights.

    Args:
        port: of the same factory.
        factory: of the port.
        seed: of the factory's random numbers.
        is_last: whether nothing is asked of the first port any more, and its memory is freed.
    """
    found = None
    if is_last:
        _forget_steps(port)
    if is_large(port) and not _has_extra_state(port):
        with suppress(AttributeError, KeyError, ValueError):  # its structure is drawn, too
            found = _with_places_of(port, factory, seed)
    if found is None:
        found = PortUnderTest(factory, seed, port.keras, port.device)
    found.target_axes, found.turned_targets = port.target_axes, port.turned_targets
    shared = {id(p) for p in port.module.parameters()} & {id(p) for p in found.module.parameters()}
    if is_last and not shared:  # a factory may return the same module again
        port.module.to("meta")
        free_memory()
    return found


def is_large(port: PortUnderTest) -> bool:
    """Whether a port is so large that what it holds has to be given back."""
    return sum(parameter.numel() for parameter in port.module.parameters()) >= LARGE_MODEL


def forget_values(port: PortUnderTest) -> None:
    """Frees what the calls of a port were given and made, as large as several passes."""
    for call in port.calls:
        call.inputs, call.output = [x.to("meta") for x in call.inputs], call.output.to("meta")
        call.given, call.run = None, _gone
    port.nest = None
    free_memory()


def _forget_steps(port: PortUnderTest) -> None:
    """Frees gradients, slots, and the weights as they were built."""
    if port.built.optimizer is not None:
        port.built.optimizer.state.clear()
    for parameter in port.module.parameters():
        parameter.grad = None
    port.as_built = {}


def _gone(*_: Any) -> Any:
    raise RuntimeError("this port was given back")


def _has_extra_state(port: PortUnderTest) -> bool:
    """Whether a port holds more than weights that modules of a name tell."""
    return (
        bool(port.keras.facts.get("stateful"))
        or bool(port.fused)
        or any(item.how == LOAD or item.variable.is_computed for item in port.carried)
        or any(isinstance(module, RecurrentDropout) for module in port.module.modules())
    )


def _with_places_of(port: PortUnderTest, factory: Callable[[], Any], seed: int) -> PortUnderTest:
    other = copy.copy(port)
    other.built = other.outputs.named(call_factory(factory, seed, port.dtype))
    other.built.module.to(port.device)
    other.module = unwrapped(other.built.module)
    if has_lazy(other.module):
        raise ValueError("the first batch decides the shapes")
    keep_gradients(other.module)
    paths = {id(module): path for path, module in port.module.named_modules()}

    def moved(item: Carried) -> Carried:
        module = other.module.get_submodule(paths[id(item.variable.module)])
        return replace(item, variable=replace(item.variable, module=module))

    other.cargo = replace(port.cargo, carried=[moved(item) for item in port.carried])
    with torch.no_grad():
        for item in other.carried:
            item.set(port.keras[f"weights/{item.name}"])
    return other
