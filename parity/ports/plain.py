"""as_plain: a program whose parts of `torch_impl` are torch's, or copies in the package."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.ports.form import Parameter, literal
from parity.ports.program import Line, Program, all_of
from parity.ports.wrapping import WIDTH, imported, scanned, wrapped
from torch_impl import layers, plain
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rules import NoTwinError
from torch_impl.layouts import Variable
from torch_impl.plain import (
    activations,
    attention,
    categories,
    conv_lstm,
    convolutions,
    merging,
    noise,
    normalization,
    operations,
    pools,
    recurrent,
    resizing,
)

# --- as_plain: a program whose parts of `torch_impl` are torch's, or those of `parts` -------------
#
# It is a third way to write a row of the table of forms: the calls stay, and what they call has the
# arguments of the part of `torch_impl`. What has no plain part is refused by name.


_PARTS = (
    *(activations, attention, categories, convolutions, merging, noise, normalization, pools),
    *(conv_lstm, recurrent, resizing),
)
_DROPPING = (layers.Dropout, layers.SpatialDropout, layers.AlphaDropout)
_SEED_SETTINGS = ("seed", "random_dtype")  # of streams of numbers that torch has not


@dataclass(frozen=True)
class Called:
    """How a module is called.

    Attributes:
        rank: number of axes of its first input.
        masked: whether it gets a mask.
    """

    rank: int
    masked: bool


Row = Callable[[Planned, Called], Planned]


def without_seeds(program: Program) -> None:
    """Leaves the seeds of layers away, which plain layers do not have.

    It comes before parts that repeat are looked for: seeds would be arguments of these.
    """
    for each in all_of(program):
        each.lines = [
            line if line.made is None else replace(line, made=_without_seeds(line.made))
            for line in each.lines
        ]


def as_plain(program: Program) -> None:
    """Replaces the parts of `torch_impl` in a program.

    Args:
        program: also those inside of it are changed.

    Raises:
        NoTwinError: some parts have no plain one, with the reasons of all of them.
    """
    problems: list[str] = []
    for each in all_of(program):
        lines = []
        for line in each.lines:
            try:
                lines.append(_plain(line))
            except ValueError as error:
                problems.append(f"layer {line.name!r}: {error}")
        each.lines = lines if not problems else each.lines
    if problems:
        raise without_plain(problems)


def without_plain(problems: Sequence[str]) -> NoTwinError:
    """Returns the error of what has no plain form.

    Args:
        problems: a sentence for each part.
    """
    if len(problems) == 1:
        return NoTwinError([f"{problems[0]}, which --plain needs"])
    return NoTwinError(problems, "plain form, which --plain needs")


def is_part(kind: Any) -> bool:
    """Whether a class or function is one of `parts`."""
    return str(getattr(kind, "__module__", "")).startswith("torch_impl.plain.")


def arguments_of(part: Any) -> set[str]:
    """Returns the names of the arguments of a part, those of its base if it passes them on."""
    found: set[str] = set()
    kinds = inspect.getmro(part) if inspect.isclass(part) else (part,)
    for kind in kinds:
        made = vars(kind).get("__init__") if inspect.isclass(kind) else kind
        if made is None:
            continue
        parameters = inspect.signature(made).parameters
        found |= {name for name, each in parameters.items() if each.kind is not each.VAR_KEYWORD}
        if len(found) and all(each.kind is not each.VAR_KEYWORD for each in parameters.values()):
            break
    return found - {"self"}


def _plain(line: Line) -> Line:
    text, why, made = with_plain_functions(line.text), line.why, line.made
    if made is None:
        return replace(line, text=text)
    if made.kind in (*_DROPPING, layers.GaussianNoise, layers.GaussianDropout):
        why = ""
        settings = dict(made.settings)
        # Values are dropped one by one, in any layout; torch drops whole channels of (N, C, ...).
        if settings.pop("channels_last", False) and made.kind is layers.SpatialDropout:
            text = "{self}({0}.movedim(-1, 1)).movedim(1, -1)"
        made = Planned(made.kind, *made.arguments, **settings)
    rank = len(line.inputs[0].shape) if line.inputs else 0
    called = Called(rank, "mask=" in text)
    found = _made(made, called)
    if is_part(found.kind):
        parameters = inspect.signature(found.kind.forward).parameters  # type: ignore[attr-defined]
        unknown = sorted(set(_keywords(text)) - set(parameters))
        if unknown:
            raise ValueError(f"{_name(made.kind)} that is told {unknown} has no plain part")
    return replace(line, text=text, made=found, why=why)


def _keywords(text: str) -> list[str]:
    """Returns the names of the arguments that a module is called with."""
    inner, depth = "", 0
    for letter in scanned(text).partition("{self}(")[2]:
        depth += (letter in "([") - (letter in ")]")
        if depth < 0:
            break
        inner += letter
    return re.findall(r"(\w+)=", inner)


def with_plain_functions(text: str, home: str = "parts") -> str:
    """Returns an expression with plain functions.

    Args:
        text: with "{0}", "{1}" for its tensors.
        home: module of the package that has the functions.

    Raises:
        ValueError: a function has no plain form.
    """
    for name in re.findall(r'OPERATIONS\["(\w+)"\]', text):
        function = getattr(operations, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), None)
        unknown = set(_keywords_of(text, name)) - arguments_of(function) if function else set()
        if function is None or unknown:
            suffix = f" with {', '.join(sorted(unknown))}" if unknown else ""
            raise ValueError(f"the operation {name}{suffix} has no plain function")
        text = text.replace(f'OPERATIONS["{name}"](', f"{home}.{function.__name__}(")
    text = re.sub(r"(?<![\w.])clip\((\{\d\}), low=", rf"{home}.maximum(\1, ", text)
    text = re.sub(r"(?<![\w.])clip\((\{\d\}), high=", rf"{home}.minimum(\1, ", text)
    for name in re.findall(r"\bactivations\.(\w+)\(", text):
        if not hasattr(activations, name):
            raise ValueError(f"the activation {name} has no plain function")
    text = re.sub(r"\bactivations\.(\w+)\(", rf"{home}.\1(", text)
    text = re.sub(r"\bthrough_float32\(", f"{home}.in_float32(", text)
    return re.sub(r"\bwith_mask\(", f"{home}.with_mask(", text)


def _keywords_of(text: str, operation: str) -> list[str]:
    """Returns the names of the arguments of an operation."""
    tree = ast.parse(re.sub(r"\{\w+\}", "x", text), mode="eval")
    return [
        str(keyword.arg)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and f"'{operation}'" in ast.unparse(call.func)
        for keyword in call.keywords
    ]


def _made(planned: Planned, called: Called) -> Planned:
    """Returns the plain module for a planned one."""
    kind: Any = planned.kind
    if str(getattr(kind, "__module__", "")).startswith("torch.nn."):
        return planned
    row = _ROWS.get(kind)
    return _same(planned, called) if row is None else row(planned, called)


def _same(planned: Planned, called: Called, name: str = "") -> Planned:
    """Returns the part of the same name, which takes the same arguments."""
    name = name or _name(planned.kind)
    part = next((found for m in _PARTS if (found := getattr(m, name, None)) is not None), None)
    if part is None or not is_part(part):
        raise ValueError(f"{name} has no plain part")
    plain = _without_seeds(planned)
    unknown = sorted(set(plain.settings) - arguments_of(part))
    if unknown:
        settings = ", ".join(f"{key}={plain.settings[key]!r}" for key in unknown)
        raise ValueError(f"{name} with {settings} has no plain part")
    inside = [_made(a, called) if isinstance(a, Planned) else a for a in plain.arguments]
    return Planned(part, *inside, **plain.settings)


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _without_seeds(planned: Planned) -> Planned:
    if planned.kind is layers.Hashing:
        return planned
    inside = [_without_seeds(a) if isinstance(a, Planned) else a for a in planned.arguments]
    settings = {key: value for key, value in planned.settings.items() if key not in _SEED_SETTINGS}
    return Planned(planned.kind, *inside, **settings)


def _dropout(planned: Planned, called: Called) -> Planned:
    return _dropping(planned, nn.Dropout)


def _alpha(planned: Planned, called: Called) -> Planned:
    return _dropping(planned, nn.AlphaDropout)


def _spatial(planned: Planned, called: Called) -> Planned:
    kinds = {3: nn.Dropout1d, 4: nn.Dropout2d, 5: nn.Dropout3d}
    return _dropping(planned, kinds[called.rank])


def _dropping(planned: Planned, kind: Any) -> Planned:
    given = _without_seeds(planned)
    if set(given.settings) - {"rate"}:
        raise ValueError(f"{_name(planned.kind)} with {dict(given.settings)} has no plain part")
    return Planned(kind, *given.arguments, *given.settings.values())


def _recurrent(planned: Planned, called: Called) -> Planned:
    """Returns torch's layer if it has these activations and drops nothing, else a loop."""
    name, settings = _name(planned.kind), dict(_without_seeds(planned).settings)
    if not (settings.get("dropout") or settings.get("recurrent_dropout")):
        settings.pop("implementation", None)
    if not called.masked:
        settings.pop("zero_output_for_mask", None)
    plain = Planned(planned.kind, *planned.arguments, **settings)
    _check_functions(plain)
    stock = {"return_sequences", "return_state", "go_backwards", "use_bias", "units"}
    if name == "SimpleRNN" or (set(settings) <= {*stock, "input_size"} and not called.masked):
        return _same(plain, called)
    return _same(plain, called, f"{name}Loop")


