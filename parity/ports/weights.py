"""The weights of a Keras model in the module that was written of it, and their initial values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.ports.custom.facts import Facts, seeds_of, weights_of
from parity.ports.form import literal
from parity.ports.graph import Traced, entries_by_path
from parity.ports.program import Line, Program, attributes_of, chain_names
from torch_impl.initial_weights import default_of, keras_order, takes_seed
from torch_impl.initializers import GlorotUniform, Initializer, Ones, Zeros, from_config
from torch_impl.keras_config.rules import holder, initializer_of
from torch_impl.layers import Normalization
from torch_impl.layers.image.random_layer import RandomImageLayer
from torch_impl.layers.initial import KERNELS, is_seeded
from torch_impl.layouts import Variable, all_variables, variables
from torch_impl.weights import match, set_variable

# --- The weights of a Keras model in the module that was written of it ----------------------------


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
    for line, written_line in zip(named, written.lines, strict=True):
        if written_line.is_module and written_line.name not in done:
            done.add(written_line.name)
            yield from _of_line(line, written_line, attributes[written_line.name])


def _of_line(named: Line, written: Line, path: str) -> Iterator[tuple[str, str]]:
    if written.chain:
        links = zip(named.chain, written.chain, chain_names(written), strict=True)
        for each, link, name in links:
            yield from _of_line(each, link, f"{path}.{name}")
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


# --------------------------------------------------------------------------------------------------
#
# The initial weights of a written module: what Keras draws from its seed, in Keras's order.


_MOST_NUMBERS = 100  # of an array in the source
# Weights that torch's modules begin with as Keras's initialisers say.
_AS_TORCH = {"gamma": "Ones", "beta": "Zeros", "moving_mean": "Zeros", "moving_variance": "Ones"}


@dataclass(frozen=True)
class Draw:
    """One weight or seed.

    Attributes:
        name: of the module, and of the weight if it is one; "" for a number that nothing gets.
        number: of the draw; None: nothing is drawn.
        initializer: of the weight; None: it is a seed.
    """

    name: str
    number: int | None
    initializer: Initializer | None


def draws_of(
    module: nn.Module,
    program: Program,
    traced: Traced,
    numbers: Sequence[tuple[str, int]],
    layers: Mapping[str, Facts],
) -> list[Draw]:
    """Returns all draws of a program in order, and the weights that are set without one.

    Args:
        module: the written one.
        program: of which it was written.
        traced: the model.
        numbers: (path of a weight, or of a layer with "/seed", number of the draw).
        layers: facts of those that are the user's own, by name.

    Raises:
        ValueError: an initialiser is none of Keras's.
    """
    known = targets(module, program)
    by_layer = dict(paths(program))
    entries = entries_by_path(traced)
    drawn = {name: number for name, number in numbers if not name.endswith("/seed")}
    places = {target: drawn[name] for name, target in matched(list(drawn), list(known)).items()}
    found: list[Draw] = []
    for layer, path in by_layer.items():
        if (facts := layers.get(layer.rpartition("/")[2])) is not None:
            found += _custom_draws(facts, module, path)
            continue
        for name in _of_layer(known, layer):
            short = name.removeprefix(f"{layer}/")
            initializer = initializer_of(short, holder(_entry(entries, layer), short))
            if initializer is not None:
                number = places.get(name)
                if number is not None or not _is_preset(short, initializer):
                    found.append(Draw(_named(module, path, short), number, initializer))
    for name, number in numbers:
        if name.endswith("/seed"):
            owner = _seeded(module, by_layer, name.removesuffix("/seed"))
            if owner is not None:
                found.append(Draw(owner, number, None))
    drawn_numbers = {draw.number for draw in found if draw.number is not None}
    drawn_numbers |= {number for draw in found for number in _before(module, draw)}
    skipped = set(range(max(drawn_numbers, default=-1) + 1)) - drawn_numbers
    found += [Draw("", number, None) for number in sorted(skipped)]
    order = {id(draw): place for place, draw in enumerate(found)}
    return sorted(found, key=lambda d: (d.number is None, d.number or 0, order[id(d)]))


def _seeded(module: nn.Module, by_layer: Mapping[str, str], layer: str) -> str | None:
    """Returns the module that draws from the seed of a Keras layer; None if none does.

    Args:
        module: the written one.
        by_layer: path of a Keras layer -> path of its module.
        layer: path of the layer, or of one inside of it: the cell of an LSTM, the dropout of an
            attention.
    """
    parts = layer.split("/")
    for stop in range(len(parts), 0, -1):
        outer = "/".join(parts[:stop])
        ends = [
            key
            for key in by_layer
            if f"/{outer}".endswith(f"/{key}") or f"/{key}".endswith(f"/{outer}")
        ]
        if not ends:
            continue
        path, inner = by_layer[max(ends, key=len)], set(parts[stop:])
        seeded = [
            f"{path}.{name}" if name else path
            for name, each in module.get_submodule(path).named_modules()
            if isinstance(getattr(each, "seed", None), int)
        ]
        if len(seeded) > 1:  # the two layers of a Bidirectional
            seeded = [name for name in seeded if inner & set(name.split("."))]
        return seeded[0] if len(seeded) == 1 else None
    return None


def _before(module: nn.Module, draw: Draw) -> range:
    """Returns the numbers that a layer takes before its seed."""
    if draw.initializer is not None or draw.number is None or not draw.name:
        return range(0)
    num_draws = getattr(module.get_submodule(draw.name), "seeds_drawn", 1)
    return range(draw.number - num_draws + 1, draw.number)


def _custom_draws(facts: Facts, module: nn.Module, path: str) -> Iterator[Draw]:
    """Yields the draws of a layer of the user's: what the Keras half has noted."""
    for at, weight in weights_of(facts):
        if (initializer := _noted(weight)) is None:
            continue
        name = _named(module, path, at)
        is_custom = "attribute" in weight and isinstance(initializer, Zeros | Ones)
        is_preset = is_custom or _is_preset(at.rpartition("/")[2], initializer)
        if weight["draw"] is not None or not is_preset:
            yield Draw(name, weight["draw"], initializer)
    for at, number in seeds_of(facts):
        name = _named(module, path, at)
        if _has(module, name) and hasattr(module.get_submodule(name), "seed"):
            yield Draw(name, number, None)


