"""Each layer of a port by itself, and a pass in which Keras's values go on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from parity.data import probe_inputs
from parity.halves.torch.call import (
    Call,
    final_states,
    first_tensor,
    hidden_of,
    joined_states,
    num_directions,
    output_of,
    repacked,
)
from parity.halves.torch.calls import Passed
from parity.halves.torch.check.loss import Loss
from parity.halves.torch.kinds import REPLAYED
from parity.halves.torch.port.given_images import give_states, is_compared, is_random_image
from parity.halves.torch.port.modules_by_hand import states_of_steps
from parity.halves.torch.port.paired_layer import PairedLayer
from parity.halves.torch.port.pairing import origins, takers
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.items import PASS
from parity.ladder.recorded import MODES, compare_output, compare_recorded
from parity.traces.trace import KerasTrace, PortWriter
from torch_impl.layers.image.random_layer import RandomImageLayer

# --------------------------------------------------------------------------------------------------
#
# A pass in which Keras's value goes on from every paired layer, in the place of the port's.
#
# Each layer then gets Keras's input, and the gradient that reaches it is Keras's as well, whatever
# the layers around it do. So every layer, and what the port computes between two of them, is judged
# by itself: a difference is introduced where it is seen.


_COMMUTATIVE = frozenset(("add", "multiply", "average", "maximum", "minimum"))


@dataclass
class Forced:
    """What a port computes from Keras's values.

    Attributes:
        inputs: Keras's layer -> key of each input -> the port's input.
        own: Keras's layer -> output of the port's layer.
        targets: Keras's layer -> key of the output that it is compared with.
        gradient: weight -> its gradient, or a sample of a large one.
        arrived: Keras's layer -> the gradient of the loss that reaches its output.
        awaited: Keras's layers whose gradient is known, so that one should arrive.
        state: moving statistic -> its value after the pass.
        unshaped: Keras's layers whose output has another shape in the port.
        loss: for Keras's outputs; None without one.
        output: of the module.
    """

    inputs: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    own: dict[str, np.ndarray] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    gradient: dict[str, np.ndarray] = field(default_factory=dict)
    arrived: dict[str, np.ndarray] = field(default_factory=dict)
    awaited: list[str] = field(default_factory=list)
    state: dict[str, np.ndarray] = field(default_factory=dict)
    unshaped: list[str] = field(default_factory=list)
    loss: float | None = None
    output: Any = None


def forced_pass(
    port: PortUnderTest,
    mode: str,
    left_out: Collection[str] = (),
    loss: Loss | None = None,
    changed: tuple[Passed, Passed] | None = None,
) -> Forced:
    """Runs the port once with Keras's values.

    Args:
        port: the port.
        mode: "eval" or "train".
        left_out: Keras's layers that are taken for unpaired.
        loss: differentiated, if it is given; only in train mode.
        changed: give another output of a call, before and after it is noted.

    Returns:
        What the port computed. The module is as before.
    """
    found = Forced()
    pairs = _Pairs(port, mode, left_out, found)
    before, after = changed or (_same, _same)
    is_training = mode == "train"

    def passed(call: Call, output: Any) -> Any:
        return after(call, pairs.pass_on(call, before(call, output)))

    with port.kept(), nullcontext() if loss is not None else torch.no_grad():
        if loss is not None:
            port.module.zero_grad()
        _, output = port.forward(mode, "probe", training=is_training, passed=passed)
        found.output = output
        if loss is not None:
            value = loss.last("probe")
            found.loss = float(value.detach())
            value.backward()
            gradients = port.gradients().items()
            found.gradient = {name: probe_inputs.sampled(array) for name, array in gradients}
        if is_training:
            found.state = port.moving()
    return found


def _same(_: Call, output: Any) -> Any:
    return output


class _Forcing(torch.autograd.Function):
    """Replaces a value on the way forward, and its gradient on the way back."""

    @staticmethod
    def forward(ctx: Any, output: torch.Tensor, value: torch.Tensor, back: Any) -> torch.Tensor:
        ctx.back, ctx.shape = back, output.shape
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        gradient = ctx.back(gradients[0])
        if gradient.shape != ctx.shape:  # so that the layers before are still reached
            gradient = gradient.new_zeros(ctx.shape)
        return gradient, None, None


class _Pairs:
    """The pairs by the names of their first and last calls."""

    def __init__(
        self, port: PortUnderTest, mode: str, left_out: Collection[str], found: Forced
    ) -> None:
        self._port, self._mode, self._found = port, mode, found
        self._keras, self._nodes = port.keras, port.keras.facts["nodes"]
        self._starts: dict[str, list[PairedLayer]] = {}
        self._ends: dict[str, list[PairedLayer]] = {}
        self._again: dict[str, list[torch.Tensor]] = {}  # call -> Keras's inputs, if it got others
        self._start = {name: value.clone() for name, value in port.module.named_buffers()}
        self._alone = {node["name"] for node in self._nodes}
        for pair in port.pairs:
            self._alone.discard(pair.node["name"])
            if pair.node["name"] not in left_out and is_compared(pair, mode):
                calls = pair.chain(port.calls)
                self._starts.setdefault(calls[0].name, []).append(pair)
                self._ends.setdefault(calls[-1].name, []).append(pair)

    def pass_on(self, call: Call, output: Any) -> Any:
        """Notes what a call got and made; returns Keras's output for it, if it is known."""
        for pair in self._starts.get(call.name, ()):
            self._note_inputs(pair, call)
        for pair in self._ends.get(call.name, ()):
            output = self._noted_output(pair, call, output)
        return output

    def _note_inputs(self, pair: PairedLayer, call: Call) -> None:
        node = self._nodes[pair.ends.keras_first]
        if node["kind"] == "attention":  # of query and key; a port's softmax gets the scores
            return
        prefix = f"forward/{self._mode}/{node['name']}/input"
        keys = [key for n in range(len(call.inputs)) if (key := f"{prefix}/{n}") in self._keras]
        theirs = [self._keras[key] for key in keys]
        given = [
            pair.portable(node, call, x, y, is_input=True)
            for x, y in zip_longest(call.inputs, theirs)
            if x is not None
        ]
        order = _order_of_inputs(pair.call.kind, given, theirs)
        found = {key: given[number] for key, number in zip(keys, order, strict=False)}
        self._found.inputs[pair.node["name"]] = found
        if len(keys) == len(call.inputs) and not all(
            agrees(self._keras, key, array) for key, array in found.items()
        ):
            fed = list(call.inputs)
            for array, number in zip(theirs, order, strict=True):
                tensor = pair.native(array, fed[number])
                if tensor is None:
                    return
                fed[number] = tensor
            self._again[call.name] = fed

    def _repeated(self, call: Call) -> Any:
        """Returns what a call makes of Keras's inputs, if it got others; None if it did not."""
        fed = self._again.pop(call.name, None)
        if fed is None or call.kind in REPLAYED:
            return None
        module = call.module
        if module is not None and (buffers := dict(module.named_buffers())):
            with torch.no_grad():
                for name, buffer in buffers.items():
                    buffer.copy_(self._start.get(f"{call.name}.{name}", buffer))
        if isinstance(module, RandomImageLayer):  # it draws the same numbers again
            give_states(self._port, self._mode)
        with torch.no_grad():
            return call.run(*fed)

    def _noted_output(self, pair: PairedLayer, call: Call, output: Any) -> Any:
        name, last = pair.node["name"], self._nodes[pair.ends.keras_last]
        made = _Made(call, output, last["output_shape"])
        if not made.tensor.is_floating_point():
            return output
        ended = replace(call, output=made.tensor.detach())
        if (again := self._repeated(call)) is not None:
            ended.output = _Made(call, again, last["output_shape"]).tensor
        key = self._target(pair, ended, last)
        if key is None:
            return output
        theirs = self._keras[key]
        is_log = call.kind == "activation:log_softmax" != pair.node["kind"]
        ours = pair.portable(last, ended, ended.output, theirs)
        self._found.own[name], self._found.targets[name] = np.exp(ours) if is_log else ours, key
        if is_log:
            with np.errstate(divide="ignore"):
                theirs = np.log(theirs)
        value = pair.native_output(theirs, ended)
        # A softmax that carries its logits to the loss must stay what it is.
        if value is None or hasattr(made.tensor, "_keras_logits"):
            return output
        if value.shape != made.tensor.shape:
            self._found.unshaped.append(name)
        slope = key.replace(f"forward/{self._mode}", "output_gradient").removesuffix("/output")
        is_known = slope in self._keras and not is_log and not self._is_last(key)
        given = pair.native_output(self._keras[slope], ended, theirs) if is_known else None
        fits = given is not None and given.shape == value.shape
        # None passes what runs without: a frozen part, or the inside of an autograd.Function.
        if fits and made.tensor.requires_grad:
            self._found.awaited.append(name)

        def back(arrived: torch.Tensor) -> torch.Tensor:
            if given is None or given.shape != arrived.shape:
                return arrived
            array = pair.portable(last, ended, arrived, theirs, like=ended.output)
            self._found.arrived[name] = array
            return given

        return made.with_tensor(_Forcing.apply(made.tensor, value, back))  # type: ignore[no-untyped-call]

    def _is_last(self, key: str) -> bool:
        """Whether Keras's loss may go round this output, by the logits that it carries."""
        last = self._nodes[-1]["name"]
        is_activation = self._keras.facts.get("output_activation") is not None
        return is_activation and key == f"forward/{self._mode}/{last}/output"

    def _target(self, pair: PairedLayer, call: Call, last: Any) -> str | None:
        """Returns the key of Keras's output of a pair, with or without the layer's activation.

        A module of the user may contain the activation. If the port does not have it elsewhere, the
        closer of the two is meant.
        """
        plain = f"forward/{self._mode}/{last['name']}/output"
        activated = f"forward/{self._mode}/{last['name']}.activation/output"
        if plain not in self._keras:
            return None
        if f"{last['name']}.activation" not in self._alone or activated not in self._keras:
            return plain
        errors = []
        for key in (plain, activated):
            theirs = self._keras[key]
            ours = pair.portable(last, call, call.output, theirs)
            fits = ours.shape == theirs.shape
            errors.append(float(np.abs(ours - theirs).max(initial=0.0)) if fits else np.inf)
        return activated if errors[1] < errors[0] else plain