def _check_functions(planned: Planned) -> None:
    for key in ("activation", "recurrent_activation"):
        value = planned.settings.get(key, "tanh")
        if not isinstance(value, Parameter) and value not in recurrent.FUNCTIONS:
            raise ValueError(f"{_name(planned.kind)} with {key}={value!r} has no plain part")


def _conv_lstm(planned: Planned, called: Called) -> Planned:
    _check_functions(planned)
    settings = dict(_without_seeds(planned).settings)
    if not called.masked:
        settings.pop("zero_output_for_mask", None)
    return _same(Planned(planned.kind, *planned.arguments, **settings), called)


def _attention(planned: Planned, called: Called) -> Planned:
    """The part takes sizes where that of `torch_impl` takes shapes."""
    given = planned.named
    others = ("sliding_window", "flash_attention", "use_gate")
    shapes = [given[key] for key in ("query_shape", "value_shape", "key_shape")]
    wrong = {key: given[key] for key in others if given[key]}
    if given["attention_axes"] not in (None, 1, (1,), [1]):
        wrong["attention_axes"] = given["attention_axes"]
    if any(isinstance(shape, Parameter) for shape in shapes):
        raise ValueError("MultiHeadAttention of several sizes in one block has no plain part")
    if any(shape is not None and len(shape) != 2 for shape in shapes):
        wrong["query_shape"] = shapes[0]
    if not isinstance(given["output_shape"] or 1, int):
        wrong["output_shape"] = given["output_shape"]
    if given["use_bias"] and given["num_heads"] > 1:  # Keras takes its axis for that of steps
        wrong |= {key: 1 for key in ("key_dim", "value_dim") if given[key] == 1}
    if wrong:
        raise ValueError(f"MultiHeadAttention with {wrong} has no plain part")
    sizes = [None if shape is None else shape[-1] for shape in shapes]
    query, value, key = sizes
    settings: dict[str, Any] = {}
    if value not in (None, query):
        settings["value_size"] = value
    if key not in (None, value or query):
        settings["key_size"] = key
    if given["value_dim"] not in (None, given["key_dim"]):
        settings["value_dim"] = given["value_dim"]
    if given["dropout"]:
        settings["dropout"] = given["dropout"]
    if not given["use_bias"]:
        settings["use_bias"] = False
    if given["output_shape"] not in (None, query):
        settings["output_size"] = given["output_shape"]
    part = attention.MultiHeadAttention
    return Planned(part, given["num_heads"], given["key_dim"], query, **settings)


