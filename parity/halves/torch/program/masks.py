"""Keras's dropout masks in a whole training of a port, and what a port with Keras's seeds draws."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from parity.errors import InputError
from parity.halves.torch.call import Call
from parity.halves.torch.kinds import kind_of, kind_of_function
from parity.halves.torch.port.given_images import draws_as_keras, is_random_image, set_state
from parity.halves.torch.port.inner_calls import Part, is_stacked, run_stacked
from parity.halves.torch.port.paired_layer import PairedLayer
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.slots import count_steps
from parity.traces.trace import PortWriter
from torch_impl.layers import Dropout
from torch_impl.layers.dropout import SpatialDropout
from torch_impl.layers.image.random_layer import RandomImageLayer
from torch_impl.port import Port

# --- Random layers of images in a whole training: those of the port draw what Keras's draw --------
#
# The states of Keras's generators go in, and are set in the layers of `torch_impl.layers`. Other
# transforms draw other images, and then nothing of the training can be compared.


def refuse_other_images(port: PortUnderTest) -> None:
    """Refuses a port whose images are not Keras's.

    Args:
        port: paired with Keras's layers.

    Raises:
        InputError: a random layer of images has no partner that draws the same.
    """
    same = {pair.node["name"] for pair in port.all_pairs if draws_as_keras(pair)}
    nodes = [node for node in port.keras.facts["nodes"] if is_random_image(node)]
    if others := [str(node["name"]) for node in nodes if node["name"] not in same]:
        raise InputError(
            f"the port does not draw Keras's images in {', '.join(others)}, so its training is "
            "another one; for this comparison, use the layers of torch_impl.layers, which draw "
            "Keras's numbers; `parity check` compares single batches and how images change, and "
            "`parity sweep` whole trainings over many seeds"
        )


def set_image_states(port: PortUnderTest, states: Mapping[str, Sequence[int] | np.ndarray]) -> None:
    """Lets the port's layers go on where Keras's are.

    Args:
        port: paired with Keras's layers.
        states: of the generators of Keras's layers: name -> seed and number of draws so far.
    """
    for pair in port.all_pairs:
        name, module = str(pair.node["name"]).partition("#")[0], pair.call.module
        if isinstance(module, RandomImageLayer) and draws_as_keras(pair) and name in states:
            set_state(module, states[name], in_graph=True)


# --------------------------------------------------------------------------------------------------
#
# Keras's dropout masks in a whole training of a port, drawn anew from the states of its layers.
#
# The pairs of a port and the states of Keras's generators go in. In the block, every dropout of the
# port keeps what the layer of Keras that is paired with it keeps in the same step.


# Seed and number of draws so far, of a generator.
States = Sequence[int] | np.ndarray


class Masks:
    """The masks of a training.

    Args:
        port: paired with Keras's layers; those of its layers that draw by themselves, as Keras's
            do, get the states, unless the port has seeds of its own.
        states: of the generators of Keras's layers: name -> seed and number of draws so far.
    """

    def __init__(self, port: PortUnderTest, states: Mapping[str, States]) -> None:
        self._module = port.module
        by_call = {id(pair.call): pair for pair in port.all_pairs}
        self._drawing_dropouts = drawing_dropouts(port, states)
        dropouts = [
            call
            for call in port.calls
            if call.kind == "dropout" and call.module not in self._drawing_dropouts.values()
        ]
        self._pairs = [by_call.get(id(call)) for call in dropouts]
        self._drawing: dict[str, Dropout] = {}
        for pair in self._pairs:
            if pair is not None and (name := layer_of(pair)) in states:
                self._drawing[name] = _drawing(pair, states[name])
        self._are_functions = any(_is_function(call) for call in dropouts)
        self._number = 0
        self._port = port
        if "torch._dynamo" in sys.modules:  # what counts its calls is not compiled
            disable: Any = torch.compiler.disable
            self.dropped_next = disable(self.dropped_next)  # type: ignore[method-assign]
        if port.built.seeds is None:
            self.set_states(states)

    def set_states(self, states: Mapping[str, States]) -> None:
        """Goes on with other states of the generators."""
        for name, drawing in (*self._drawing.items(), *self._drawing_dropouts.items()):
            drawing.seed, drawing.num_calls = (int(value) for value in states[name])
        _set_states(self._port, states)

    def states(self) -> dict[str, np.ndarray]:
        """Returns the states of the generators, as `set_states` takes them."""
        drawing = self._drawing | self._drawing_dropouts
        found = {name: np.array([each.seed, each.num_calls]) for name, each in drawing.items()}
        return mask_states(self._port) | found

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Puts the generators back, after the block, where they were.

        There, masks are those of the training, though the port may compute in float64. Layers of
        the port that draw by themselves belong to the state of the port, which is put back as well.
        """
        dtype = getattr(torch, self._port.dtype)
        before = {name: (each.seed, each.num_calls) for name, each in self._drawing.items()}
        for drawing in (*self._drawing.values(), *self._drawing_dropouts.values()):
            drawing.mask_dtype = dtype
        try:
            yield
        finally:
            for name, drawing in self._drawing.items():
                drawing.mask_dtype = None
                drawing.seed, drawing.num_calls = before[name]

    @contextmanager
    def active(self) -> Iterator[None]:
        """Gives the dropouts of the block Keras's masks."""
        with ExitStack() as stack:
            network = self._port.built.network
            root = self._module if network is None else network
            # A function, since a copy of the module would copy what its hooks are bound to.
            stack.callback(root.register_forward_pre_hook(lambda *_: self._begin_pass()).remove)
            inside: list[nn.Module] = []  # watched modules that are being called
            for module in self._module.modules():
                if module in self._drawing_dropouts.values():
                    continue
                if kind_of(module) == "dropout" or isinstance(module, nn.RNNBase):
                    stack.enter_context(self._watched(module, inside))
            if self._are_functions:
                stack.enter_context(_Functions(self.dropped_next, inside))
            yield

    def _begin_pass(self) -> None:
        self._number = 0

    def dropped_next(self, x: torch.Tensor, rate: float) -> torch.Tensor:
        """Returns what the next dropout of a pass in train mode returns."""
        number, self._number = self._number, self._number + 1
        pair = self._pairs[number] if number < len(self._pairs) else None
        drawing = None if pair is None else self._drawing.get(layer_of(pair))
        if pair is None or drawing is None or rate >= 1:
            return x
        shape = torch.Size(_keras_shape(pair, x))
        kept = drawing.draw(shape, x.dtype)
        mask = pair.native(kept.expand(shape).numpy(), x)
        if mask is None:
            return x
        return torch.where(mask != 0, x * (1 / (1 - rate)), torch.zeros_like(x))

    @contextmanager
    def _watched(self, module: nn.Module, inside: list[nn.Module]) -> Iterator[None]:
        """Replaces what a dropout, or a recurrent module with dropouts, returns in train mode."""

        def enter(each: nn.Module, arguments: Any) -> None:
            inside.append(each)

        def leave(each: Any, arguments: Any, output: Any) -> Any:
            inside.pop()
            if not each.training or inside:
                return None
            if not isinstance(each, nn.RNNBase):
                rate = float(getattr(each, "p", getattr(each, "rate", 0.0)))
                return self.dropped_next(arguments[0], rate)
            if each.dropout and is_stacked(each, arguments):
                return self._stacked(each, arguments)
            return None

        hooks = [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _stacked(self, module: nn.RNNBase, arguments: Any) -> Any:
        rate = float(module.dropout)

        def unchanged(part: Part) -> Any:
            return part.output if part.module is None else (part.output, part.states)

        return run_stacked(module, arguments, lambda _, x: self.dropped_next(x, rate), unchanged)


class _Functions(TorchFunctionMode):
    """Replaces `functional.dropout` and its likes outside of watched modules."""

    def __init__(
        self, dropped: Callable[[torch.Tensor, float], torch.Tensor], inside: list[nn.Module]
    ) -> None:
        super().__init__()
        self._dropped, self._inside = dropped, inside

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        keywords = keywords or {}
        if self._inside or kind_of_function(function) != "dropout":
            return function(*arguments, **keywords)
        named = dict(zip(("input", "p", "training"), arguments, strict=False)) | keywords
        x = named["input"]
        return self._dropped(x, float(named.get("p", 0.5))) if named.get("training", True) else x


def _is_function(call: Call) -> bool:
    return call.module is None and call.given is not None


def layer_of(pair: PairedLayer) -> str:
    """Returns the name of Keras's layer, without the number of its call."""
    return str(pair.node["name"]).partition("#")[0]


def _drawing(pair: PairedLayer, state: States) -> Dropout:
    """Returns a layer that draws what Keras's draws, in Keras's layout."""
    config = pair.node["config"]
    rate, (seed, num_calls) = float(config["rate"]), state
    # A SpatialDropout has no noise shape of its own.
    made = (
        Dropout(rate, seed, config["noise_shape"])
        if "noise_shape" in config
        else SpatialDropout(rate, seed)
    )
    made.num_calls = num_calls
    return made


def _keras_shape(pair: PairedLayer, x: torch.Tensor) -> list[int]:
    """Returns the shape of the input of Keras's dropout for that of the port's."""
    shape = [len(x), *pair.node["input_shapes"][0][1:]]
    if math.prod(shape) == x.numel():
        return shape
    # A side that the model leaves open: the axes are where they were in the probe.
    probed = list(pair.call.inputs[0].shape[1:])
    is_turned = x.ndim > 2 and probed != list(pair.node["input_shapes"][0][1:])
    return list(x.movedim(1, -1).shape if is_turned else x.shape)


def drawing_dropouts(port: PortUnderTest, states: Mapping[str, States]) -> dict[str, Dropout]:
    """Returns the layers of a port that draw as Keras's dropouts do, by the layer of Keras.

    One that stands for several layers of Keras has one generator, and they have several.

    Args:
        port: paired with Keras's layers.
        states: of the generators of Keras's layers.
    """
    names: dict[nn.Module, set[str]] = {}
    for pair in port.all_pairs:
        module = pair.call.module
        if module is not None and type(module) in (Dropout, SpatialDropout):
            names.setdefault(module, set()).add(layer_of(pair))
    found: dict[str, Dropout] = {}
    for module, (name, *others) in ((m, sorted(n)) for m, n in names.items()):
        if name in states and not others and isinstance(module, Dropout):
            found[name] = module
    return found


def _set_states(port: PortUnderTest, states: Mapping[str, States]) -> None:
    """Sets the states of layers that draw as Keras's do, and are no dropouts."""
    set_image_states(port, states)
    for pair in port.all_pairs:
        name = layer_of(pair)
        if name not in states or pair.call.module is None or pair.call.kind == "dropout":
            continue
        for module in pair.call.module.modules():
            if hasattr(module, "num_calls") and hasattr(module, "seed"):
                drawing: Any = module
                drawing.seed, drawing.num_calls = (int(value) for value in states[name])


# --- PhantomSteps: gives a port what Keras's steps without a batch have changed -------------------
#
# At the end of a stream of unknown length, Keras makes a step for which there is no batch: see
# `parity/halves/keras/program/steps.py`. No port does, and none should. So that the training
# behind it can be compared, the port gets the same counts, masks and weights.


class PhantomSteps:
    """The steps of a training.

    Args:
        port: that is trained.
        built: the same port, complete.
        masks: of its dropouts.
        steps: by the number of the epoch, as the Keras half recorded them.
    """

    def __init__(
        self, port: PortUnderTest, built: Port, masks: Masks, steps: Mapping[str, Any]
    ) -> None:
        self._port, self._built, self._masks, self._steps = port, built, masks, steps

    def after(self, epoch: int) -> bool:
        """Makes what belongs behind the last batch of an epoch; returns whether there is any."""
        recorded = self._steps.get(str(epoch))
        if recorded is None:
            return False
        built, number = self._built, int(recorded["count"])
        count_steps(built.optimizer, number, recorded["others"])
        for scheduler in built.schedulers if built.scheduler_interval == "step" else ():
            for _ in range(number):
                scheduler.step()
        self._masks.set_states(recorded["masks"])
        self._multiply(recorded["factors"])
        return True

    @torch.no_grad()
    def _multiply(self, factors: Mapping[str, float | None]) -> None:
        done: set[int] = set()
        for item in self._port.carried:
            if (factor := factors.get(item.name)) is None:
                continue
            for tensor in item.variable.tensors:
                if id(tensor) not in done:
                    tensor.mul_(factor)
                    done.add(id(tensor))


# --- What a port with seeds of its own draws: initial weights, masks, order of the samples --------
#
# seeded/init/NAME      initial weights, in Keras's layout seeded/masks/LAYER    (2,) seed and
# number of masks drawn so far, by the layer of Keras seeded/order          (N,) numbers of the
# samples in an epoch


def write_draws(port: PortUnderTest, nests: Mapping[str, Any], writer: PortWriter) -> None:
    """Writes what a port has drawn before its first step.

    Args:
        port: as its factory returned it, with `seeds`.
        nests: what Keras's `fit` is fed.
        writer: receives `seeded/…`.
    """
    seeds = port.built.seeds
    assert seeds is not None
    writer.put_all("seeded/init", port.weights())
    writer.put_all("seeded/masks", mask_states(port))
    if "order" in nests and port.keras.facts["fit"]["shuffle"]:
        writer.put("seeded/order", seeds.fit_order(len(nests["order"])).numpy())


def mask_states(port: PortUnderTest) -> dict[str, np.ndarray]:
    """Returns the states of the layers that draw masks as Keras's do, by the layer of Keras."""
    found = {}
    for pair in port.all_pairs:
        module: Any = pair.call.module
        if pair.call.kind == "dropout" and hasattr(module, "num_calls"):
            found[layer_of(pair)] = np.array([int(module.seed), int(module.num_calls)])
    return found
