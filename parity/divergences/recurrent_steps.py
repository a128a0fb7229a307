"""What Keras's recurrent layers and layers with masks compute, in NumPy, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from parity.data.probe_inputs import short_name
from parity.divergences import arithmetic

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.traces.trace import KerasTrace


# --------------------------------------------------------------------------------------------------
#
# What Keras's recurrent layers compute, in NumPy: the states of all steps, from weights and input.
#
# Source: keras 3.15 `layers/rnn/`.


KINDS = ("lstm", "gru", "simple_rnn", "conv_lstm")
# Keras's class of a layer in a bidirectional one -> kind.
OF_CLASS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "simple_rnn"}

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Cell:
    """Kind, weights and settings of one direction.

    Attributes:
        kind: "lstm", "gru", "simple_rnn" or "conv_lstm".
        weights: kernel, recurrent kernel and bias (or None) in Keras's layout.
        activation: of the state.
        inner: of the gates.
        config: of the Keras layer.
    """

    kind: str
    weights: tuple[np.ndarray, np.ndarray, np.ndarray | None]
    activation: Function
    inner: Function
    config: Mapping[str, Any]

    @property
    def units(self) -> int:
        """Number of units, or of filters."""
        return int(self.weights[1].shape[-2])

    @property
    def num_gates(self) -> int:
        """Number of gates."""
        return int(self.weights[1].shape[-1]) // self.units

    def with_gates(self, order: Sequence[int]) -> Cell:
        """Returns the cell with its gates in another order."""
        parts = [
            None
            if weight is None
            else np.concatenate([np.split(weight, len(order), axis=-1)[n] for n in order], axis=-1)
            for weight in self.weights
        ]
        kernel, recurrent, bias = parts
        assert kernel is not None
        assert recurrent is not None
        return Cell(self.kind, (kernel, recurrent, bias), self.activation, self.inner, self.config)


def walked(
    cell: Cell,
    x: np.ndarray,
    states: Sequence[np.ndarray] = (),
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns h and c after every step, (N, T, ...); without a c, h twice.

    Args:
        cell: of a layer.
        x: (N, T, ...) in the order in which it is walked.
        states: the first ones; zeros if there are none.
        mask: (N, T), true where a step counts; the others keep the states.
    """
    kernel, _, bias = cell.weights
    biases: Any = np.zeros((2, kernel.shape[-1]))
    if bias is not None:
        biases[: bias.ndim] = bias
    given = [_of_input(cell, x[:, step], kernel) + biases[0] for step in range(x.shape[1])]
    h = c = np.zeros((*given[0].shape[:-1], cell.units))
    if states:
        h, c = states[0], states[-1]
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for step, a in enumerate(given):
        made = _stepped(cell, a, h, c, biases[1])
        if mask is not None:
            counts = mask[:, step, None]
            made = np.where(counts, made[0], h), np.where(counts, made[1], c)
        h, c = made
        found.append(made)
    return np.stack([h for h, _ in found], axis=1), np.stack([c for _, c in found], axis=1)


