"""Weights of a file without a graph: only those that can be nowhere else.

Such a file says which arrays a layer has, and nothing of how the layers are joined. So no two
layers whose arrays have the same shapes are told apart, and rows of a kernel behind a flatten of
channels first are not known to be in order. Both are refused; `--map` names the pairs, and
`--config` gives the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.weights.copied import Copied
from torch_impl.harness.convert.coverage import coverage_of, listed
from torch_impl.harness.convert.done import Done
from torch_impl.harness.convert.objects import ATTRIBUTES, fits
from torch_impl.harness.factories import call_factory
from torch_impl.harness.kinds import SPATIAL, kind_of
from torch_impl.harness.port.carried import PAIRING, Carried
from torch_impl.harness.port.unwrapping import has_lazy, unwrapped
from torch_impl.layouts import LAYOUTS, Variable, variables
from torch_impl.weights import match

# Kind of a module -> beginnings of the classes of Keras that are it, as a file writes them.
_CLASSES = {
    "conv": ("conv1d", "conv2d", "conv3d"),
    "depthwise_conv": ("depthwise_conv",),
    "conv_transpose": ("conv1d_transpose", "conv2d_transpose", "conv3d_transpose"),
    "dense": ("dense",),
    "embedding": ("embedding",),
    "batch_norm": ("batch_normalization",),
    "layer_norm": ("layer_normalization",),
    "group_norm": ("group_normalization",),
    "lstm": ("lstm",),
    "gru": ("gru",),
    "simple_rnn": ("simple_rnn",),
    "bidirectional": ("bidirectional",),
    "prelu": ("p_re_lu",),
}
_INNER = ("forward_", "backward_")  # beginnings of the names of layers in a layer


@dataclass(frozen=True)
class _Layer:
    """Arrays of the file that belong to one layer.

    Attributes:
        name: as a user gives it with --map.
        kind: its class, as the file writes it; "" if it does not.
        told: of each array.
    """

    name: str
    kind: str
    told: Sequence[Mapping[str, Any]]


def convert_by_shape(
    spec: CheckSpec, factory: Callable[[], Any], copied: Copied, pairs: Mapping[str, str], why: str
) -> Done:
    """Carries the weights of a file without a graph.

    Args:
        spec: has the seed.
        factory: returns a module or a Port.
        copied: the weights of the file.
        pairs: layer of the file -> path of a module.
        why: there is no graph.

    Raises:
        InputError: weights are not told apart, or nothing fits.
    """
    built = call_factory(factory, spec.seed)
    module = unwrapped(built.module)
    if has_lazy(module):
        raise InputError(f"{why}, and the module has parameters without a shape")
    layers = {layer.name: layer for layer in _layers(copied.weights)}
    modules = dict(_modules(module))
    found = _pairs(layers, modules, pairs, why)
    arrays = {each["key"]: copied.arrays[f"weights/{each['key']}"] for each in copied.weights}
    items = []
    for name, path in found.items():
        places = _places(layers[name], modules[path])
        if places is None:
            raise InputError(f"--map {name}={path}: the shapes of their weights differ")
        for key, variable in places.items():
            items.append(Carried(key, variable, PAIRING, name))
            items[-1].set(_real(arrays[key]))
    keys = {key: key for key in arrays}
    coverage = coverage_of(module, items, arrays)
    problems = _unordered(module, modules, found, why)
    if coverage.problems:
        problems.append(f"only shapes could tell which weight belongs where: {why}")
    return Done(
        factory,
        built,
        module,
        items,
        arrays,
        keys,
        coverage,
        problems,
        f"each weight fits one place alone; no output was compared, since {why}",
    )


def _real(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _layers(told: Sequence[Mapping[str, Any]]) -> list[_Layer]:
    """Returns the layers of a file, in its order."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    kinds: dict[str, str] = {}
    for each in told:
        if each["name"]:
            path = each["name"] if "/" in each["name"] else f"{each['holder']}/{each['name']}"
            group, kind = _outer(path.rpartition("/")[0]), ""
        else:
            group, below = _split(each["key"])
            parts = group.split("/")
            kind = parts[-1] if parts[-2:-1] == ["layers"] else ""
            if each["holder"]:
                names = each["holder"].split("/")
                group = "/".join(names[: len(names) - len(below)] or names)
        found.setdefault(group, []).append(each)
        kinds[group] = kind
    short = {group: group.rpartition("/")[2] for group in found}
    names = list(short.values())
    return [
        _Layer(short[group] if names.count(short[group]) == 1 else group, kinds[group], arrays)
        for group, arrays in found.items()
    ]


def _split(key: str) -> tuple[str, list[str]]:
    """Returns the group of a layer in a `.weights.h5`, and the attributes that lead on from it."""
    parts = key.rpartition("/vars/")[0].split("/")
    below: list[str] = []
    while len(parts) > 1 and parts[-1].lstrip("_") in ATTRIBUTES:
        below.insert(0, parts.pop())
    return "/".join(parts), below