def _einsum(planned: Planned, called: Called) -> Planned:
    module: Any = planned.build()
    bias = () if module.bias is None else tuple(module.bias.shape)
    if len(bias) > 1 and sum(side > 1 for side in bias) == 1:
        raise ValueError(f"EinsumDense with a bias of shape {bias} has no plain part")
    settings = {"bias_shape": bias} if bias else {}
    return Planned(attention.EinsumDense, module.equation, tuple(module.weight.shape), **settings)


def _bidirectional(planned: Planned, called: Called) -> Planned:
    if planned.named.get("merge_mode", "concat") is None:
        raise ValueError("Bidirectional with merge_mode=None has no plain part")
    for inside in planned.arguments:  # whose outputs have their channels behind the steps
        if isinstance(inside, Planned) and _ROWS.get(inside.kind) is _conv_lstm:
            raise ValueError(f"{_name(inside.kind)} in both directions has no plain part")
    return _same(planned, called)


def _upsampling(planned: Planned, called: Called) -> Planned:
    interpolation = planned.named.get("interpolation", "nearest")
    if interpolation != "bilinear":  # torch has other weights for cubic ones, and no Lanczos
        raise ValueError(f"UpSampling with interpolation={interpolation!r} has no plain part")
    return Planned(resizing.UpSampling, planned.named.get("size", 2))


