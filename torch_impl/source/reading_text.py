"""How train.py reads a file of data: the names of its arrays, and the functions that take them.

x, y, weight            one input, one output
x_<input>, y_<output>   several; weight_<output> for one of them
x_val, y_val, ...       of validation: "_val" behind each name
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch_impl.source.form import Layout, literal
from torch_impl.source.names import attribute
from torch_impl.source.program import Program, Value
from torch_impl.source.wrapping import WIDTH, wrapped


@dataclass(frozen=True)
class Arrays:
    """The arrays in a file of data.

    Attributes:
        inputs: name of an array -> name of the input.
        targets: name of an array -> name of the output.
        weights: name of an array -> name of the output, of several.
        is_weighted: whether the Keras program gave `fit` weights of samples.
        takes_weights: whether it can: it has no weights of classes.
        real: names of the arrays that Keras makes real numbers of, whatever the file has.

    A program that gives `fit` no targets has none in its file.
    """

    inputs: Mapping[str, str]
    targets: Mapping[str, str]
    weights: Mapping[str, str]
    is_weighted: bool
    takes_weights: bool
    real: frozenset[str] = frozenset()


def arrays_of(program: Program, facts: Mapping[str, Any]) -> Arrays:
    """Returns the arrays that a program is trained with.

    Args:
        program: the model.
        facts: of the trace of the Keras half.
    """
    loss = facts.get("loss") or {}
    outputs = [each["name"] for each in facts.get("outputs") or []]
    given = _input_arrays(list(program.inputs), _told_names(facts))
    real_inputs = _real_inputs(facts)
    real = frozenset(array for array, name in given.items() if name in real_inputs)
    targets, weights = {"y": outputs[0] if outputs else ""}, {}
    if not has_targets(facts):
        return Arrays(given, {}, {}, is_weighted=False, takes_weights=True, real=real)
    if len(outputs) > 1:  # those of an output without a loss are not needed
        taken = [name for name in outputs if name in (loss.get("outputs") or outputs)]
        measured = (facts.get("metrics") or {}).values()
        taken += [n for n in outputs if n not in taken and any(n in each for each in measured)]
        targets = {f"y_{name}": name for name in taken}
        weights = {f"weight_{name}": name for name in taken}
    return Arrays(
        given,
        targets,
        weights,
        bool(loss.get("sample_weight")),
        not loss.get("class_weight"),
        real,
    )


def _input_arrays(inputs: Sequence[str], told: Mapping[str, str]) -> dict[str, str]:
    if len(inputs) == 1:
        return {"x": inputs[0]}
    return {f"x_{told.get(name, name)}": name for name in inputs}


def _real_inputs(facts: Mapping[str, Any]) -> set[str]:
    """Returns the inputs of real numbers, by the names of their layers.

    A model turns what it is fed into the dtype of its inputs: images are often bytes in a file.
    """
    settings = [layer["config"] for layer in _config(facts).get("layers", ())]
    return {each["name"] for each in settings if str(each.get("dtype")).startswith("float")}


def _config(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the config of the model; empty if it has none."""
    found: Mapping[str, Any] = ((facts.get("program") or {}).get("model") or {}).get("config") or {}
    return found


def has_targets(facts: Mapping[str, Any]) -> bool:
    """Whether `fit` gets targets: a `train_step` of the user's own may take inputs alone.

    Args:
        facts: of the trace of the Keras half.
    """
    step = (facts.get("own_training") or {}).get("data")
    if step is not None and step["targets"] is None:
        return False
    fit = (facts.get("program") or {}).get("fit") or {}
    return bool(fit.get("has_targets", True))


def _told_names(facts: Mapping[str, Any]) -> dict[str, str]:
    """Returns the names that inputs have for those who feed the model, by those of their layers.

    `--data` of a check has the same names: of a dictionary its keys, of a nest paths with dots.
    """
    places = _places(_config(facts).get("input_layers"))
    names = [each["name"].replace("/", ".") for each in facts.get("inputs") or []]
    return dict(zip(places, names, strict=True)) if len(places) == len(names) else {}