def _stepped(
    cell: Cell, a: np.ndarray, h: np.ndarray, c: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (h, c) after a step; without a c, h twice.

    Args:
        cell: of the layer.
        a: what the input gives of each gate, with the bias, (N, ..., gates * units).
        h: the state before the step, (N, ..., units).
        c: that of an LSTM's cell.
        bias: the second one of a GRU, (gates * units,); zeros without one.
    """
    recurrent = cell.weights[1]
    if cell.kind == "simple_rnn":
        h = cell.activation(a + h @ recurrent)
        return h, h
    if cell.kind == "gru":
        parts, others = np.split(a, 3, axis=-1), np.split(h @ recurrent + bias, 3, axis=-1)
        z, r = (cell.inner(parts[n] + others[n]) for n in (0, 1))
        inside = r * others[2]
        if not cell.config.get("reset_after", True):
            inside = (r * h) @ np.split(recurrent, 3, axis=-1)[2]
        h = z * h + (1 - z) * cell.activation(parts[2] + inside)
        return h, h
    i, f, g, o = np.split(a + _of_state(cell, h, recurrent), 4, axis=-1)
    c = cell.inner(f) * c + cell.inner(i) * cell.activation(g)
    return cell.inner(o) * cell.activation(c), c


def cell_of(
    keras: KerasTrace, names: Iterable[str], config: Mapping[str, Any], kind: str
) -> Cell | None:
    """Returns the cell of a layer of Keras; None if its weights or activations are not known.

    Args:
        keras: has the weights.
        names: of its weights.
        config: of the layer; of one direction, that of the inner one.
        kind: as of `Cell`.
    """
    by_name = {short_name(name): keras[f"weights/{name}"] for name in names}
    outer, inner = (
        arithmetic.ACTIVATIONS.get(str(config.get(name) or "linear"))
        for name in ("activation", "recurrent_activation")
    )
    kernel, recurrent = by_name.get("kernel"), by_name.get("recurrent_kernel")
    if kernel is None or recurrent is None or outer is None or inner is None:
        return None
    return Cell(kind, (kernel, recurrent, by_name.get("bias")), outer, inner, config)


def recorded(evidence: Evidence, node: Mapping[str, Any], number: int) -> np.ndarray | None:
    """Returns what Keras's layer gets as one of its inputs; None if that is not recorded."""
    key = f"forward/{evidence.mode}/{node['name']}/input/{number}"
    return evidence.keras[key] if key in evidence.keras else None  # noqa: SIM401  # no `get`


def recorded_cell(evidence: Evidence, node: Mapping[str, Any]) -> Cell | None:
    """Returns the cell of a layer of Keras, which is no bidirectional one; see `cell_of`."""
    return cell_of(evidence.keras, node["weights"], node["config"], node["kind"])


def first_states(evidence: Evidence, node: Mapping[str, Any]) -> list[np.ndarray]:
    """Returns the states that a layer is handed, h before c; none if it begins by itself."""
    given = (recorded(evidence, node, number) for number in (1, 2))
    return [state for state in given if state is not None]


def in_walked_order(config: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """Returns (N, T, ...) values in the order in which a layer walks over their steps."""
    return x[:, ::-1] if config.get("go_backwards") else x


def _of_input(cell: Cell, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    if cell.kind != "conv_lstm":
        return np.asarray(x @ kernel)
    ones = [1] * (x.ndim - 2)
    strides, dilation = (cell.config.get(name) or ones for name in ("strides", "dilation_rate"))
    return _convolved(x, kernel, cell.config.get("padding") == "same", strides, dilation)


def _of_state(cell: Cell, h: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    if cell.kind != "conv_lstm":
        return np.asarray(h @ kernel)
    ones = [1] * (h.ndim - 2)
    return _convolved(h, kernel, True, ones, ones)


def _convolved(
    x: np.ndarray,
    kernel: np.ndarray,
    is_same: bool,
    strides: Sequence[int],
    dilation: Sequence[int],
) -> np.ndarray:
    sides = x.shape[1:-1]
    padding = [(0, 0)] * len(sides)
    if is_same:
        padding = arithmetic.same_padding(sides, kernel.shape[:-2], strides, dilation)
    return arithmetic.conv(x, kernel, None, strides, padding, dilation)


# --------------------------------------------------------------------------------------------------
#
# What Keras's layers make of a sequence with a mask, in NumPy: for trials with other masks.
#
# A node of Keras's trace and its inputs go in, with the mask that is tried; its output comes out.


Array = np.ndarray
RECURRENT = ("lstm", "gru", "simple_rnn")
ATTENTION = ("unknown:Attention", "attention")
MASKED = (*RECURRENT, "bidirectional", "global_average_pool", "batch_norm", *ATTENTION)


def given_mask(keras: KerasTrace, mode: str, name: str, number: int = 0) -> Array | None:
    """Returns the mask of an input of a layer, (N, T); None if it has none that masks a step."""
    key = f"counted/{mode}/{name}/given/{number}"
    if key not in keras:
        return None
    array: Array = keras[key]
    return array


def masks_of(keras: KerasTrace, mode: str, node: Mapping[str, Any]) -> list[Array | None]:
    """Returns the masks of all inputs of a layer: see `given_mask`."""
    number = max(len(node["input_shapes"]), 1)
    return [given_mask(keras, mode, node["name"], n) for n in range(number)]


def is_masked(keras: KerasTrace, mode: str, node: Mapping[str, Any]) -> bool:
    """Whether an input of a layer has a mask that masks a step."""
    return any(mask is not None for mask in masks_of(keras, mode, node))


def inputs_of(keras: KerasTrace, mode: str, node: Mapping[str, Any]) -> list[Array]:
    """Returns what a layer is given in Keras."""
    prefix = f"forward/{mode}/{node['name']}/input"
    return [keras[f"{prefix}/{number}"] for number in range(len(node["input_shapes"]))]


def chain_output(
    keras: KerasTrace,
    mode: str,
    node: Mapping[str, Any],
    chain: Sequence[Mapping[str, Any]],
    inputs: Sequence[Array],
    masks: Sequence[Array | None],
    *,
    keeps: bool = True,
) -> Array | None:
    """Returns what is made behind a layer that is computed with other masks; None if not known.

    Args:
        keras: has the weights.
        mode: of the pass.
        node: of the layer.
        chain: the layers behind it, each with one input.
        inputs: of the layer.
        masks: of its inputs.
        keeps: whether the layers behind it have their own masks, and not none.
    """
    value = output_of(keras, node, inputs, masks)
    for after in chain:
        if value is None:
            return None
        kept = masks_of(keras, mode, after)
        value = output_of(keras, after, [value], kept if keeps else [None for _ in kept])
    return value


def output_of(
    keras: KerasTrace,
    node: Mapping[str, Any],
    inputs: Sequence[Array],
    masks: Sequence[Array | None],
) -> Array | None:
    """Returns the output of a layer, in train mode where it matters; None if it is not known here.

    Args:
        keras: has the weights.
        node: of the layer.
        inputs: (N, T, C) each.
        masks: of the inputs, (N, T), or None; of a bidirectional layer one for each direction, or
            one for both.
    """
    kind, x = str(node["kind"]), inputs[0]
    if kind in ("global_average_pool", "global_max_pool"):
        return _pooled(kind, x, masks[0], bool(node["config"].get("keepdims")))
    if kind in RECURRENT:
        return recurrent_output(keras, node, node["config"], kind, x, masks[0])
    if kind == "bidirectional":
        return _both_ways(keras, node, x, masks if len(masks) > 1 else [masks[0]] * 2)
    if kind == "batch_norm":
        return _normalised(keras, node, x, masks[0])
    if kind in ATTENTION:
        return _attention(node, inputs, masks)
    return None


def _pooled(kind: str, x: Array, mask: Array | None, keepdims: bool) -> Array:
    counts = np.ones(x.shape[:2], bool) if mask is None else mask
    if kind == "global_max_pool":
        return np.asarray(np.where(counts[..., None], x, -np.inf).max(1, keepdims=keepdims))
    total = np.where(counts[..., None], x, 0.0).sum(1, keepdims=keepdims)
    number = counts.sum(1, keepdims=keepdims)[..., None] if keepdims else counts.sum(1)[:, None]
    return np.asarray(total / np.maximum(number, 1))


def recurrent_output(
    keras: KerasTrace,
    node: Mapping[str, Any],
    config: Mapping[str, Any],
    kind: str,
    x: Array,
    mask: Array | None,
    *,
    of: str = "",
    is_whole: bool | None = None,
) -> Array | None:
    """Returns what a recurrent layer returns; None if its weights or activations are not known.

    Args:
        keras: has the weights.
        node: of the layer, or of the bidirectional layer around it.
        config: of the layer itself.
        kind: of the layer itself.
        x: (N, T, C).
        mask: (N, T), or None.
        of: a part of the names of its weights.
        is_whole: whether all steps are returned; None: as the config says.
    """
    cell = cell_of(keras, [name for name in node["weights"] if of in name], config, kind)
    if cell is None or x.ndim != 3:
        return None
    if config.get("go_backwards"):
        x, mask = x[:, ::-1], None if mask is None else mask[:, ::-1]
    found = walked(cell, x, mask=mask)[0]
    whole = bool(config.get("return_sequences")) if is_whole is None else is_whole
    return found if whole else found[:, -1]


def _both_ways(
    keras: KerasTrace, node: Mapping[str, Any], x: Array, masks: Sequence[Array | None]
) -> Array | None:
    config = node["config"]
    inner = config["layer"]["config"]
    kind = OF_CLASS[config["layer"]["class_name"]]
    parts = []
    for number, (of, mask) in enumerate(zip(("forward", "backward"), masks, strict=True)):
        cell_config = {**inner, "go_backwards": bool(number)}
        part = recurrent_output(keras, node, cell_config, kind, x, mask, of=of)
        if part is None:
            return None
        parts.append(part[:, ::-1] if number and part.ndim == 3 else part)
    mode = config.get("merge_mode")
    if mode == "concat":
        return np.concatenate(parts, axis=-1)
    if mode == "mul":
        return np.asarray(parts[0] * parts[1])
    return np.asarray((parts[0] + parts[1]) / (2 if mode == "ave" else 1))


def _normalised(keras: KerasTrace, node: Mapping[str, Any], x: Array, mask: Array | None) -> Array:
    mean, variance = moments(x, mask)
    y = (x - mean) / np.sqrt(variance + node["config"]["epsilon"])
    parts = {short_name(name): keras[f"weights/{name}"] for name in node["weights"]}
    return np.asarray(y * parts.get("gamma", 1.0) + parts.get("beta", 0.0))


def moments(x: Array, mask: Array | None) -> tuple[Array, Array]:
    """Returns mean and variance of each channel over the steps that count."""
    values = x.reshape(-1, x.shape[-1]) if mask is None else x[mask]
    return values.mean(0), values.var(0)


def _attention(
    node: Mapping[str, Any], inputs: Sequence[Array], masks: Sequence[Array | None]
) -> Array | None:
    config = node["config"]
    if config.get("score_mode", "dot") != "dot" or node["weights"] or config.get("use_causal_mask"):
        return None
    query, value = inputs[0], inputs[1]
    key = inputs[2] if len(inputs) > 2 else value
    scores = query @ np.swapaxes(key, -1, -2)
    if len(masks) > 1 and masks[1] is not None:
        scores = np.where(masks[1][:, None], scores, -1e9)
    made = special.softmax(scores, axis=-1) @ value
    return np.asarray(made if masks[0] is None else np.where(masks[0][..., None], made, 0.0))
