"""Calls of torch that are several layers of Keras, run as the parts of which they consist."""

from __future__ import annotations

import inspect
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from parity.halves.torch.call import Call, flat_tensors, num_directions, padded, repacked
from torch_impl import layers
from torch_impl.layers.recurrent_cells import as_cell
from torch_impl.layouts import Variable, recurrent_variables, variables

# --------------------------------------------------------------------------------------------------
#
# Attention of torch, run as the functions of which it consists: projections, softmax, dropout.
#
# `F.scaled_dot_product_attention` and `F.multi_head_attention_forward`, which a
# torch.nn.MultiheadAttention calls, compute in one step what Keras's layer has in several calls.
# Run so, each of them is watched by itself, as in a port that writes them by hand.


def parts_of(function: Any, arguments: Any, keywords: Any) -> Callable[..., Any] | None:
    """Returns what computes the same in parts as a call of attention; None for other calls.

    None, too, for what Keras has not: added keys, and samples without a batch.
    """
    name = getattr(function, "__name__", "")
    if name == "scaled_dot_product_attention":
        return scaled_dot_product
    if name != "multi_head_attention_forward":
        return None
    given = _given(arguments, keywords)
    extras = ("bias_k", "bias_v", "static_k", "static_v", "add_zero_attn")
    is_more = any(given[name] is not None and given[name] is not False for name in extras)
    return None if is_more or given["query"].ndim != 3 else multi_head


def scaled_dot_product(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Does what torch's function of this name does; the arguments are its own."""
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(repeats, dim=-3) for x in (key, value))
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = torch.matmul(query * factor, key.transpose(-2, -1))
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    weights = _weights(scores, attn_mask)
    if dropout_p > 0:
        weights = F.dropout(weights, dropout_p, training=True)
    return torch.matmul(weights, value)