class _Made:
    """What a call returned, and the tensor in it that Keras returns.

    That is the output, the first of several, or the last states of a recurrent module.
    """

    def __init__(self, call: Call, output: Any, shape: Sequence[int]) -> None:
        self._output = output
        first, final = first_tensor(output), final_states(call.module, output)
        self.tensor = output_of(first, final, shape)
        self._directions, self._is_beside = 0, False
        if self.tensor is final and not isinstance(call.module, nn.RNNBase):
            self._is_beside = True
        elif self.tensor is final:
            assert isinstance(call.module, nn.RNNBase)
            self._directions = num_directions(call.module)
            self.tensor = joined_states(call.module, output)

    def with_tensor(self, tensor: torch.Tensor) -> Any:
        """Returns the same with another tensor in its place."""
        if self._is_beside:
            first, states, *more = self._output
            states = tensor if isinstance(states, torch.Tensor) else _with_first(states, tensor)
            return (first, states, *more)
        if not self._directions:
            return _with_first(self._output, tensor)
        parts = torch.stack(tensor.chunk(self._directions, dim=-1))
        changed = torch.cat([hidden_of(self._output)[: -self._directions], parts])
        states = self._output[1]
        return self._output[0], (changed, *states[1:]) if isinstance(states, tuple) else changed


