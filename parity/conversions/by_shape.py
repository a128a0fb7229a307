"""Weights of a file without a graph: only those that can be nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.conversions.named import ATTRIBUTES, fits
from parity.conversions.proof import coverage_of, listed
from parity.conversions.state import Done
from parity.errors import InputError
from parity.halves.torch.factories import call_factory
from parity.halves.torch.kinds import SPATIAL, kind_of
from parity.halves.torch.port.carried import PAIRING, Carried
from parity.halves.torch.port.carrying import source_tensors
from parity.halves.torch.port.feeding import has_lazy, unwrapped
from parity.programs.check_spec import CheckSpec
from parity.weights.copied import Copied
from torch_impl.layouts import LAYOUTS, Variable, variables
from torch_impl.weights import match

# --- What a refusal may come of: a sentence for each thing that can be seen in the module ---------


def joined_convolutions(
    module: nn.Module, unfilled: Sequence[str], unused: Mapping[str, Sequence[int]]
) -> Iterator[str]:
    """Yields a sentence if parameters have room for several convolutions of Keras side by side.

    Args:
        module: that has the parameters.
        unfilled: names of those that no weight fills.
        unused: weights of Keras without a place, with their shapes.
    """
    kernels = {
        name: (shape[-1], shape[-2], *shape[:-2])  # as torch has it
        for name, shape in unused.items()
        if len(shape) > 2
    }
    wide: list[str] = []
    among: dict[str, None] = {}
    for name in unfilled:
        shape = tuple(module.get_parameter(name).shape)
        parts = [key for key, kernel in kernels.items() if _is_several(shape, kernel)]
        if len(parts) > 1:
            wide.append(name)
            among |= dict.fromkeys(parts)
    if wide:
        has, each = ("has", "it") if len(wide) == 1 else ("have", "each")
        yield (
            f"{listed(wide, 3)} {has} room for several of {listed(list(among), 3)}: a convolution "
            f"in the place of several of Keras is not taken apart; write {each} as a module for "
            "each layer of Keras"
        )


def _is_several(shape: tuple[int, ...], kernel: tuple[int, ...]) -> bool:
    """Whether a parameter is as large as several kernels along its outputs, or its inputs."""
    if len(shape) != len(kernel) or shape[2:] != kernel[2:]:
        return False
    one, other = (
        (shape[axis], kernel[axis], shape[1 - axis] == kernel[1 - axis]) for axis in (0, 1)
    )
    return any(same and size > part and size % part == 0 for size, part, same in (one, other))


def empty_arrays(
    module: nn.Module, items: Sequence[Carried], output: Callable[[], torch.Tensor]
) -> Iterator[str]:
    """Yields a sentence if the output depends on buffers that are all zeros, as they were made.

    Args:
        module: as the factory makes it, but for the weights.
        items: the weights with a place.
        output: computes the output of the module.
    """
    filled = {id(tensor) for item in items for tensor in source_tensors(item.variable)}
    frozen = [(n, p) for n, p in module.named_parameters() if not p.requires_grad]
    found = [
        name
        for name, tensor in [*module.named_buffers(), *frozen]
        if id(tensor) not in filled
        and not _is_of_a_layer(module, name)
        and tensor.is_floating_point()
        and tensor.numel()
        and not tensor.any()
        and _matters(tensor, output)
    ]
    if found:
        is_one = len(found) == 1
        yield (
            f"the output depends on {listed(found)}, which {'is' if is_one else 'are'} all zeros, "
            f"as the factory makes {'it' if is_one else 'them'}: if the Keras program has an array "
            "there, the factory has to fill it, such as with the `load_weights` of a package of "
            "`parity port`"
        )


def _is_of_a_layer(root: nn.Module, name: str) -> bool:
    """Whether a tensor belongs to a layer, such as the mean of a normalisation without a place."""
    owner = type(root.get_submodule(name.rpartition(".")[0]))
    return owner.__module__.startswith("torch.nn.") or any(
        kind in LAYOUTS for kind in owner.__mro__
    )


@torch.no_grad()
def _matters(tensor: torch.Tensor, output: Callable[[], torch.Tensor]) -> bool:
    draw = torch.Generator().manual_seed(0)
    try:
        before = output()
        tensor.copy_(torch.rand(tensor.shape, generator=draw, dtype=torch.float64))
        after = output()
    except Exception:  # the code of a user, which the same error has stopped before
        return False
    finally:
        tensor.zero_()
    return not torch.equal(before, after)


# --- Weights of a file without a graph: only those that can be nowhere else -----------------------
#
# Such a file says which arrays a layer has, and nothing of how the layers are joined. So no two
# layers whose arrays have the same shapes are told apart, and rows of a kernel behind a flatten of
# channels first are not known to be in order. Both are refused; `--map` names the pairs, and
# `--config` gives the graph.


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
class GivenPlaces:
    """What a user says of the places of weights.

    Attributes:
        layers: layer of the file -> path of a module.
        same_rows: paths of modules whose kernels have their rows in Keras's order.
    """

    layers: Mapping[str, str]
    same_rows: Sequence[str] = ()


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
    spec: CheckSpec, factory: Callable[[], Any], copied: Copied, given: GivenPlaces, why: str
) -> Done:
    """Carries the weights of a file without a graph.

    Args:
        spec: has the seed.
        factory: returns a module or a Port.
        copied: the weights of the file.
        given: what the user says of the places.
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
    found = _pairs(layers, modules, given.layers, why)
    _check_rows(given.same_rows, modules)
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
    rows = [path for path in _wide(module, modules, found) if path not in given.same_rows]
    problems = _unordered(rows, why) if rows else []
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
        _proof(given, found, why),
    )