def _outer(path: str) -> str:
    """Returns the layer of a path that may lead to a cell or a direction in it."""
    parts = path.split("/")
    while len(parts) > 1 and (parts[-1].rpartition("_")[0].endswith("cell") or "cell" in parts[-1]):
        parts.pop()
    while len(parts) > 1 and parts[-1].startswith(_INNER):
        parts.pop()
    return "/".join(parts)


def _modules(root: nn.Module) -> list[tuple[str, nn.Module]]:
    """Returns the modules whose weights have a layout, without what is in them."""
    found: list[tuple[str, nn.Module]] = []
    for path, module in root.named_modules():
        is_inside = any(path.startswith(f"{other}.") for other, _ in found if other)
        if not is_inside and any(kind in LAYOUTS for kind in type(module).__mro__):
            found.append((path, module))
    return found


def _places(layer: _Layer, module: nn.Module) -> dict[str, Variable] | None:
    """Returns the variable of a module for each array of a layer; None if they do not fit."""
    classes = _CLASSES.get(kind_of(module))
    if layer.kind and classes and not _is_class(layer.kind, classes):
        return None
    try:
        own = list(variables(module))
    except ValueError:  # no layer of Keras has such weights
        return None
    shapes = {v.name: tuple(v.to_keras(v.tensors).shape) for v in own}
    found: dict[str, str] = {}
    if layer.told[0]["name"]:
        short = {each["name"]: each["key"] for each in layer.told}
        try:
            found = {short[n]: t for n, t in match(list(short), list(shapes), by_kind=True).items()}
        except ValueError:
            return None
    else:
        groups: dict[str, list[str]] = {}
        for name in shapes:
            groups.setdefault(name.rpartition("/")[0], []).append(name)
        for each in layer.told:
            below = "/".join(_split(each["key"])[1])
            fitting = [group for group in groups if fits(group, below)]
            if len(fitting) == 1 and each["number"] < len(groups[fitting[0]]):
                found[each["key"]] = groups[fitting[0]][each["number"]]
    is_whole = len(found) == len(layer.told) == len(own) == len(set(found.values()))
    if not is_whole or any(
        tuple(each["shape"]) != shapes[found[each["key"]]] for each in layer.told
    ):
        return None
    by_name = {v.name: v for v in own}
    return {key: by_name[name] for key, name in found.items()}


def _is_class(kind: str, classes: Sequence[str]) -> bool:
    stem = kind.rstrip("0123456789").rstrip("_") if kind not in classes else kind
    return any(kind == name or stem == name or stem.startswith(name) for name in classes)


def _pairs(
    layers: Mapping[str, _Layer],
    modules: Mapping[str, nn.Module],
    given: Mapping[str, str],
    why: str,
) -> dict[str, str]:
    """Returns the module of each layer, if only one assignment is possible."""
    for name, path in given.items():
        if name not in layers:
            raise InputError(
                f"--map {name}={path}: the file has the layers {listed(list(layers), 12)}"
            )
        if path not in modules:
            raise InputError(f"--map {name}={path}: the module has {listed(list(modules), 12)}")
    if len(set(given.values())) < len(given):
        raise InputError("--map names one module for two layers")
    found = dict(given)
    free = {
        name: [p for p, m in modules.items() if _places(layer, m) is not None]
        for name, layer in layers.items()
        if name not in found
    }
    while free:
        taken = set(found.values())
        free = {name: [p for p in paths if p not in taken] for name, paths in free.items()}
        sure = next((name for name, paths in free.items() if len(paths) == 1), None)
        rivals = [n for n, paths in free.items() if sure and paths == free[sure]]
        if sure is None or len(rivals) > 1:
            break
        found[sure] = free.pop(sure)[0]
    open_ = {name: paths for name, paths in free.items() if paths}
    if open_:
        name, paths = next(iter(open_.items()))
        rivals = [n for n, other in open_.items() if set(other) & set(paths)]
        raise InputError(
            f"{listed(rivals)} may each be any of {listed(paths)}, and nothing tells which: {why}; "
            f"--map {name}={paths[0]} and so on tells them apart"
        )
    if not found:
        raise InputError(f"no layer of the file fits into the module: {why}")
    return found


def _unordered(
    root: nn.Module, modules: Mapping[str, nn.Module], found: Mapping[str, str], why: str
) -> list[str]:
    """Returns a sentence if rows of a kernel may be in another order after a flatten."""
    is_spatial = any(kind_of(module) in SPATIAL for module in root.modules())
    sizes = {
        int(getattr(module, name))
        for module in modules.values()
        for name in ("out_channels", "num_features")
        if hasattr(module, name)
    }
    linear = [(path, m) for path in found.values() if isinstance(m := modules[path], nn.Linear)]
    wide = [
        path
        for path, module in linear
        if any(module.in_features % size == 0 and module.in_features > size for size in sizes)
    ]
    if not is_spatial or not wide:
        return []
    return [f"the order of the rows of {listed(wide)} after a flatten is not known: {why}"]