def _category_encoding(planned: Planned, called: Called) -> Planned:
    settings = dict(planned.settings)
    dtype = settings.pop("dtype", torch.float32)
    if dtype not in (torch.float32, torch.float64):  # those of the network
        raise ValueError(f"CategoryEncoding with {dtype=} has no plain part")
    return _same(Planned(planned.kind, *planned.arguments, **settings), called)


_ROWS: dict[Any, Row] = {
    layers.CategoryEncoding: _category_encoding,
    layers.UpSampling: _upsampling,
    layers.Dropout: _dropout,
    layers.AlphaDropout: _alpha,
    layers.SpatialDropout: _spatial,
    layers.LSTM: _recurrent,
    layers.GRU: _recurrent,
    layers.SimpleRNN: _recurrent,
    layers.ConvLSTM1D: _conv_lstm,
    layers.ConvLSTM2D: _conv_lstm,
    layers.ConvLSTM3D: _conv_lstm,
    layers.Bidirectional: _bidirectional,
    layers.MultiHeadAttention: _attention,
    layers.EinsumDense: _einsum,
}


# --- The weights of Keras in a plain network: where each of them is, and how it lies there --------


@dataclass(frozen=True)
class Place:
    """How one parameter, or buffer, is made of a weight of Keras.

    Attributes:
        name: of the parameter.
        row: of the weight; None: all of it.
        gates: places of the parameter's gates among those of the last axis; (): it has none.
        axes: order of the axes.
        shape: of the parameter.
    """

    name: str
    row: int | None
    gates: tuple[int, ...]
    axes: tuple[int, ...]
    shape: tuple[int, ...]

    def of(self, weight: np.ndarray) -> np.ndarray:
        """Returns the parameter."""
        x = weight if self.row is None else weight[self.row]
        if self.gates:
            parts = np.split(x, len(self.gates), axis=-1)
            x = np.concatenate([parts[gate] for gate in self.gates], axis=-1)
        return x.transpose(self.axes).reshape(self.shape)


def places_of(
    full: nn.Module, plain: nn.Module, variables: Mapping[str, Variable]
) -> dict[str, list[Place]]:
    """Returns the places of each weight of Keras.

    Args:
        full: the network with the parts of `torch_impl`.
        plain: the same without them; its parameters have the same names.
        variables: of the first one, by the names of Keras's weights.

    Raises:
        ValueError: a weight lies in another order than axes and gates can tell.
    """
    names = {id(module): name for name, module in full.named_modules()}
    state = plain.state_dict()
    found: dict[str, list[Place]] = {}
    for name, variable in variables.items():
        shape = tuple(variable.to_keras(variable.tensors).shape)
        numbers = torch.arange(int(np.prod(shape)), dtype=torch.float64).reshape(shape) + 1
        path = names[id(variable.module)]
        found[name] = []
        for attribute, tensor in zip(variable.attributes, variable.to_torch(numbers), strict=True):
            whole = f"{path}.{attribute}" if path else attribute
            if whole in state and tensor.any():  # the second bias of an LSTM is 0
                wanted = linear(full, whole, tensor).numpy()
                found[name].append(_place(whole, numbers.numpy(), wanted))
    return found