def _with_first(output: Any, tensor: torch.Tensor) -> Any:
    """Returns what a module returned, with another first tensor."""
    if isinstance(output, torch.Tensor):
        return tensor
    if isinstance(output, PackedSequence):
        return repacked(tensor, output)
    if isinstance(output, dict):
        name = next(iter(output))
        return {**output, name: _with_first(output[name], tensor)}
    items = [_with_first(output[0], tensor), *output[1:]]
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)


def agrees(keras: KerasTrace, key: str, ours: np.ndarray) -> bool:
    """Whether an array is Keras's, within rounding."""
    return compare_recorded(keras, key, ours, key).status == PASS


def _order_of_inputs(kind: str, given: list[np.ndarray], theirs: list[np.ndarray]) -> list[int]:
    """Matches the port's inputs to Keras's, for layers where the order does not matter."""
    order = list(range(len(given)))
    if kind not in _COMMUTATIVE or not len(given) == len(theirs) == 2:
        return order
    errors = []
    for numbers in (order, order[::-1]):
        pairs = [(given[n], y) for n, y in zip(numbers, theirs, strict=True)]
        fits = all(x.shape == y.shape for x, y in pairs)
        errors.append(sum(float(np.abs(x - y).max()) for x, y in pairs) if fits else np.inf)
    return order[::-1] if errors[1] < errors[0] else order


# --- Each layer of a port by itself, and which differences are only another way of writing --------
#
# A port and the form of its output go in. What every paired layer gets and makes from Keras's
# values comes out, in both modes, and the gradients of the loss. A relu that comes after its pool,
# say, is no mistake: layers that differ are left out in a second pass. If what follows them then
# agrees, they differ in style only.


