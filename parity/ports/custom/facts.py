"""What the Keras half says of the user's code, and what has its shapes in a twin."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.ports.form import literal
from parity.ports.program import distinct, member_name
from torch_impl.keras_config.planned import Planned
from torch_impl.masks import is_mask

# --- The nests of tensors that a stub takes: their types, and their shapes in words ---------------
#
# What `parity.halves.keras.check.custom_layers` tells goes in. Text comes out.


Nest = Mapping[str, Any]
TENSOR = "torch.Tensor"


def type_of(nest: Nest | None) -> str:
    """Returns the type of an argument; None: it is one tensor."""
    if nest is None or "shape" in nest:
        return TENSOR
    is_dict = "dict" in nest
    inner = [each for _, each in nest["dict"]] if is_dict else nest["list"]
    kinds = " | ".join(dict.fromkeys(map(type_of, inner)))
    return f"dict[str, {kinds}]" if is_dict else f"list[{kinds}]"


def nest_text(nest: Nest) -> str:
    """Returns a nest with its shapes: '{"a": (N, 3), "b": (N, 3)}'."""
    if "shape" in nest:
        return shape_text(nest["shape"])
    if "dict" in nest:
        inner = [f"{literal(key)}: {nest_text(each)}" for key, each in nest["dict"]]
        return f"{{{', '.join(inner)}}}"
    return f"[{', '.join(map(nest_text, nest['list']))}]"


def shape_text(shape: Sequence[int | None]) -> str:
    """Returns a shape with a batch of N: "(N, 3)"; "?" stands for a size that varies."""
    parts = ["N", *("?" if size is None else str(size) for size in shape[1:])]
    return f"({', '.join(parts)})" if len(parts) > 1 else "(N,)"


# --- What the Keras half tells of the user's own code, and what has its shapes in a twin ----------
#
# Facts of layers go in: `StandIn` runs in the place of one; weights and draws have paths below it.


Facts = Mapping[str, Any]
NOTHING: Facts = {
    **{"layers": {}, "functions": {}, "losses": {}, "schedules": {}, "inlined": {}},
    **{"rules": {}, "problems": [], "refused": []},
}


@dataclass(frozen=True)
class OwnFunction:
    """A function of the user's; called, it returns what has the shapes that Keras's returns.

    Attributes:
        name: of the function in the source that is written.
        keras: its name in Keras.
        number: tells it from the other functions of the user's.
        source: "file", "line" and "text" of it, and "values" of names in it.
        users: what uses it: "layer 'dense'".
        arguments: that it gets beside its input, by name.
        layout: of its input, in words.
        layer: of the Lambda; None: the function is an activation.
    """

    name: str
    keras: str
    number: int
    source: Facts
    users: list[str]
    arguments: Facts
    layout: str
    layer: StandIn | None = None

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Returns the input, or what the Lambda with this function returns."""
        return inputs[0] if self.layer is None else self.layer(*inputs)


class StandIn(nn.Module):
    """A layer of the user's, which returns random numbers of the shapes that Keras's has.

    If its code makes a mask, `compute_mask` returns a random one, another for each input.

    Args:
        facts: of the layer.
        written: what makes the layer in the source that is written; None: it is a Lambda, or has
            none.
    """

    def __init__(self, facts: Facts, written: Planned | None = None) -> None:
        super().__init__()
        self.written = written
        self._calls = facts["calls"]
        self.supports_masking = facts["passes_masks"]
        if facts.get("mask"):
            self.compute_mask = partial(_random_mask, facts["mask"])
        names = [name for name, *_ in facts["call"]]
        self.mask_arguments = frozenset(filter(is_mask, names))
        self.positional_names = tuple(names)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Returns what the call with these inputs returns."""
        given = list(_tensors([inputs, {k: v for k, v in options.items() if not is_mask(k)}]))
        call = next((each for each in self._calls if _fits(each["inputs"], given)), self._calls[0])
        made = [
            _drawn(_sizes(shape, call["inputs"], given), dtype, given)
            for shape, dtype in zip(call["outputs"], call["dtypes"], strict=True)
        ]
        return made[0] if len(made) == 1 else tuple(made)


def _random_mask(shape: Sequence[int | None], inputs: Any, mask: Any = None) -> torch.Tensor:
    """Returns a mask of an output, of which most steps count.

    Args:
        shape: of Keras's; an open side is that of the first input.
        inputs: of the layer.
        mask: of these.
    """
    first = next(_tensors(inputs))
    sizes = [first.shape[axis] if side is None else side for axis, side in enumerate(shape)]
    generator = np.random.default_rng(zlib.crc32(first.detach().numpy().tobytes()))
    return torch.from_numpy(generator.random(sizes) < 0.7)


def _tensors(nest: Any) -> Iterator[torch.Tensor]:
    if isinstance(nest, torch.Tensor):
        yield nest
    elif isinstance(nest, Mapping):
        for key in sorted(nest):
            yield from _tensors(nest[key])
    elif isinstance(nest, list | tuple):
        for each in nest:
            yield from _tensors(each)


def _fits(shapes: Sequence[Sequence[int | None]], given: Sequence[torch.Tensor]) -> bool:
    return len(shapes) == len(given) and all(
        len(shape) == x.ndim
        and all(side in (None, size) for side, size in zip(shape, x.shape, strict=True))
        for shape, x in zip(shapes, given, strict=True)
    )


def _sizes(
    shape: Sequence[int | None],
    inputs: Sequence[Sequence[int | None]],
    given: Sequence[torch.Tensor],
) -> list[int]:
    """Returns the shape of an output; an open side is that of an input which is open, too."""
    sizes = [len(given[0])]
    for axis, side in enumerate(shape[1:], 1):
        if side is None:
            open_sides = [
                (number != axis, size)
                for one, x in zip(inputs, given, strict=False)
                for number, size in enumerate(x.shape)
                if number and number < len(one) and one[number] is None
            ]
            side = min(open_sides)[1] if open_sides else 1
        sizes.append(side)
    return sizes


def _drawn(sizes: list[int], dtype: str, given: Sequence[torch.Tensor]) -> torch.Tensor:
    generator = np.random.default_rng(sum(sizes))
    made = torch.from_numpy(np.array(generator.uniform(size=sizes)))
    if not dtype.startswith("float"):
        return (made * 2).to(getattr(torch, dtype))
    real = [x.dtype for x in given if x.is_floating_point()]
    return made.to(real[0] if real else torch.get_default_dtype())


def renamed(weights: Mapping[str, np.ndarray], custom: Facts) -> dict[str, np.ndarray]:
    """Returns weights by paths, those of the user's layers by their paths below these.

    The first part of such a path is the name of the layer, the others are attributes.

    Args:
        weights: by their names in the trace of the Keras half, with "/" behind the layer.
        custom: facts of the user's own code.
    """
    names = paths_in(custom)
    return {names.get(name, name): array for name, array in weights.items()}


def paths_in(custom: Facts) -> dict[str, str]:
    """Returns the paths of weights in code of the user's, by their names in `renamed`."""
    names = {
        weight["weight"].replace(".", "/", 1): f"{layer}/{at}"
        for layer, facts in custom["layers"].items()
        for at, weight in weights_of(facts)
    }
    return names | {name.replace(".", "/", 1): path for name, path in custom["inlined"].items()}


