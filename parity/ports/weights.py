"""The weights of a Keras model in the module that was written of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from parity.ports.naming import attributes_of, chain_names
from parity.ports.program import Line, Program
from torch_impl.layers import Normalization
from torch_impl.layouts import Variable, all_variables, variables
from torch_impl.weights import match, set_variable

_NUMBER = re.compile(r"#\d+(?=/)")  # of a layer of a name that another layer has, too


def paths(program: Program) -> Iterator[tuple[str, str]]:
    """Yields (path of a Keras layer, path of its module) of each layer that has a module."""
    yield from _of_lines(program.lines, program)


def _of_lines(named: Sequence[Line], written: Program) -> Iterator[tuple[str, str]]:
    """Yields these of lines that have a class whose lines do the same.

    Args:
        named: has Keras's names.
        written: the class, whose lines have the attributes.
    """
    attributes, done = attributes_of(written), set()
    for line, own in zip(named, written.lines, strict=True):
        if own.is_module and own.name not in done:
            done.add(own.name)
            yield from _of_line(line, own, attributes[own.name])


def _of_line(named: Line, written: Line, path: str) -> Iterator[tuple[str, str]]:
    if written.chain:
        links = zip(named.chain, written.chain, chain_names(written), strict=True)
        for each, own, name in links:
            yield from _of_line(each, own, f"{path}.{name}")
    elif written.program is not None:
        if written.members:  # which have the whole names
            inside, before = _of_lines(named.members, written.program), ""
        else:
            assert named.program is not None
            inside = _of_lines(named.program.lines, written.program)
            before = f"{named.keras_path}/"
        for layer, place in inside:
            yield f"{before}{layer}", f"{path}.{place}"
    else:
        yield named.keras_path, path


def arrays_of(program: Program, before: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yields (path of the operation, array) of each array in the graph of a program."""
    for name, array in program.arrays.items():
        yield f"{before}{name}", array
    for line in program.lines:
        if line.program is not None and not line.members:
            yield from arrays_of(line.program, f"{before}{line.keras_path}/")


def fill_arrays(module: nn.Module, program: Program) -> None:
    """Puts the arrays of a program into a module."""
    by_layer = dict(paths(program))
    for name, array in arrays_of(program):
        module.get_submodule(by_layer[name]).value = array


def targets(module: nn.Module, program: Program) -> dict[str, Variable]:
    """Returns the variables of a written module by Keras's paths."""
    return {
        f"{layer}/{variable.name}": variable
        for layer, path in paths(program)
        for variable in _variables(module.get_submodule(path))
    }


def matched(names: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    """Returns the weight of a written module that each of Keras's paths means, as `match` does.

    A path may also lack models between its layers, as a Sequential that was built inside of another
    layer is not in "time_distributed/conv2d/kernel"; or have the name of a wrapper for that of the
    model in it, which is also called by itself. Of what is left, layer and weight tell it then.

    Raises:
        ValueError: a name means several weights, or two names mean the same.
    """
    found = _by_number(names, targets)
    rest = [target for target in targets if target not in found.values()]
    found |= match([name for name in names if name not in found], rest)
    left = [target for target in targets if target not in found.values()]
    unknown = [name for name in names if name not in found]
    for rule in (_is_within, _has_end):
        for name in unknown:
            meant = [target for target in left if rule(name, target)]
            also = [other for other in unknown if any(rule(other, target) for target in meant)]
            if name not in found and len(meant) == len(also) == 1:
                found[name] = meant[0]
                left.remove(meant[0])
    return found


def _by_number(names: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    """Returns the weights of layers of one name in several models: "d/kernel", "d#2/kernel".

    The trace counts them in the order of the models, in which a written module has them, too.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_NUMBER.sub("", name), []).append(name)
    found: dict[str, str] = {}
    for path, several in groups.items():
        meant = [t for t in targets if t == path or t.endswith(f"/{path}")]
        if len(several) == len(meant) > 1:
            counted = sorted(several, key=lambda name: (len(name), name))
            found |= dict(zip(counted, meant, strict=True))
    return found


def _is_within(name: str, target: str) -> bool:
    """Whether a path has the parts of a longer one in their order, and its layer and weight."""
    rest = iter(target.split("/"))
    return _has_end(name, target) and all(part in rest for part in name.split("/"))


def _has_end(name: str, target: str) -> bool:
    """Whether two paths have layer and weight in common."""
    return name.split("/")[-2:] == target.split("/")[-2:]


def _variables(module: nn.Module) -> Iterator[Variable]:
    """Yields the variables of a module; a class of the user's has parameters of its own."""
    home = type(module).__module__.partition(".")[0]
    return variables(module) if home in ("torch", "torch_impl", "parity") else all_variables(module)


def carry(module: nn.Module, program: Program, weights: Mapping[str, np.ndarray]) -> None:
    """Puts the weights of a Keras model into a module.

    Args:
        module: the written one.
        program: of which it was written.
        weights: by Keras's paths, in which outer models may be left out.

    Raises:
        ValueError: a weight belongs to no module or a module gets none, or a shape is wrong.
    """
    known = targets(module, program)
    found = matched(list(weights), list(known))
    unknown, missing = sorted(set(weights) - set(found)), sorted(set(known) - set(found.values()))
    # How many samples a Normalization has seen is no weight of Keras's.
    missing = [name for name in missing if not _is_count(known[name])]
    if unknown or missing:
        raise ValueError(f"weights {unknown} belong to no module, and {missing} are missing")
    for name, target in found.items():
        set_variable(known[target], name, weights[name])


def _is_count(variable: Variable) -> bool:
    return isinstance(variable.module, Normalization) and variable.name.endswith("count")