def write_layers(port: PortUnderTest, form: str, loss: Loss | None, writer: PortWriter) -> None:
    """Writes what every layer makes of Keras's values.

    Args:
        port: the port.
        form: of its output.
        loss: its loss; None: gradients are not compared.
        writer: has the outputs of the port; receives `forward/…/input/…`, `forward/…/own`,
            `forward/…/steps`, `forced/…`, `loss/own`, and the facts `awaited`, `style`, `targets`,
            `unshaped`.
    """
    style: set[str] = set()
    writer.facts |= {"awaited": [], "style": [], "targets": {}, "unshaped": []}
    if port.keras.facts.get("brief"):  # what reaches the first layer decides; the others are absent
        _write("eval", _forced(port, "eval", style, None), writer)
        return
    # Keras's model is not compiled, or the port raises in this mode.
    modes = [
        m for m in MODES if all(f"forward/{m}/output" in x for x in (port.keras, writer.arrays))
    ]
    is_right = _is_right(port, form, modes, writer)
    for mode in modes:
        given = loss if mode == "train" else None
        found = _forced(port, mode, style, given)
        # What comes behind a random layer of images is given: that agrees, whatever the layer does.
        if differing := _differing(port, found) - style - _random_images(port):
            new = differing if is_right else _of_style(port, form, mode, differing, style)
            style |= new
            if new and given is not None:
                found = _forced(port, mode, style, given)
        _write(mode, found, writer)
        if mode == "eval" and not is_right:
            states = states_of_steps(port, partial(_forced, port, mode, style, None))
            for name, array in states.items():
                writer.put(f"forward/{mode}/{name}/steps", array)
        # The loss of another output is none of Keras's.
        if found.loss is not None and _ends_well(port, found, form, mode):
            writer.put("loss/own", found.loss)
    writer.facts["style"] = sorted(style)


def _is_right(port: PortUnderTest, form: str, modes: Sequence[str], writer: PortWriter) -> bool:
    """Whether the output is Keras's in every mode, and what goes into its activation.

    In one mode alone it says little: a softmax of large values is 0 or 1, whatever comes before it.
    """
    outputs = {mode: writer.arrays[f"forward/{mode}/output"] for mode in modes}
    return port.last_activation_agrees and all(
        compare_output(port.keras, output, form, mode).status == PASS
        for mode, output in outputs.items()
    )


def _random_images(port: PortUnderTest) -> set[str]:
    return {node["name"] for node in port.keras.facts["nodes"] if is_random_image(node)}


def _forced(port: PortUnderTest, mode: str, style: set[str], loss: Loss | None) -> Forced:
    """Runs the port with Keras's values.

    If that raises, layers of another shape are left out, since what follows may not take Keras's;
    then the loss, since other probes tell what it raises.
    """
    style = style | _of_steps(port)
    others = style | _unshaped(port, mode)
    for left_out, given in ((style, loss), (others, loss)):
        with suppress(Exception):  # the user's code may raise anything
            return forced_pass(port, mode, left_out, given)
    return forced_pass(port, mode, others)


def _write(mode: str, found: Forced, writer: PortWriter) -> None:
    for inputs in found.inputs.values():
        for key, array in inputs.items():
            writer.put(key, array)
    for name, array in found.own.items():
        writer.put(f"forward/{mode}/{name}/own", array)
    writer.facts["targets"][mode] = found.targets
    writer.facts["unshaped"] = sorted({*writer.facts["unshaped"], *found.unshaped})
    for what in ("gradient", "arrived", "state"):
        if mode == "train":
            writer.put_all(f"forced/{what}", getattr(found, what))
    if found.loss is not None:
        writer.facts["awaited"] = found.awaited


def _ends_well(port: PortUnderTest, found: Forced, form: str, mode: str) -> bool:
    """Whether the output of the port is Keras's."""
    ours = port.as_recorded(found.output).detach().cpu().numpy()
    return compare_output(port.keras, ours, form, mode).status == PASS


def _of_steps(port: PortUnderTest) -> set[str]:
    """Returns the recurrent layers of Keras in whose place the port calls a part of one.

    What such a layer returns is not what a cell returns in the first step; nor what a module of
    torch does, if the port merges its two directions in code of its own.
    """
    return {
        pair.node["name"]
        for pair in port.pairs
        if pair.node["kind"] in ("lstm", "gru", "simple_rnn")
        and pair.call.inputs
        and pair.call.inputs[0].ndim == len(pair.node["input_shapes"][0]) - 1
    } | {
        pair.node["name"]
        for pair in port.pairs
        if pair.node["kind"] == "bidirectional"
        and pair.node["config"].get("merge_mode") in ("sum", "mul", "ave")
        and isinstance(pair.call.module, nn.RNNBase)
    }