def linear(full: nn.Module, name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Returns a weight of attention as that of a linear layer, and any other as it is.

    Args:
        full: the network with the parts of `torch_impl`.
        name: of the weight.
        tensor: its value there.
    """
    path, _, layer = name.rpartition(".")[0].rpartition(".")
    if not isinstance(full.get_submodule(path), layers.MultiHeadAttention):
        return tensor
    if tensor.ndim < 3:
        return tensor.flatten()
    if layer == "attention_output":
        return tensor.flatten(0, 1).T
    return tensor.flatten(1).T


def _place(name: str, weight: np.ndarray, wanted: np.ndarray) -> Place:
    for row, gates in _ways(weight):
        if wanted.size != (weight.size if row is None else weight[row].size):
            continue
        sides = weight.shape if row is None else weight.shape[1:]
        # Sides of one may stand anywhere: the order that needs no other shape says what each is.
        orders = sorted(
            itertools.permutations(range(len(sides))),
            key=lambda axes: tuple(sides[axis] for axis in axes) != wanted.shape,
        )
        for axes in orders:
            place = Place(name, row, gates, axes, wanted.shape)
            if np.array_equal(place.of(weight), wanted):
                return place
    raise ValueError(f"{name}: its order is not that of axes and gates")


def _ways(weight: np.ndarray) -> Iterator[tuple[int | None, tuple[int, ...]]]:
    yield None, ()
    rows: Sequence[int | None] = [None, *range(min(len(weight), 2))] if weight.ndim else [None]
    for row in rows:
        for number in (1, 3, 4):
            if weight.shape and weight.shape[-1] % number == 0:
                yield from ((row, gates) for gates in itertools.permutations(range(number)))


def load_lines(places: Mapping[str, Sequence[Place]]) -> list[str]:
    """Returns the rows of a table: of an order, with the pairs of Keras's names and parameters."""
    by_order: dict[str, list[str]] = {}
    for name, found in places.items():
        for place in found:
            row = wrapped(f"        ({literal(name)}, {literal(place.name)})", behind=1)
            by_order.setdefault(_place_text(place), []).extend([*row[:-1], f"{row[-1]},"])
    lines: list[str] = []
    for order, rows in by_order.items():
        if len(rows) == 1 and len(one := f"    ({order}): [{rows[0].strip()[:-1]}],") <= WIDTH:
            lines.append(one)
        else:
            lines += [f"    ({order}): [", *rows, "    ],"]
    return lines


def _place_text(place: Place) -> str:
    gates = place.gates if len(place.gates) > 1 else ()
    return ", ".join(map(literal, (place.row, gates, place.axes)))


# --- Copies parts of `torch_impl.plain` into the package of a port, with all that they need -------
#
# A line that ends with "#: NAME" is copied if the program has what the name says, and the code
# behind "#: not NAME: " if it has not.


# In the order in which their parts stand in a file.
MODULES = (
    *("activations", "operations", "convolutions", "pools", "resizing", "normalization", "noise"),
    "augmentation",
    *("categories", "merging", "recurrent", "conv_lstm", "attention", "weights", "losses"),
    *("clipping", "optimizers", "schedules", "callbacks", "metrics", "training"),
    *("command_line", "array_checks", "data_file"),
)
_HOME = "torch_impl.plain"


@dataclass(frozen=True)
class Part:
    """A class, a function or a constant of a module of parts.

    Attributes:
        place: its place among all parts.
        text: its source.
        names: that it uses.
        is_constant: whether it is an assignment.
    """

    place: int
    text: str
    names: frozenset[str]
    is_constant: bool


_OF_SOME = re.compile(r"^(?P<code>.*?)  #: (?P<name>\w+)$")
_OF_OTHERS = re.compile(r"^(?P<indent> *)#: not (?P<name>\w+): (?P<code>.*)$")


def copied(names: Iterable[str], about: str) -> str:
    """Returns the source of a file of parts.

    Args:
        names: of parts; those that they need come with them.
        about: the docstring of the file.
    """
    body, imports = chosen(names)
    gap = "\n\n\n" if body.startswith(("class ", "def ", "@")) else "\n\n"
    return f'"""{about}"""\n\n{imported(imports)}{gap}{body}\n'


def chosen(
    names: Iterable[str], has: Collection[str] | None = None
) -> tuple[str, dict[str, tuple[str, str]]]:
    """Returns the source of parts and of those that they need, and what they import.

    Args:
        names: of parts.
        has: what the program has, by the names behind "#: "; None: all.

    Returns:
        The source; imported name -> (module, its name there or "").

    Raises:
        KeyError: there is no part of that name.
    """
    parts, imports = _all_parts(None if has is None else frozenset(has))
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += [other for other in parts[name].names if other in parts]
    found = sorted((parts[name] for name in wanted), key=lambda part: part.place)
    used = {name for part in found for name in part.names}
    body = ""
    before: Part | None = None
    for part in found:
        if before is not None:
            body += "\n" if before.is_constant and part.is_constant else "\n\n\n"
        body += part.text
        before = part
    return body, {name: imports[name] for name in used if name in imports}


def names_of_parts() -> frozenset[str]:
    """Returns the names of all parts."""
    return frozenset(_all_parts(None)[0])


def texts_of_parts() -> frozenset[str]:
    """Returns the sources of all parts."""
    return frozenset(part.text for part in _all_parts(None)[0].values())


def definitions(source: str, tree: ast.Module | None = None) -> Iterator[tuple[ast.stmt, str]]:
    """Yields the outermost statements of a source, each with its text.

    Args:
        source: of a file.
        tree: of it; None: it is parsed.
    """
    lines = source.split("\n")
    for node in (tree or ast.parse(source)).body:
        yield node, _text(node, lines)


def imports_of_parts() -> frozenset[tuple[str, str]]:
    """Returns what parts import: (module, name in it or "")."""
    return frozenset(_all_parts(None)[1].values())


def _of_program(source: str, has: Collection[str] | None) -> str:
    """Returns the lines of a source that belong to a program."""
    lines = []
    for line in source.splitlines():
        if (some := _OF_SOME.match(line)) is not None:
            lines += [some["code"]] if has is None or some["name"] in has else []
        elif (others := _OF_OTHERS.match(line)) is not None:
            is_other = has is not None and others["name"] not in has
            lines += [others["indent"] + others["code"]] if is_other else []
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


@functools.cache
def _all_parts(
    has: frozenset[str] | None,
) -> tuple[Mapping[str, Part], Mapping[str, tuple[str, str]]]:
    """Returns the parts by name, and of each imported name (module, its name there or "")."""
    parts: dict[str, Part] = {}
    imports: dict[str, tuple[str, str]] = {}
    for module in MODULES:
        path = Path(plain.__file__).with_name(f"{module}.py")
        source = _of_program(path.read_text(encoding="utf-8"), has)
        lines = source.splitlines()
        for node in ast.parse(source).body:
            if isinstance(node, ast.Import):
                imports |= {a.asname or a.name: (a.name, "") for a in node.names}
            elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith(_HOME):
                imports |= {a.asname or a.name: (str(node.module), a.name) for a in node.names}
            elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Assign):
                name = getattr(node, "name", "") or _target(node)
                used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                text = _text(node, lines)
                constant = isinstance(node, ast.Assign)
                parts[name] = Part(len(parts), text, frozenset(used), constant)
    return parts, imports


def _target(node: ast.AST) -> str:
    assert isinstance(node, ast.Assign)
    (target,) = node.targets
    assert isinstance(target, ast.Name)
    return target.id


def _text(node: ast.stmt, lines: list[str]) -> str:
    """Returns the source of a node, without what only our type checker reads."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    assert node.end_lineno is not None
    text = "\n".join(lines[first - 1 : node.end_lineno])
    return re.sub(r"  # type: ignore\[[\w, -]+\]", "", text)