def _named(module: nn.Module, path: str, at: str) -> str:
    """Returns a path with "." between modules; the rest, of the weight in the last one, stays."""
    if not path:
        return at
    first, _, rest = at.partition("/")
    while rest and _has(module, f"{path}.{first}"):
        path = f"{path}.{first}"
        first, _, rest = rest.partition("/")
    return f"{path}.{first}/{rest}" if rest else f"{path}.{first}"


def _has(module: nn.Module, path: str) -> bool:
    try:
        module.get_submodule(path)
    except AttributeError:
        return False
    return True


def _noted(weight: Facts) -> Initializer | None:
    """Returns what made a weight of a layer of the user's; None: code of the program."""
    if weight["initializer"] is not None:
        return from_config(weight["initializer"])
    if "entry" not in weight or "layers" in weight["entry"]["config"]:
        return None
    return initializer_of(weight["name"], holder(weight["entry"], weight["name"]))


def _entry(entries: Mapping[str, Any], path: str) -> Any:
    """Returns the entry of a layer, or of the one that it is inside of."""
    while path not in entries:
        path = path.rpartition("/")[0]
    return entries[path]


def _of_layer(known: Iterable[str], layer: str) -> list[str]:
    return [name for name in known if name.rpartition("/")[0] == layer] or [
        name for name in known if name.startswith(f"{layer}/")
    ]


def _is_preset(name: str, initializer: Initializer) -> bool:
    """Whether the module has the value from the beginning."""
    return _AS_TORCH.get(name) == type(initializer).__name__