def _unshaped(port: PortUnderTest, mode: str) -> set[str]:
    """Returns the Keras layers whose output has another shape in the port."""
    found = set()
    for pair in port.pairs:
        call = pair.chain(port.calls)[-1]
        key = f"forward/{mode}/{port.keras.facts['nodes'][pair.ends.keras_last]['name']}/output"
        if key in port.keras:
            value = pair.native_output(port.keras[key], call)
            if value is None or value.shape != call.output.shape:
                found.add(pair.node["name"])
    return found


def _differing(port: PortUnderTest, found: Forced) -> set[str]:
    """Returns the Keras layers whose output differs, or what reaches them."""
    outputs = {
        name for name, a in found.own.items() if not agrees(port.keras, found.targets[name], a)
    }
    return outputs | _reached(port, found)


def _reached(port: PortUnderTest, found: Forced) -> set[str]:
    """Returns the Keras layers with an input that differs.

    Of attention, query and key are not noted: its output differs if one of them does.
    """
    kinds = {node["name"]: node["kind"] for node in port.keras.facts["nodes"]}
    weights = {
        name
        for name, array in found.own.items()
        if kinds[name] == "attention" and not agrees(port.keras, found.targets[name], array)
    }
    return weights | {
        name
        for name, inputs in found.inputs.items()
        if not all(agrees(port.keras, key, array) for key, array in inputs.items())
    }


def _of_style(
    port: PortUnderTest, form: str, mode: str, differing: set[str], style: set[str]
) -> set[str]:
    """Returns the differing layers behind which nothing differs once they are left out.

    Layers without weights come first: a layer with weights beside one of them may be wrong.
    """
    weightless = {
        pair.node["name"]
        for pair in port.pairs
        if pair.node["name"] in differing and not pair.node["weights"] and not pair.variables
    }
    clean = _in_another_shape(port, mode, differing)
    clean |= _clean(port, form, mode, weightless - clean, style | clean)
    return clean | _clean(port, form, mode, differing - clean, style | clean)


def _in_another_shape(port: PortUnderTest, mode: str, differing: set[str]) -> set[str]:
    """Returns the layers that make what Keras's make, of Keras's numbers in another shape.

    Such are positions, (T,) in one half and (1, T) in the other.
    """
    with suppress(Exception):  # without Keras's values the port may not even fit together
        found = forced_pass(port, mode)
        wrong = {
            name for name, a in found.own.items() if not agrees(port.keras, found.targets[name], a)
        }
        return {
            name
            for name, inputs in found.inputs.items()
            if name in differing - wrong
            and name in found.own
            and all(np.array_equal(port.keras[k].ravel(), a.ravel()) for k, a in inputs.items())
        }
    return set()


def _possible_takers(nodes: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Returns, for every call, the calls that take its output.

    In the code of a user's layer, the way of a tensor is not always known. Of a call whose output
    nothing is seen to take, these are the later ones of which a source is not known.
    """
    after = takers(nodes)
    unknown = [number for number, node in enumerate(nodes) if None in origins(node)]
    return [
        found or [other for other in unknown if other > number]
        for number, found in enumerate(after)
    ]


def _clean(port: PortUnderTest, form: str, mode: str, asked: set[str], style: set[str]) -> set[str]:
    """Returns the layers of `asked` behind which nothing differs if all of them are left out."""
    if not asked:
        return set()
    try:
        found = forced_pass(port, mode, style | asked)
    except Exception:  # without Keras's values the port may not even fit together
        return set()
    bad = _reached(port, found)
    ends_well = _ends_well(port, found, form, mode)
    nodes = port.keras.facts["nodes"]
    after = _possible_takers(nodes)
    judged = set(found.own) | set(found.inputs)

    def is_clean(start: int) -> bool:
        visited: set[int] = set()
        waiting = [start]
        while waiting:
            number = waiting.pop()
            if not after[number] and not ends_well:
                return False
            for taker in set(after[number]) - visited:
                visited.add(taker)
                name = nodes[taker]["name"]
                if name in bad:
                    return False
                if name not in judged:
                    waiting.append(taker)
        return True

    return {node["name"] for n, node in enumerate(nodes) if node["name"] in asked and is_clean(n)}