def _proof(given: GivenPlaces, found: Mapping[str, str], why: str) -> str:
    """Returns in words how the places are known."""
    basis = "" if len(given.layers) < len(found) else "each weight is where --map says"
    if given.layers and not basis:
        basis = "each weight fits one place alone, or is where --map says"
    rows = f", with Keras's order of the rows of {listed(given.same_rows)}, as --same-rows says"
    text = f"{basis or 'each weight fits one place alone'}{rows if given.same_rows else ''}"
    return f"{text}; no output was compared, since {why}"


def _real(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _layers(entries: Sequence[Mapping[str, Any]]) -> list[_Layer]:
    """Returns the layers of a file, in its order."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    kinds: dict[str, str] = {}
    for each in entries:
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
        module_variables = list(variables(module))
    except ValueError:  # no layer of Keras has such weights
        return None
    shapes = {v.name: tuple(v.to_keras(v.tensors).shape) for v in module_variables}
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
    is_whole = len(found) == len(layer.told) == len(module_variables) == len(set(found.values()))
    if not is_whole or any(
        tuple(each["shape"]) != shapes[found[each["key"]]] for each in layer.told
    ):
        return None
    by_name = {v.name: v for v in module_variables}
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
        used = set(found.values())
        free = {name: [p for p in paths if p not in used] for name, paths in free.items()}
        places = list(free.values())
        sure = next((n for n, p in free.items() if len(p) == 1 and places.count(p) == 1), None)
        if sure is None:
            break
        found[sure] = free.pop(sure)[0]
    if open_ := {name: paths for name, paths in free.items() if paths}:
        raise InputError(_ambiguous(open_, why))
    if not found:
        raise InputError(f"no layer of the file fits into the module: {why}")
    return found


def _ambiguous(free: dict[str, list[str]], why: str) -> str:
    """Returns what to do about layers that may each be several modules: all of them at once."""
    name, paths = next(iter(free.items()))
    example, groups = f"--map {name}={paths[0]}", []
    while free:
        name, paths = next(iter(free.items()))
        rivals = [n for n, other in free.items() if set(other) & set(paths)]
        groups.append(f"{listed(rivals, 12)} may each be any of {listed(paths, 12)}")
        free = {n: other for n, other in free.items() if n not in rivals}
    return (
        f"{'; '.join(groups)}; nothing tells which: {why}; {example} and so on, for each of them, "
        "tells them apart"
    )


def _check_rows(same_rows: Sequence[str], modules: Mapping[str, nn.Module]) -> None:
    """Rejects modules of --same-rows that are not there, or have no rows."""
    linear = [path for path, module in modules.items() if isinstance(module, nn.Linear)]
    for path in same_rows:
        if path not in linear:
            raise InputError(f"--same-rows {path}: expected an nn.Linear: {listed(linear, 12)}")


def _wide(root: nn.Module, modules: Mapping[str, nn.Module], found: Mapping[str, str]) -> list[str]:
    """Returns the modules whose kernels have rows that may be in another order than Keras's."""
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
    return wide if is_spatial else []


def _unordered(paths: Sequence[str], why: str) -> list[str]:
    """Returns a sentence on rows that may be in another order than Keras's."""
    options = " ".join(f"--same-rows {path}" for path in paths)
    return [
        f"the order of the rows of {listed(paths)} is not known: it is not Keras's if the module "
        f"flattens images or sequences with the channels first before it, and {why}; if it does "
        f"not, say so with {options}"
    ]