def _weights(scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Returns the softmax of scores; a query that may look nowhere gets zeros."""
    if mask is None:
        return F.softmax(scores, dim=-1)
    if mask.dtype != torch.bool:
        mask = mask.to(scores)
        allowed = ~torch.isneginf(mask)
        scores = torch.where(allowed, scores + mask, -math.inf)
    else:
        allowed = mask
        scores = torch.where(allowed, scores, -math.inf)
    is_dead = ~allowed.expand(scores.shape).any(dim=-1, keepdim=True)
    weights = F.softmax(torch.where(is_dead, 0.0, scores), dim=-1)
    return torch.where(is_dead, 0.0, weights)


_FORWARD = inspect.signature(F.multi_head_attention_forward)


def _given(arguments: Any, keywords: Any) -> dict[str, Any]:
    bound = _FORWARD.bind(*arguments, **keywords)
    bound.apply_defaults()
    return bound.arguments


def multi_head(*arguments: Any, **keywords: Any) -> Any:
    """Does what F.multi_head_attention_forward does; batches are (T, N, features), as there."""
    given = _given(arguments, keywords)
    query, key, value = (given[name].transpose(0, 1) for name in ("query", "key", "value"))
    num_heads = given["num_heads"]
    q, k, v = (
        _heads(F.linear(x, weight, bias), num_heads)
        for x, (weight, bias) in zip((query, key, value), _projections(given), strict=True)
    )
    mask = _mask(given, q, k)
    scores = torch.matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(-2, -1))
    weights = _weights(scores, mask)
    rate = given["dropout_p"]
    kept = F.dropout(weights, rate, training=given["training"]) if rate > 0 else weights
    heads = torch.matmul(kept, v)
    joined = heads.transpose(1, 2).flatten(2)
    output = F.linear(joined, given["out_proj_weight"], given["out_proj_bias"]).transpose(0, 1)
    if not given["need_weights"]:
        return output, None
    return output, weights.mean(dim=1) if given["average_attn_weights"] else weights


def _projections(given: Any) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    bias = given["in_proj_bias"]
    biases = [None] * 3 if bias is None else bias.chunk(3)
    if given["use_separate_proj_weight"]:
        weights = [given[f"{name}_proj_weight"] for name in ("q", "k", "v")]
    else:
        weights = given["in_proj_weight"].chunk(3)
    return list(zip(weights, biases, strict=True))


def _heads(x: torch.Tensor, num_heads: int) -> torch.Tensor:
    split: torch.Tensor = x.unflatten(-1, (num_heads, -1))
    return split.transpose(1, 2)


def _mask(given: Any, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor | None:
    """Returns both masks in one, True where a query may look; numbers are added to the scores."""
    mask: torch.Tensor | None = given["attn_mask"]
    padding: torch.Tensor | None = given["key_padding_mask"]
    batch, heads, num_queries = q.shape[:3]
    if mask is None and given["is_causal"]:
        mask = ~torch.ones(num_queries, k.shape[2], dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        if mask.ndim == 3:
            mask = mask.reshape(batch, heads, *mask.shape[1:])
        mask = ~mask if mask.dtype == torch.bool else mask
    if padding is None:
        return mask
    padding = padding[:, None, None]
    padding = ~(padding if padding.dtype == torch.bool else torch.isneginf(padding))
    if mask is None:
        return padding
    if mask.dtype == torch.bool:
        return mask & padding
    return torch.where(padding, mask, -math.inf)


# --- Activations that a program writes as a product: x * sigmoid(x) is SiLU -----------------------
#
# A product goes in. If one factor is an activation of the other, the product becomes one call, of
# the kind of the whole, and the activation in it is no call of its own any more.


# Kinds of the activations on the way to the second factor, from x -> kind of the product.
_PRODUCTS = {
    ("activation:sigmoid",): "activation:silu",
    ("activation:hard_sigmoid",): "activation:hard_silu",
    ("activation:softplus", "activation:tanh"): "activation:mish",
}
PART = "part of "  # before the kind of an activation that belongs to a product


def fuse_gate(product: Call, calls: Sequence[Call]) -> None:
    """Makes an activation of a product with an activation of the same tensor.

    Args:
        product: the call of a multiplication; changed if it is one.
        calls: the calls before it; those that belong to the product change their kind.
    """
    if len(product.inputs) != 2:
        return
    for number in (1, 0):
        x, source = product.inputs[1 - number], product.sources[number]
        chain = _chain(x, source, calls)
        kind = _PRODUCTS.get(tuple(call.kind for call in chain))
        if kind is None:
            continue
        product.run = _product(product.run, chain, number)
        product.kind, product.inputs = kind, [x]
        product.sources, product.origins = [chain[0].sources[0]], [chain[0].origins[0]]
        for call in chain:
            call.kind = PART + call.kind
        return


def _chain(x: torch.Tensor, source: int | None, calls: Sequence[Call]) -> list[Call]:
    """Returns the activations from a tensor to the output of a call; empty if there are others."""
    chain: list[Call] = []
    while source is not None and source >= 0 and len(chain) < 2:
        call = calls[source]
        if not call.kind.startswith("activation:") or len(call.inputs) != 1:
            break
        chain.insert(0, call)
        if call.inputs[0].shape == x.shape and torch.equal(call.inputs[0], x):
            return chain
        source = call.sources[0]
    return []


def _product(
    run: Callable[..., Any], chain: Sequence[Call], number: int
) -> Callable[[torch.Tensor], Any]:
    def whole(x: torch.Tensor) -> Any:
        y = x
        for call in chain:
            y = call.run(y)
        return run(x, y) if number else run(y, x)

    return whole


# --------------------------------------------------------------------------------------------------
#
# One dense layer of a port in the place of several of Keras: query, key and value together.
#
# Its outputs are those of the parts, in an order that only the port knows: block by block, or head
# by head. The facts of Keras and the calls of a port go in; for every possible order, the rows of
# each weight that belong to each part come out. The layer is then run part by part.


# Name of a weight -> the rows of each part, in Keras's order.
Fused = Mapping[str, Sequence[list[int]]]

_NAMES = re.compile("qkv|kv|in_proj|attn|attention", re.IGNORECASE)
_TOGETHER = (("query", "key", "value"), ("key", "value"), ("query", "key"))


@dataclass(frozen=True)
class _Part:
    """A projection of Keras: lengths of its kernel, and its heads."""

    num_inputs: int
    size: int
    num_heads: int


def run_fused(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    rows: Sequence[list[int]],
) -> torch.Tensor:
    """Does what F.linear does, part by part.

    Args:
        x: (..., in).
        weight: (out, in).
        bias: (out,) or None.
        rows: of each part; together, all of the weight.
    """
    # Not `x.new_zeros`, since the output is to come from the parts, and not from their input.
    output = torch.zeros((*x.shape[:-1], weight.shape[0]), dtype=x.dtype, device=x.device)
    for part in rows:
        made = F.linear(x, weight[part], None if bias is None else bias[part])
        places = torch.tensor(part, device=x.device)
        output = torch.index_copy(output, -1, places, made)
    return output


def fused_orders(
    facts: Mapping[str, Any], module: nn.Module, calls: Sequence[Call]
) -> Iterator[dict[str, list[list[int]]]]:
    """Yields what the fused layers of a port may be, the likeliest order first.

    All attentions of a port have the same order. Nothing is yielded without a fused layer.

    Args:
        facts: of Keras.
        module: the port.
        calls: of the port.
    """
    found = _layers(facts, module, calls)
    if not found:
        return
    orders = [list(_orders(parts)) for _, parts in found]
    for number in range(max(map(len, orders))):
        yield {
            name: list(options[min(number, len(options) - 1)])
            for (name, _), options in zip(found, orders, strict=True)
        }


def _layers(
    facts: Mapping[str, Any], module: nn.Module, calls: Sequence[Call]
) -> list[tuple[str, list[_Part]]]:
    """Returns the fused layers: the name of the weight, and the parts of Keras in it."""
    groups = _groups(facts)
    others = [_kernel(facts, node) for node in facts["nodes"]]
    kernels = _kernels(module, calls)
    found: list[tuple[str, list[_Part]]] = []
    for names in _TOGETHER:
        wanted = [[group[name] for name in names] for group in groups if _fits(group, names)]
        for shape in dict.fromkeys((parts[0].num_inputs, _size(parts)) for parts in wanted):
            same = [parts for parts in wanted if (parts[0].num_inputs, _size(parts)) == shape]
            likely = [name for name, other in kernels.items() if other == shape]
            number = len(likely) - others.count(shape)  # those that Keras has, too
            number = min(number, len(same))
            if number <= 0 or found:
                continue
            likely.sort(key=lambda name: not _NAMES.search(name))  # stable: then by their order
            chosen = [name for name in kernels if name in likely[:number]]
            found += zip(chosen, same, strict=False)
    return found


def _groups(facts: Mapping[str, Any]) -> list[dict[str, _Part]]:
    groups: dict[str, dict[str, _Part]] = {}
    for node in facts["nodes"]:
        part, kernel = node["config"].get("part"), _kernel(facts, node)
        if part in ("query", "key", "value") and kernel is not None:
            heads = int(node["config"]["num_heads"])
            groups.setdefault(node["config"]["attention"], {})[part] = _Part(*kernel, heads)
    return [group for group in groups.values() if len(group) == 3]


def _fits(group: Mapping[str, _Part], names: Sequence[str]) -> bool:
    return len({group[name].num_inputs for name in names}) == 1


def _size(parts: Sequence[_Part]) -> int:
    return sum(part.size for part in parts)


def _kernel(facts: Mapping[str, Any], node: Mapping[str, Any]) -> tuple[int, int] | None:
    """Returns inputs and outputs of a dense layer of Keras; None for others."""
    if node["kind"] != "dense":
        return None
    sides = [facts["weights"][name]["shape"] for name in node["weights"] if "kernel" in name]
    if len(sides) != 1:
        return None
    number = int(node["config"].get("kernel_inputs") or 1)
    inputs, outputs = sides[0][:number], sides[0][number:]
    return int(torch.Size(inputs).numel()), int(torch.Size(outputs).numel())


def _kernels(module: nn.Module, calls: Sequence[Call]) -> dict[str, tuple[int, int]]:
    """Returns the weights of the linear layers that a port calls: (in, out), by name."""
    names = {id(tensor): name for name, tensor in module.named_parameters()}
    found = {}
    for call in calls:
        weight = weight_of(call)
        if weight is not None and id(weight) in names:
            found[names[id(weight)]] = (int(weight.shape[1]), int(weight.shape[0]))
    return found


def weight_of(call: Call) -> torch.Tensor | None:
    """Returns the weight of a torch.nn.Linear, or of F.linear; None for other calls."""
    if isinstance(call.module, nn.Linear):
        return call.module.weight
    if call.given is None or getattr(call.given[0], "__name__", "") != "linear":
        return None
    _, arguments, keywords, _ = call.given
    weight = keywords.get("weight", arguments[1] if len(arguments) > 1 else None)
    return weight if isinstance(weight, torch.Tensor) and weight.ndim == 2 else None


def _orders(parts: Sequence[_Part]) -> Iterator[list[list[int]]]:
    """Yields the rows of each part: block by block, then head by head."""
    numbers = range(len(parts))
    for order in itertools.permutations(numbers):
        starts, place = {}, 0
        for number in order:
            starts[number] = place
            place += parts[number].size
        yield [list(range(starts[n], starts[n] + parts[n].size)) for n in numbers]
    if len({(part.size, part.num_heads) for part in parts}) > 1:
        return
    heads, count = parts[0].num_heads, len(parts)
    size = parts[0].size // heads
    whole = torch.arange(heads * size * count)
    for layout in ("nsd", "nds", "dsn"):
        sides = {"n": heads, "s": count, "d": size}
        rows = whole.reshape([sides[axis] for axis in layout])
        by_part = rows.permute([layout.index(axis) for axis in "snd"]).flatten(1)
        for order in itertools.permutations(numbers):
            yield [by_part[order.index(number)].tolist() for number in numbers]


# --------------------------------------------------------------------------------------------------
#
# A torch.nn.LSTM, GRU or RNN of several layers, run layer by layer as Keras's stacked layers are.
#
# The arguments of such a module go in. Its output comes out, and what every layer and every dropout
# between two layers took and gave, with the batch first. cuDNN and the fused layers are not used.


# (number of the dropout in the module, its input) -> what it returns.
Dropped = Callable[[int, torch.Tensor], torch.Tensor]


@dataclass
class Part:
    """One layer of a recurrent module; or a dropout after it, which has no module.

    Attributes:
        module: a module of one layer with the same parameters, batch first.
        given: input, (N, T, features).
        output: (N, T, features).
        states: what the layer returns beside its output.
        run: computes output and states from another input.
        weights: the variables of the layer.
    """

    module: nn.Module | None
    given: torch.Tensor
    output: torch.Tensor
    states: Any = None
    run: Callable[..., Any] | None = None
    weights: list[Variable] | None = None


def is_stacked(module: nn.Module, arguments: Any) -> bool:
    """Whether a module is a recurrent one of several layers, or has not the batch first."""
    if not isinstance(module, nn.RNNBase) or module.proj_size:
        return False
    if len(module._parameters) < len(module._flat_weights_names):  # some are computed
        return False
    if arguments and isinstance(arguments[0], PackedSequence):  # which has no order of axes
        return module.num_layers > 1
    is_batch = bool(arguments) and isinstance(arguments[0], torch.Tensor) and arguments[0].ndim == 3
    return is_batch and (module.num_layers > 1 or not module.batch_first)


def run_stacked(
    module: nn.RNNBase, arguments: Any, dropped: Dropped, receive: Callable[[Part], Any]
) -> tuple[Any, Any]:
    """Runs a recurrent module layer by layer.

    Args:
        module: see `is_stacked`.
        arguments: the input (N, T, features), or (T, N, features), or packed, and the first states.
        dropped: computes what a dropout between two layers returns; called in eval mode too.
        receive: receives each part in order, and returns what goes on in the place of its output:
            (output, states) of a layer, the output of a dropout.

    Returns:
        What the module returns.
    """
    packed = arguments[0] if isinstance(arguments[0], PackedSequence) else None
    if packed is not None:
        x = padded(packed)
    else:
        x = arguments[0] if module.batch_first else arguments[0].transpose(0, 1).contiguous()
    first = arguments[1] if len(arguments) > 1 else None
    directions = num_directions(module)
    found: list[Any] = []
    for number in range(module.num_layers):
        layer = single_layer(module, number)
        rows = slice(number * directions, (number + 1) * directions)
        initial = () if first is None else (_rows_of(first, rows),)
        run = _again(layer, initial, packed)
        output, states = run(x)
        weights = recurrent_variables(module, number)
        x, states = receive(Part(layer, x, output, states, run, weights))
        found.append(states)
        if module.dropout and number < module.num_layers - 1:
            x = receive(Part(None, x, dropped(number, x)))
    if isinstance(module, nn.LSTM):
        last: Any = tuple(torch.cat([states[n] for states in found]) for n in range(2))
    else:
        last = torch.cat(found)
    if packed is not None:
        return repacked(x, packed), last
    return x if module.batch_first else x.transpose(0, 1).contiguous(), last


def single_layer(module: nn.RNNBase, number: int) -> nn.RNNBase:
    """Returns a module of one layer, batch first, with the parameters of one layer of another."""
    kind: Any = next(k for k in (nn.LSTM, nn.GRU, nn.RNN) if isinstance(module, k))
    options: dict[str, Any] = {"nonlinearity": module.nonlinearity} if kind is nn.RNN else {}
    weight = getattr(module, f"weight_ih_l{number}")
    layer: nn.RNNBase = kind.__new__(kind)
    # Initial weights would be drawn in a call that is watched; and torch needs 0.7 s for the first.
    vars(layer)["reset_parameters"] = lambda: None
    kind.__init__(
        layer,
        weight.shape[1],
        module.hidden_size,
        bias=module.bias,
        batch_first=True,
        bidirectional=module.bidirectional,
        device="meta",
        **options,
    )
    del vars(layer)["reset_parameters"]
    for name in list(layer._parameters):
        setattr(layer, name, getattr(module, name.replace("_l0", f"_l{number}")))
    return layer.train(module.training)


def is_of_cells(module: nn.Module, arguments: Any) -> bool:
    """Whether a module is `torch_impl.layers.RNN` with several cells of that package."""
    if not isinstance(module, layers.RNN) or module.stateful or not arguments:
        return False
    cell = module.get_submodule(module.cell_name)
    return isinstance(cell, layers.StackedRNNCells) and not any(
        isinstance(inner, layers.StackedRNNCells) for inner in cell.children()
    )


def run_cells(module: layers.RNN, arguments: Any, receive: Callable[[Part], Any]) -> Any:
    """Runs a module of several cells cell by cell; see `run_stacked`."""
    stacked: Any = module.get_submodule(module.cell_name)
    x, *given = arguments
    initial = iter(flat_tensors(given[0] if given else []))
    last: list[torch.Tensor] = []
    for number, (name, cell) in enumerate(stacked.named_children()):
        is_last = number == len(stacked.names) - 1
        layer = layers.RNN(
            cell,
            name,
            return_sequences=module.return_sequences or not is_last,
            return_state=True,
            go_backwards=module.go_backwards and not number,
        ).train(module.training)
        states = [next(initial) for _ in range(as_cell(cell).num_states)] if given else None
        again = partial(layer, initial_state=states)
        output, *ended = again(x)
        weights = list(variables(layer))
        x, *ended = receive(Part(layer, x, output, tuple(ended), again, weights))
        last += flat_tensors(ended)
    return (x, *last) if module.return_state else x


def _rows_of(states: Any, rows: slice) -> Any:
    return tuple(s[rows] for s in states) if isinstance(states, tuple) else states[rows]


def _again(
    layer: nn.RNNBase, initial: tuple[Any, ...], packed: PackedSequence | None
) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> Any:
        if packed is None:
            return layer(x, *initial)
        output, states = layer(repacked(x, packed), *initial)
        return padded(output), states

    return run