def _places(nest: Any) -> list[str]:
    """Returns the layers of the inputs of a config, as Keras flattens their structure."""
    if isinstance(nest, Mapping):
        return [name for key in sorted(nest) for name in _places(nest[key])]
    if not isinstance(nest, list | tuple) or not nest:
        return []
    if isinstance(nest[0], str):  # [layer, node, tensor]
        return [nest[0]]
    return [name for each in nest for name in _places(each)]


def about_training(package: str, does: str, arrays: Arrays, more: Sequence[str]) -> str:
    """Returns the docstring of train.py, with what the file of data has.

    Args:
        package: name of the package.
        does: how it trains, behind "as the Keras program".
        arrays: in the file.
        more: sentences on what the training lacks.
    """
    lines = [f'"""Trains the network as the Keras program {does}.', ""]
    lines += [f"    python -m {package}.train data.npz --seed 42", ""]
    lines += about_data(arrays)
    if more:
        lines += ["", *filled(" ".join(more))]
    return "\n".join([*lines, '"""'])


def about_data(arrays: Arrays) -> list[str]:
    """Returns what a file of data has, in lines."""
    needed = [*arrays.inputs, *arrays.targets]
    names = [", ".join(needed[:-1]), needed[-1]] if len(needed) > 1 else needed
    told = f"The file has {' and '.join(names)}, in Keras's layout."
    if not arrays.targets:
        told += " It has no targets: the program gives fit none."
    if not arrays.takes_weights:
        told += " It has no weights of samples: the program has those of classes."
    else:
        own = f" or, for one output each, {', '.join(arrays.weights)}" if arrays.weights else ""
        told += f" The sample_weight of fit is weight{own}"
        told += ", which the program has" if arrays.is_weighted else ", which may lack"
        told += ": a number for each sample, or for each value of the loss."
    told += " Validation has the same names with _val behind them."
    return filled(told)


def filled(text: str) -> list[str]:
    """Returns sentences in lines."""
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def told_data(arrays: Arrays) -> str:
    """Returns what a step gets of the arrays in a file, in words."""
    if not arrays.targets:
        return "x alone"
    return "(x, y, weight)" if arrays.is_weighted else "(x, y)"