def draws_in(custom: Facts) -> list[tuple[str, int]]:
    """Returns (path, number of the draw) of what the user's layers draw."""
    found = []
    for layer, facts in custom["layers"].items():
        drawn = [(at, weight["draw"]) for at, weight in weights_of(facts)]
        found += [(f"{layer}/{at}", n) for at, n in [*drawn, *seeds_of(facts)] if n is not None]
    return sorted(found, key=lambda draw: draw[1])


def left_out_of(custom: Facts, adding: Collection[str]) -> list[str]:
    """Returns a sentence for each part of the user's layers that a port lacks.

    Args:
        custom: facts of the user's own code.
        adding: names of layers that add a loss by themselves.
    """
    names = [name for name in custom["layers"] if name in adding]
    left_out = [f"what layer {name!r} adds to the loss, by add_loss" for name in names]
    for layer, facts in custom["layers"].items():
        for at, weight in weights_of(facts):
            name = f"{layer}.{at.replace('/', '.')}"
            if weight["initializer"] is None and "entry" not in weight:
                left_out.append(f"the initial values of {name}: code of the program makes them")
            left_out += [f"the {part} of {name}" for part in _RULES if weight[part]]
    return left_out


_RULES = ("regularizer", "constraint")


def weights_of(facts: Facts, before: str = "") -> Iterator[tuple[str, Facts]]:
    """Yields (path below the layer, facts) of each weight that a layer of the user's has.

    Those of a weight in a layer of Keras have the "entry" of that layer.
    """
    for member in facts["holds"]:
        at = f"{before}{member_name(member['attribute']).replace('.', '/')}"
        if member["what"] == "weight":
            yield f"{before}{member_name(member['name'])}", member
        elif member["what"] == "own":
            yield from weights_of(member["own"], f"{at}/")
        else:
            for weight in member["weights"]:
                inner_weight = {**weight, "entry": member["entry"]}
                yield f"{at}/{_short(weight['name'], member['entry'])}", inner_weight


def seeds_of(facts: Facts, before: str = "") -> Iterator[tuple[str, int]]:
    """Yields (path below the layer, number of the draw) of each layer inside that draws."""
    for member in facts["holds"]:
        at = f"{before}{member_name(member['attribute']).replace('.', '/')}"
        if member["what"] == "own":
            yield from seeds_of(member["own"], f"{at}/")
        elif member["what"] == "layer":
            for name, number in member["seeds"]:
                yield (f"{at}/{_short(name, member['entry'])}" if name else at), number


def _short(path: str, entry: Facts) -> str:
    """Returns a path below a layer inside of another one, without the numbers of Keras's names."""
    first, slash, rest = path.partition("/")
    return f"{short_names(entry).get(first, first)}{slash}{rest}"


def short_names(entry: Facts) -> dict[str, str]:
    """Returns the names of the layers of a model without the numbers by which Keras counts them.

    Two models that were made by the same code have the same names then.
    """
    found: dict[str, str] = {}
    for layer in entry.get("config", {}).get("layers", []):
        name = layer["config"]["name"]
        found[name] = distinct(re.sub(r"_\d+$", "", name), found.values())
    return found


def shortened(entry: Facts) -> dict[str, Any]:
    """Returns the entry of a model with such names."""
    names = short_names(entry)

    def renew(value: Any, key: str) -> Any:
        if isinstance(value, Mapping):
            return {name: renew(each, name) for name, each in value.items()}
        if isinstance(value, list | tuple):
            is_place = len(value) == 3 and [type(v) for v in value] == [str, int, int]
            if is_place and (key == "keras_history" or key.endswith("_layers")):
                return [names.get(value[0], value[0]), *value[1:]]
            return type(value)(renew(each, key) for each in value)
        return names.get(value, value) if key == "name" and isinstance(value, str) else value

    return {**entry, "config": {**renew(entry["config"], ""), "name": entry["config"]["name"]}}