def initial_text(model: nn.Module, draws: Sequence[Draw]) -> list[str]:
    """Returns the statements that draw the initial weights, with a comment where one is needed.

    Args:
        model: the written module.
        draws: of it.
    """
    if _is_usual(model, draws):
        return ["layers.initialise(model, seeds)"]
    wanted = {draw.name: draw.initializer for draw in draws if draw.name}
    usual = list(keras_order(model))
    is_in_order = _drawn(usual, wanted) == _drawn(wanted, wanted) and set(usual) <= set(wanted)
    known = usual if is_in_order else list(wanted)
    non_default = {name: made for name, made in wanted.items() if made and made != default_of(name)}
    given = [
        f"{literal(name)}: {_text(made)}" for name, made in _patterns(non_default, known).items()
    ]
    parts = ["model", "seeds", *([f"{{{', '.join(given)}}}"] if given else [])]
    if not is_in_order:
        parts.append(f"order=[{', '.join(map(literal, wanted))}]")
    skipped = tuple(draw.number for draw in draws if not draw.name)
    comments = []
    if skipped:
        comments.append("# skipped: draws of Keras, from 0, for what the network does not need")
        parts.append(f"skipped={literal(skipped)}")
    return [*comments, f"draw_initial({', '.join(parts)})"]


def _drawn(names: Iterable[str], wanted: Mapping[str, Initializer | None]) -> list[str]:
    """Returns the names for which a number is drawn."""
    return [name for name in names if (made := wanted.get(name)) is None or made.draws_seed]


def _patterns(
    non_default: Mapping[str, Initializer], known: Sequence[str]
) -> dict[str, Initializer]:
    """Returns initialisers by names, or by a pattern where all weights of a kind have one.

    Args:
        non_default: those that are not Keras's defaults, by name.
        known: names of all weights.
    """
    found: dict[str, Initializer] = {}
    for name, made in non_default.items():
        kind = f"*.{name.rpartition('.')[2]}"
        fitting = [other for other in known if fnmatchcase(other, kind)]
        is_kind = len(fitting) > 1 and all(non_default.get(other) == made for other in fitting)
        found.setdefault(kind if is_kind else name, made)
    return found


def _text(initializer: Initializer) -> str:
    """Returns the call that makes an initialiser, without its defaults.

    Raises:
        ValueError: it has an array of more numbers than a person would write.
    """
    kind = type(initializer)
    size = np.size(getattr(initializer, "value", 0.0))
    if size > _MOST_NUMBERS:
        raise ValueError(
            f"an initializer is an array of {size} numbers: expected at most {_MOST_NUMBERS}, "
            "since train.py has them in its source"
        )
    parts = []
    for name, parameter in inspect.signature(kind).parameters.items():
        value = getattr(initializer, name)
        if isinstance(value, Initializer):
            if value != Zeros():  # the only default among them
                parts.append(f"{name}={_text(value)}")
        elif value != parameter.default:
            parts.append(f"{name}={literal(value)}")
    return f"initializers.{kind.__name__}({', '.join(parts)})"


def unseeded(model: nn.Module, draws: Sequence[Draw]) -> list[str]:
    """Returns the modules that draw from the seed 0, since no draw of Keras's gives them one.

    Args:
        model: the written module.
        draws: of it.
    """
    given = {draw.name for draw in draws}
    return [
        path
        for path, module in model.named_modules()
        if path not in given and getattr(module, "seed", None) == 0 and takes_seed(module)
    ]


def _is_usual(model: nn.Module, draws: Sequence[Draw]) -> bool:
    """Whether `torch_impl.layers.initialise` draws the same, in the same order."""
    recorded: list[str] = []
    names = {id(module): name for name, module in model.named_modules()}
    for draw in draws:
        plain = isinstance(draw.initializer, GlorotUniform) and draw.initializer == GlorotUniform()
        is_kernel = plain and draw.name.endswith((".kernel",))
        is_zero = isinstance(draw.initializer, Zeros) and draw.name.endswith(".bias")
        is_seed = draw.initializer is None and bool(draw.name)
        if not (is_kernel or is_zero or is_seed):
            return False
        if draw.number is not None:
            recorded.append(draw.name.removesuffix(".kernel"))
    order = [names[id(module)] for module in _drawing(model)]
    return order == recorded


def _drawing(model: nn.Module) -> list[nn.Module]:
    """Returns the modules for which `initialise` draws a number, in its order."""
    return [
        module
        for module in model.modules()
        if isinstance(module, KERNELS)
        or is_seeded(module)
        or (isinstance(module, RandomImageLayer) and module.draws_seed)
    ]
