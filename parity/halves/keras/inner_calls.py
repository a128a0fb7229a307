"""The calls inside of one layer of Keras: cells, dropouts, attention and constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.call import Call, first_of, given_masks_of, tensors_in, without_masks
from parity.halves.keras.kinds import kind_of, plain_config
from parity.halves.keras.rounding import Perturbation, moved, with_moved_constants

if TYPE_CHECKING:
    from parity.halves.keras.call import Calls


# --------------------------------------------------------------------------------------------------
#
# The dropouts inside a recurrent layer of Keras, as calls of their own in front of the layer.
#
# A layer that is about to be called goes in. Its masks are drawn here, so that a port can be given
# them, and the layer then takes them. One mask for all gates is a dropout of the input: the layer
# is given what it drops. A mask of the states, or of the input for a single gate, is a dropout of
# ones: a port multiplies by it.


_GATES = {4: "ifco", 3: "zrh"}  # number of masks -> Keras's gates, in order


@dataclass
class Drop:
    """One dropout inside a layer.

    Attributes:
        name: below that of the layer: "dropout", "recurrent_dropout.f", "backward_lstm.dropout".
        config: rate, and the shape of the mask if that is not the shape of its input.
        given: what it drops: the input of the layer, or ones.
        output: what is left of it.
        mask: bool, what is kept; None in eval mode.
    """

    name: str
    config: dict[str, Any]
    given: Any
    output: Any
    mask: np.ndarray | None


@dataclass
class Drops:
    """The dropouts inside a layer.

    Attributes:
        drops: in the order in which they are drawn.
        x: what the layer is given in the place of its input.
    """

    x: Any
    drops: list[Drop] = field(default_factory=list)


def cells_of(layer: Any) -> list[tuple[str, Any]]:
    """Returns the cells of a layer of Keras that draw masks, with the name of each direction.

    The name ends with a dot, and is empty if there is one direction. Cells that another one
    contains, and those of Keras 2, are left out.
    """
    if versions.IS_KERAS_2 or not versions.is_from_keras(layer):
        return []
    if isinstance(layer, keras.layers.Bidirectional):
        ways = [(f"{way.name}.", way) for way in (layer.forward_layer, layer.backward_layer)]
    else:
        ways = [("", layer)]
    found: list[tuple[str, Any]] = [(name, getattr(way, "cell", None)) for name, way in ways]
    return [
        (name, cell)
        for name, cell in found
        if hasattr(cell, "get_dropout_mask") and (cell.dropout or cell.recurrent_dropout)
    ]


@contextmanager
def drawn(layer: Any, x: Any, *, is_training: bool, tries: int) -> Iterator[Drops]:
    """Draws the masks of a layer; in the block, the layer takes them, and draws none.

    Args:
        layer: of any kind.
        x: its input, (N, T, ...).
        is_training: whether the masks are used.
        tries: masks that may be drawn, of which the first is used that drops something and keeps
            something.
    """
    found = Drops(x)
    cells = cells_of(layer)
    masks = [(name, cell, *_draw(cell, x, tries)) for name, cell in cells]
    rates = [(cell, cell.dropout) for _, cell in cells]
    first = [inputs for _, _, inputs, _ in masks]
    is_common = bool(first) and all(len(m) == 1 and _is_same(m[0], first[0][0]) for m in first)
    is_common = is_common and len(cells) == (2 if _is_both(layer) else 1)
    if is_common:
        factors = first[0][0][:, None]
        found.x = x * factors if is_training else tf.identity(x)
        kept = np.broadcast_to(factors.numpy() != 0, x.shape) if is_training else None
        config = {"rate": rates[0][1], "noise_shape": [None, 1, *[None] * (len(x.shape) - 2)]}
        found.drops.append(Drop("dropout", config, x, found.x, kept))
    for name, cell, inputs, states in masks:
        if not is_common:
            found.drops += _sides(f"{name}dropout", inputs, cell.dropout, is_training)
        rate = cell.recurrent_dropout
        found.drops += _sides(f"{name}recurrent_dropout", states, rate, is_training)
    try:
        for cell, _ in rates:
            if is_common:
                cell.dropout = 0.0
                cell.reset_dropout_mask()
        yield found
    finally:
        for cell, rate in rates:
            cell.dropout = rate
            cell.reset_dropout_mask()
            cell.reset_recurrent_dropout_mask()


def _is_both(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Bidirectional)


def _is_same(first: Any, second: Any) -> bool:
    return bool(np.array_equal(first.numpy(), second.numpy()))


def _draw(cell: Any, x: Any, tries: int) -> tuple[list[Any], list[Any]]:
    """Draws the masks of inputs and states, which the cell keeps; none of a rate of 1."""
    state = cell.seed_generator.state
    before = state.numpy()
    step, (first, *_) = x[:, 0], cell.get_initial_state(batch_size=x.shape[0])
    for number in range(tries):
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
        state.assign(before + np.array([0, number], before.dtype))
        found = (
            _listed(cell.get_dropout_mask(step)),
            _listed(cell.get_recurrent_dropout_mask(first)),
        )
        kept = [mask.numpy() != 0 for masks in found for mask in masks]
        if all(mask.any() and not mask.all() for mask in kept):
            break
    # Of a rate of 1, a cell with gates drops nothing.
    is_plain = isinstance(cell, keras.layers.SimpleRNNCell)
    used = [is_plain or rate < 1 for rate in (cell.dropout, cell.recurrent_dropout)]
    return found[0] if used[0] else [], found[1] if used[1] else []


def _listed(masks: Any) -> list[Any]:
    if masks is None:
        return []
    return list(masks) if isinstance(masks, list | tuple) else [masks]


def _sides(name: str, masks: Sequence[Any], rate: float, is_training: bool) -> Iterator[Drop]:
    """Yields the dropouts of ones."""
    gates = _GATES.get(len(masks), "")
    for number, mask in enumerate(masks):
        ones = tf.ones_like(mask)
        label = f"{name}.{gates[number]}" if gates else name
        output = mask if is_training else tf.identity(ones)
        yield Drop(label, {"rate": rate}, ones, output, mask.numpy() != 0 if is_training else None)


# --- Cells on top of one another in one RNN layer of Keras, as a layer for each cell --------------
#
# The layer computes all cells of a time step before the next step. A layer for each cell computes
# the same, one after the other; a PyTorch program is written so.


def layers_of(layer: Any, keywords: Mapping[str, Any]) -> list[Any]:
    """Returns a layer for each cell, from the first to the last; none for any other layer.

    They share the cells. A stateful layer stays whole, and so does one that is given a mask.

    Args:
        layer: of any kind.
        keywords: of its call.
    """
    if versions.IS_KERAS_2 or type(layer) is not keras.layers.RNN:
        return []
    cells = getattr(layer.cell, "cells", None)
    if not cells or layer.stateful or keywords.get("mask") is not None:
        return []
    if not all(versions.is_from_keras(cell) for cell in cells):
        return []
    return [
        keras.layers.RNN(
            cell,
            return_sequences=layer.return_sequences or number < len(cells) - 1,
            return_state=True,
            go_backwards=layer.go_backwards and number == 0,
            name=f"{layer.name}.{cell.name}",
            dtype=layer.dtype_policy,
        )
        for number, cell in enumerate(cells)
    ]


def states_of(layers: list[Any], states: Any) -> list[Any]:
    """Returns the first states of each layer, None for zeros; `states` may be in any nesting."""
    if states is None:
        return [None] * len(layers)
    places = iter(tf.nest.flatten(states))
    return [[next(places) for _ in layer.state_size] for layer in layers]


# --- The calls of recurrent layers that drop inputs or states, or that have several cells ---------
#
# A layer that is about to be called goes in. What it returns comes out, and a list of calls has its
# parts: the dropouts in front of the layer, or one call for each cell.


def add_recurrent(
    layer: Any, name: str, calls: Calls, call: Any, arguments: Any, keywords: Any
) -> Any:
    """Calls a recurrent layer that drops inputs or states; its dropouts are calls before it."""
    is_training = versions.is_training(layer, keywords)
    tries = calls.mask_tries if is_training else 1
    watched, calls.open = calls.open, []  # its masks are known
    try:
        with drawn(layer, arguments[0], is_training=is_training, tries=tries) as parts:
            given = (versions.with_masks_of(parts.x, arguments[0]), *arguments[1:])
            made = call(layer, *given, **keywords)
    finally:
        calls.open = watched
    for drop in parts.drops:
        whole = f"{name}.{drop.name}"
        calls.append(
            Call(whole, "dropout", None, [drop.given], drop.output, drop.mask, drop.config)
        )
    # Its dropouts have been taken out.
    config = {**plain_config(layer), "dropout": 0.0, "recurrent_dropout": 0.0}
    inputs = tensors_in((given, without_masks(keywords)))
    output = calls.perturbed(kind_of(layer), config, parts.x, made)
    output = versions.with_masks_of(output, made)
    noted = Call(name, kind_of(layer), layer, inputs, first_of(output), config=config)
    noted.given_masks = given_masks_of(inputs, keywords.get("mask"))
    calls.append(noted)
    calls.made_beside(output)
    return output


def call_cells(
    layer: Any,
    name: str,
    parts: list[Any],
    call_part: Callable[[Any, str, Any, Any], Any],
    arguments: Any,
    keywords: Any,
) -> Any:
    """Calls a layer of several cells, as a layer for each.

    Args:
        layer: of Keras.
        name: of its call.
        parts: a layer for each of its cells; see `stacked_cells.layers_of`.
        call_part: calls one of them, by its name, with arguments and keywords, and adds the call.
        arguments: of the layer.
        keywords: likewise.
    """
    x, *given = arguments
    initial_states = states_of(parts, given[0] if given else keywords.get("initial_state"))
    others = {key: value for key, value in keywords.items() if key not in ("initial_state", "mask")}
    last: list[Any] = []
    for part, cell, first in zip(parts, layer.cell.cells, initial_states, strict=True):
        options = others if first is None else {**others, "initial_state": first}
        x, *states = call_part(part, f"{name}.{cell.name}", (x,), options)
        last.append(states if isinstance(cell.state_size, list | tuple) else states[:1])
    return (x, *last) if layer.return_state else x


# --- Dropouts inside of an attention without projections, and inside of a TimeDistributed ---------
#
# A layer that is about to be called goes in. Each dropout inside of it comes out as a call of its
# own, with its mask, so that a port can be given the masks; in eval mode it drops nothing.


@dataclass
class Dropped:
    """One dropout of a call.

    Attributes:
        config: its rate.
        given: what it drops.
        output: what is left of it.
        mask: bool, what is kept; None in eval mode.
        name: below that of the layer, such as "recurrent_dropout.f" of a recurrent layer.
    """

    config: dict[str, Any]
    given: Any
    output: Any
    mask: np.ndarray | None
    name: str = "dropout"


def has_dropouts(layer: Any) -> bool:
    """Whether a layer has dropouts inside that can be told."""
    if versions.IS_KERAS_2 or not versions.is_from_keras(layer):
        return False
    if isinstance(layer, keras.layers.Attention):
        return bool(layer.dropout > 0)
    if not isinstance(layer, keras.layers.TimeDistributed):
        return False
    return _is_dropout(layer.layer) or bool(cells_of(layer.layer))


def _is_dropout(layer: Any) -> bool:
    return kind_of(layer) == "dropout" and layer.rate > 0


def add_with_dropouts(
    layer: Any, name: str, calls: Calls, call: Any, arguments: Any, keywords: Any
) -> Any:
    """Calls a layer with dropouts inside, which are calls before it."""
    is_training = versions.is_training(layer, keywords)
    calls.notes_draws = False  # its masks are known
    try:
        tries = calls.mask_tries if is_training else 1
        with noted_dropouts(layer, is_training=is_training, tries=tries) as dropped:
            made = call(layer, *arguments, **keywords)
    finally:
        calls.notes_draws = True
    counts: Counter[str] = Counter()
    for one in dropped:
        counts[one.name] += 1
        number = counts[one.name]
        label = f"{name}.{one.name}" if number == 1 else f"{name}.{one.name}#{number}"
        calls.append(Call(label, "dropout", None, [one.given], one.output, one.mask, one.config))
    inputs = tensors_in((arguments, without_masks(keywords)))
    config = {**plain_config(layer), "dropout": 0.0}  # its dropouts have been taken out
    output = calls.perturbed(kind_of(layer), config, inputs[0] if inputs else None, made)
    output = versions.with_masks_of(output, made)
    noted = Call(name, kind_of(layer), layer, inputs, first_of(output), config=config)
    noted.given_masks = given_masks_of(inputs, keywords.get("mask"))
    calls.append(noted)
    calls.made_beside(output)
    return output


@contextmanager
def noted_dropouts(layer: Any, *, is_training: bool, tries: int) -> Iterator[list[Dropped]]:
    """Notes the dropouts of a layer that is called in the block.

    Args:
        layer: one for which `has_dropouts` holds.
        is_training: whether it drops.
        tries: masks that may be drawn, of which the first is used that drops something and keeps
            something.
    """
    found: list[Dropped] = []
    if isinstance(layer, keras.layers.Attention):
        with _of_weights(layer, found, is_training, tries):
            yield found
        return
    inner = layer.layer
    original = inner.call
    if cells_of(inner):
        with _replaced(inner, "call", _recurrent_call(inner, found, is_training, tries)):
            yield found
        return

    def call(x: Any, training: bool = False) -> Any:
        kept, output = None, tf.identity(x)
        if is_training:
            state = inner.seed_generator.state
            factors, kept = _drawn(lambda: original(tf.ones_like(x), training=True), state, tries)
            output = x * factors
        found.append(Dropped({"rate": inner.rate}, x, output, kept))
        return output

    with _replaced(inner, "call", call):
        yield found


def _recurrent_call(
    inner: Any, found: list[Dropped], is_training: bool, tries: int
) -> Callable[..., Any]:
    """Returns the call of a recurrent layer for one step, which notes the dropouts inside of it."""
    original = inner.call

    def call(x: Any, *arguments: Any, **keywords: Any) -> Any:
        with drawn(inner, x, is_training=is_training, tries=tries) as parts:
            output = original(parts.x, *arguments, **keywords)
        found.extend(Dropped(d.config, d.given, d.output, d.mask, d.name) for d in parts.drops)
        return output

    return call


@contextmanager
def _of_weights(layer: Any, found: list[Dropped], is_training: bool, tries: int) -> Iterator[None]:
    """Notes what an attention drops of its weights."""
    random: Any = keras.src.backend.random  # a layer looks the function up when it is called
    dropout, apply_scores = random.dropout, layer._apply_scores

    def watched(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
        kept, output = None, tf.identity(inputs)
        if is_training:
            ones = tf.ones_like(inputs)
            factors, kept = _drawn(
                lambda: dropout(ones, rate, noise_shape=noise_shape, seed=seed), seed.state, tries
            )
            output = inputs * factors
        found.append(Dropped({"rate": rate}, inputs, output, kept))
        return output

    def always(*arguments: Any, training: bool = False, **keywords: Any) -> Any:
        return apply_scores(*arguments, training=True, **keywords)

    random.dropout = watched
    try:
        with _replaced(layer, "_apply_scores", always):
            yield
    finally:
        random.dropout = dropout


def _drawn(draw: Callable[[], Any], state: Any, tries: int) -> tuple[Any, np.ndarray]:
    """Returns the factors of a mask, and what it keeps.

    Args:
        draw: returns what is left of ones.
        state: of the generator, which is moved on by each further try.
        tries: at most.
    """
    before = state.numpy()
    for number in range(tries):
        state.assign(before + np.array([0, number], before.dtype))
        factors = draw()
        kept: np.ndarray = factors.numpy() != 0
        if kept.any() and not kept.all():
            break
    return factors, kept


@contextmanager
def _replaced(layer: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    object.__setattr__(layer, name, function)
    try:
        yield
    finally:
        object.__delattr__(layer, name)


# --- What is in float32 where no call of its own is seen: in a user's code, in wrapped layers -----
#
# In a perturbed pass, what is computed with such a constant, or in float32, is moved by as much as
# that may change it, as `rounding.py` moves the output of a call.


# Functions of tf.nn that compute with a constant in float32: those of keras.ops call them.
_FUNCTIONS = ("leaky_relu", "gelu")
# Layers that do so.
_LAYERS = ("rescaling", "normalization")


@contextmanager
def moved_functions(perturbation: Perturbation, is_inside: Callable[[], bool]) -> Iterator[None]:
    """Moves what such functions return in the block.

    Args:
        perturbation: of the pass.
        is_inside: whether the code that runs is that of a user, or of a layer inside of a wrapper.
    """
    before = {name: getattr(tf.nn, name) for name in _FUNCTIONS}
    resize, generator = tf.image.resize, np.random.default_rng(perturbation.seed)

    def moving(name: str, function: Any) -> Any:
        @wraps(function)
        def called(features: Any, *arguments: Any, **keywords: Any) -> Any:
            output = function(features, *arguments, **keywords)
            if not is_inside():
                return output
            kind = f"activation:{name}"
            sign = perturbation.sign_of(kind)
            return with_moved_constants(kind, {}, features, output, sign)

        return called

    @wraps(resize)
    def resized(images: Any, *arguments: Any, **keywords: Any) -> Any:
        """Moves what TensorFlow computes in float32, whatever it is given, but the nearest."""
        output = resize(images, *arguments, **keywords)
        method = arguments[1] if len(arguments) > 1 else keywords.get("method", "bilinear")
        if not is_inside() or output.dtype != tf.float32 or not output.shape.is_fully_defined():
            return output
        # In float64, in which it goes on: a unit in the last place of float32 would be rounded off.
        config, given = {"interpolation": method}, tf.cast(output, tf.float64)
        sign = perturbation.sign_of("upsampling")
        return moved("upsampling", config, images, given, generator, sign=sign)

    for name, function in before.items():
        setattr(tf.nn, name, moving(name, function))
    tf.image.resize = resized
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(tf.nn, name, function)
        tf.image.resize = resize


def moved_layer(perturbation: Perturbation, layer: Any, given: Any, output: Any) -> Any:
    """Returns the output of a layer inside of a wrapper, moved if it has such a constant."""
    kind = kind_of(layer)
    if kind not in _LAYERS or not tf.is_tensor(output):
        return output
    sign = perturbation.sign_of(kind)
    return with_moved_constants(kind, plain_config(layer), given, output, sign)