def reading(
    arrays: Arrays, taken: Callable[[str, str], str], target: str, *, by_name: bool
) -> list[list[str]]:
    """Returns the constants and functions of train.py that read a file.

    Args:
        arrays: in the file.
        taken: returns source for an input, of its name and of the source of its array.
        target: source for a target or a weight, with {} in the place of that of its array.
        by_name: whether the only output has its targets in a dictionary, too.
    """
    names = [*arrays.inputs, *arrays.targets]
    known = [*names, "weight", *arrays.weights]
    constants = [
        "Arrays = dict[str, np.ndarray]",
        *wrapped(f"NEEDED = [{', '.join(map(literal, names))}]"),
        *wrapped(f"KNOWN = [{', '.join(map(literal, known))}]"),
    ]
    body = _inputs(arrays, taken)
    if not arrays.targets:
        body.append("    y = None")
    elif len(arrays.targets) > 1 or by_name:
        rows = [f'"{name}": {target.format(_array(key))}' for key, name in arrays.targets.items()]
        body += _mapping("y", rows)
    else:
        (key,) = arrays.targets
        body.append(f"    y = {target.format(_array(key))}")
    one = target.format("array(data, name)")
    if arrays.weights:
        own = ", ".join(f'"{name}": "{key}"' for key, name in arrays.weights.items())
        body += wrapped(f"    names = {{{own}}}")
        body += [
            "    names = {output: name + ending for output, name in names.items()}",
            "    weight: Any = {",
            *_comprehension(
                f"output: {one}", "for output, name in names.items()", "if name in data"
            ),
            "    }",
            '    name = "weight" + ending',
            "    if not weight:",
            f"        weight = {one} if name in data else None",
            "    elif name in data:",
            '        raise SystemExit(f"{name} and {list(weight)}: expected one of them")',
        ]
    else:
        body += [
            '    name = "weight" + ending',
            f"    weight = {one} if name in data else None",
        ]
    return [
        constants,
        [
            'def read(data: Arrays, ending: str = "") -> tuple[Any, Any, Any]:',
            '    """Returns inputs, targets and weights, or None, of names with an ending."""',
            *body,
            "    return x, y, weight",
        ],
        [
            "def array(data: Arrays, name: str) -> np.ndarray:",
            '    """Returns an array of the file."""',
            "    if name not in data:",
            "        told = f\"expected {', '.join(NEEDED)}, and found {', '.join(data)}\"",
            '        raise SystemExit(f"the file of data has no {name}: {told}")',
            "    return data[name]",
        ],
        *([_REAL] if arrays.real else []),
        [
            "def opened(path: Path) -> Arrays:",
            '    """Returns the arrays of a file, whose names are known."""',
            "    try:",
            "        with np.load(path) as file:",
            "            data = {name: file[name] for name in file}",
            "    except (OSError, ValueError, TypeError) as error:",
            '        raise SystemExit(f"{path}: expected a .npz file: {error}") from None',
            '    known = [*KNOWN, *(f"{name}_val" for name in KNOWN)]',
            "    if unknown := [name for name in data if name not in known]:",
            "        print(f\"not used: {', '.join(unknown)}\", file=sys.stderr)",
            *_on_weights(arrays),
            "    return data",
        ],
    ]


_REAL = [
    "def real(data: Arrays, name: str) -> np.ndarray:",
    '    """Returns an array as real numbers, as Keras takes the bytes of images."""',
    "    values = array(data, name)",
    "    return values.astype(np.result_type(values, np.float32), copy=False)",
]


def _on_weights(arrays: Arrays) -> list[str]:
    """Returns what is told if the program has weights and the file has none, or the reverse."""
    found = 'any(name.startswith("weight") for name in data)'
    if not arrays.takes_weights:
        return [
            f"    if {found}:",
            '        text = "the program has weights of classes, and the file those of samples"',
            '        raise SystemExit(f"{text}: Keras takes one of them")',
        ]
    if not arrays.is_weighted:
        return []
    return [
        f"    if not {found}:",
        '        text = "the Keras program gives fit sample_weight, and the file has no weight"',
        '        print(f"{text}: all samples count alike", file=sys.stderr)',
    ]


def _comprehension(*parts: str) -> list[str]:
    """Returns what stands in the brackets of a comprehension, in one line if that is enough."""
    line = f"        {' '.join(parts)}"
    return [line] if len(line) <= WIDTH else [f"        {part}" for part in parts]


def _array(name: str, *, is_real: bool = False) -> str:
    return f'{"real" if is_real else "array"}(data, "{name}" + ending)'


def _inputs(arrays: Arrays, taken: Callable[[str, str], str]) -> list[str]:
    rows = {
        name: taken(name, _array(key, is_real=key in arrays.real))
        for key, name in arrays.inputs.items()
    }
    if len(rows) == 1:
        return [f"    x = {next(iter(rows.values()))}"]
    return _mapping("x", [f'"{attribute(name)}": {text}' for name, text in rows.items()])


def _mapping(name: str, rows: Sequence[str]) -> list[str]:
    lines = [f"    {name} = {{"]
    for row in rows:
        inner = wrapped(f"        {row}", behind=1)
        lines += [*inner[:-1], f"{inner[-1]},"]
    return [*lines, "    }"]


def is_turned(value: Value) -> bool:
    """Whether a network takes an input with its channels second."""
    return value.layout is Layout.FIRST
