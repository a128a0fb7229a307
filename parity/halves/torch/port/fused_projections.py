"""One dense layer of a port in the place of several of Keras: query, key and value together.

Its outputs are those of the parts, in an order that only the port knows: block by block, or head by
head. The facts of Keras and the calls of a port go in; for every possible order, the rows of each
weight that belong to each part come out. The layer is then run part by part.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from parity.halves.torch.call import Call

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
            name: list(own[min(number, len(own) - 1)])
            for (name, _), own in zip(found, orders, strict=True)
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
        begins, place = {}, 0
        for number in order:
            begins[number] = place
            place += parts[number].size
        yield [list(range(begins[n], begins[n] + parts[n].size)) for n in numbers]
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
