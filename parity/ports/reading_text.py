"""How train.py reads a file of data: names, shapes, and the functions that take arrays."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from parity.ports.form import Layout, Shape, literal
from parity.ports.program import Line, Program, Value, all_of, input_names, values_in
from parity.ports.wrapping import WIDTH, documented, wrapped
from torch_impl.keras_config.planned import Planned

# --------------------------------------------------------------------------------------------------
#
# The calls of `data_file` by which train.py takes each array: its shape, and what it may hold.


# Losses that compare entry by entry, and broadcast as Keras's do.
_BY_ENTRY = frozenset(
    {"MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError"}
    | {"MeanSquaredLogarithmicError", "Huber", "LogCosh", "Hinge", "SquaredHinge"}
    | {"CategoricalHinge", "KLDivergence", "Poisson", "CosineSimilarity"}
)
_EXACT = frozenset({"BinaryCrossentropy", "BinaryFocalCrossentropy"})  # which refuse to broadcast
_ROWS = frozenset({"CategoricalCrossentropy", "CategoricalFocalCrossentropy"})
_LABELS = "SparseCategoricalCrossentropy"
_OF_NAN = re.compile(r"isnan|nan_to_num|isfinite|isinf")


def input_texts(
    program: Program, facts: Mapping[str, Any], given: Mapping[str, str]
) -> dict[str, str]:
    """Returns the source that takes each input of a network from a file, by its name.

    Args:
        program: the model.
        facts: of the trace of the Keras half.
        given: name of an array -> name of the input.
    """
    dtypes = _dtypes(facts)
    rows = _embedded(program)
    handles_nan = _OF_NAN.search(str(facts.get("own"))) is not None or any(
        _OF_NAN.search(line.text) for each in all_of(program) for line in each.lines
    )
    found = {}
    for array, name in given.items():
        value = program.inputs[name]
        shape, dtype = value.shape[1:], dtypes.get(name, "")
        below = rows.get(value.number)
        if below is not None:
            found[name] = _call("whole_input", array, shape, f", {below}")
        elif dtype in ("int32", "int64"):
            found[name] = _call("whole_input", array, shape)
        elif dtype.startswith("float"):
            found[name] = _call("real_input", array, shape, ", may_be_nan=True" * handles_nan)
        else:
            found[name] = _call("any_input", array, shape)
    return found


def _dtypes(facts: Mapping[str, Any]) -> dict[str, str]:
    """Returns the dtype of each input, by the name of its layer."""
    model = (facts.get("program") or {}).get("model") or {}
    settings = [layer["config"] for layer in (model.get("config") or {}).get("layers", ())]
    return {each["name"]: str(each["dtype"]) for each in settings if "dtype" in each}


def _embedded(program: Program) -> dict[int, int]:
    """Returns the fewest rows of the embeddings that take an input and nothing else, by number."""
    found: dict[int, int] = {}
    for line in program.lines:
        made = line.made
        if made is not None and made.kind is nn.Embedding:
            rows = int(made.arguments[0])
            for value in line.inputs:
                found[value.number] = min(rows, found.get(value.number, rows))
    others = {
        value.number
        for line in program.lines
        for value in line.inputs
        if line.made is None or line.made.kind is not nn.Embedding
        if not _is_comparison(line)
    }
    return {number: rows for number, rows in found.items() if number not in others}


def _is_comparison(line: Line) -> bool:
    """Whether a line makes the mask of tokens."""
    return line.made is None and re.fullmatch(r"\{0\} != \d+", line.text) is not None


def output_shapes(program: Program, facts: Mapping[str, Any]) -> dict[str, Shape]:
    """Returns the shape of a sample of each output whose shape is known; "": of the only one.

    Args:
        program: the model.
        facts: of the trace of the Keras half.
    """
    outputs = [(each["name"], each["shape"]) for each in facts.get("outputs") or []] or [
        ("", facts.get("output_shape") or [])
    ]
    made: list[Value] = values_in(program.outputs)
    if isinstance(program.outputs, Mapping) and set(program.outputs) == {n for n, _ in outputs}:
        made = [program.outputs[name] for name, _ in outputs]
    found = {}
    for (name, drawn), value in zip(outputs, made, strict=False):
        shape = value.shape[1:]
        # What is open in the model was drawn in the probe.
        are_same = len(shape) == len(drawn) and all(
            a in (None, b) for a, b in zip(shape, drawn, strict=True)
        )
        if len(outputs) == len(made) and shape and are_same:
            found[name] = shape
    if len(outputs) == 1 and found:
        found[""] = found.get("", next(iter(found.values())))
    return found


def target_text(array: str, loss: Any, shape: Shape | None) -> str:
    """Returns the source that takes the targets of an output from a file.

    Args:
        array: name of the array.
        loss: its plan; of the user's own or None: nothing is known of its targets.
        shape: of a sample of the output; None: it is not known.
    """
    kind = loss.kind.__name__ if _is_of_keras(loss) else ""
    settings = loss.settings if kind else {}
    if shape is None or settings.get("axis", -1) != -1:
        return f"any_targets(file, {literal(array)} + ending)"
    if kind == _LABELS and shape[-1] is not None:
        ignored = settings.get("ignore_class")
        more = f", {shape[-1]}" + ("" if ignored is None else f", {literal(ignored)}")
        return _call("label_targets", array, shape[:-1], more)
    if kind in _ROWS and shape[-1] != 1:
        return _call("row_targets", array, shape)
    if kind in _BY_ENTRY | _EXACT | _ROWS:
        more = "" if kind in _BY_ENTRY else ", is_broadcast=False"
        return _call("value_targets", array, shape, more)
    return f"any_targets(file, {literal(array)} + ending)"


def weight_text(array: str, loss: Any, shape: Shape | None) -> str:
    """Returns the source that takes the weights of an output; see `target_text`."""
    is_known = shape is not None and _is_of_keras(loss)
    if not is_known or shape is None:
        return f"sample_weight(file, {literal(array)} + ending)"
    return _call("sample_weight", array, shape[:-1])


def _is_of_keras(loss: Any) -> bool:
    return isinstance(loss, Planned) and loss.kind.__module__.startswith("torch_impl.losses")


def _call(function: str, array: str, shape: Shape, more: str = "") -> str:
    return f"{function}(file, {literal(array)} + ending, {literal(tuple(shape))}{more})"


# --------------------------------------------------------------------------------------------------
#
# How train.py reads a file of data: the names of its arrays, and the functions that take them.
#
# x, y, weight            one input, one output x_<input>, y_<output>   several; weight_<output> for
# one of them x_val, y_val, ...       of validation: "_val" behind each name


@dataclass(frozen=True)
class Arrays:
    """The arrays in a file of data.

    Attributes:
        inputs: name of an array -> name of the input.
        targets: name of an array -> name of the output.
        weights: name of an array -> name of the output, of several.
        is_weighted: whether the Keras program gave `fit` weights of samples.
        takes_weights: whether it can: it has no weights of classes.

    A program that gives `fit` no targets has none in its file.
    """

    inputs: Mapping[str, str]
    targets: Mapping[str, str]
    weights: Mapping[str, str]
    is_weighted: bool
    takes_weights: bool


def arrays_of(program: Program, facts: Mapping[str, Any]) -> Arrays:
    """Returns the arrays that a program is trained with.

    Args:
        program: the model.
        facts: of the trace of the Keras half.
    """
    loss = facts.get("loss") or {}
    outputs = [each["name"] for each in facts.get("outputs") or []]
    given = _input_arrays(list(program.inputs), _feed_names(facts))
    targets, weights = {"y": outputs[0] if outputs else ""}, {}
    if not has_targets(facts):
        return Arrays(given, {}, {}, is_weighted=False, takes_weights=True)
    if len(outputs) > 1:  # those of an output without a loss are not needed
        needed = [name for name in outputs if name in (loss.get("outputs") or outputs)]
        measured = (facts.get("metrics") or {}).values()
        needed += [n for n in outputs if n not in needed and any(n in each for each in measured)]
        targets = {f"y_{name}": name for name in needed}
        weights = {f"weight_{name}": name for name in needed}
    return Arrays(
        given,
        targets,
        weights,
        bool(loss.get("sample_weight")),
        not loss.get("class_weight"),
    )


def _input_arrays(inputs: Sequence[str], feed_names: Mapping[str, str]) -> dict[str, str]:
    if len(inputs) == 1:
        return {"x": inputs[0]}
    return {f"x_{feed_names.get(name, name)}": name for name in inputs}


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


def _feed_names(facts: Mapping[str, Any]) -> dict[str, str]:
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


def about_training(
    package: str, does: str, arrays: Arrays, more: Sequence[str], feed: Sequence[str] = ()
) -> str:
    """Returns the docstring of train.py, with what the file of data has.

    Args:
        package: name of the package.
        does: how it trains, behind "as the Keras program".
        arrays: in the file.
        more: sentences on what the training lacks.
        feed: see `about_data`.
    """
    lines = [f'"""Trains the network as the Keras program {does}.', ""]
    lines += [f"    python -m {package}.train data.npz --seed 42", ""]
    lines += about_data(arrays, feed)
    if more:
        lines += ["", *filled(" ".join(more))]
    return "\n".join([*lines, '"""'])


def about_data(arrays: Arrays, feed: Sequence[str] = ()) -> list[str]:
    """Returns what a file of data has, in lines.

    Args:
        arrays: in the file.
        feed: sentences on what they are of what the program feeds.
    """
    needed = [*map(documented, [*arrays.inputs, *arrays.targets])]
    names = [", ".join(needed[:-1]), needed[-1]] if len(needed) > 1 else needed
    text = f"The file has {' and '.join(names)}, in Keras's layout."
    if not arrays.targets:
        text += " It has no targets: the program gives fit none."
    if not arrays.takes_weights:
        text += " It has no weights of samples: the program has those of classes."
    else:
        each_output = (
            f" or, for one output each, {', '.join(map(documented, arrays.weights))}"
            if arrays.weights
            else ""
        )
        text += f" The sample_weight of fit is weight{each_output}"
        text += ", which the program has" if arrays.is_weighted else ", which may lack"
        text += ": a number for each sample, or for each value of the loss."
    text += " Validation has the same names with _val behind them."
    return filled(" ".join([text, *feed]))


def filled(text: str) -> list[str]:
    """Returns sentences in lines."""
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def step_data_text(arrays: Arrays) -> str:
    """Returns what a step gets of the arrays in a file, in words."""
    if not arrays.targets:
        return "x alone"
    return "(x, y, weight)" if arrays.is_weighted else "(x, y)"


@dataclass(frozen=True)
class Taken:
    """The source that takes arrays from a file.

    Attributes:
        inputs: by the names of the inputs.
        targets: by the names of the arrays.
        weights: likewise, of those that belong to one output, or to the only one.
    """

    inputs: Mapping[str, str]
    targets: Mapping[str, str]
    weights: Mapping[str, str]


def array_texts_of(
    program: Program, facts: Mapping[str, Any], arrays: Arrays, losses: Any
) -> Taken:
    """Returns how the arrays of a file are taken.

    Args:
        program: the model.
        facts: of the trace of the Keras half.
        arrays: in the file.
        losses: the plan of the loss, or those of each output.
    """
    shapes = output_shapes(program, facts)
    by_output = losses if isinstance(losses, Mapping) else {}
    one = losses if len(arrays.targets) == 1 and not by_output else None
    if len(by_output) == 1 and len(arrays.targets) == 1:  # the only output has a weight
        one = next(iter(by_output.values()))

    def loss_of(output: str) -> Any:
        return by_output.get(output, one)

    targets = {
        array: target_text(array, loss_of(output), shapes.get(output))
        for array, output in arrays.targets.items()
    }
    weights = {
        array: weight_text(array, loss_of(output), shapes.get(output))
        for array, output in [("weight", ""), *arrays.weights.items()]
    }
    return Taken(input_texts(program, facts, arrays.inputs), targets, weights)


def reading(
    arrays: Arrays,
    array_texts: Taken,
    input_: Callable[[str, str], str],
    target: str,
    *,
    by_name: bool,
) -> list[str]:
    """Returns the function of train.py that takes the arrays of a file.

    Args:
        arrays: in the file.
        array_texts: how each is taken.
        input_: returns source for an input, of its name and of the source of its array.
        target: source for a target or a weight, with {} in the place of that of its array.
        by_name: whether the only output has its targets in a dictionary, too.
    """
    body = _inputs(arrays, array_texts, input_)
    texts = {key: target.replace("{}", text) for key, text in array_texts.targets.items()}
    if not arrays.targets:
        body.append("    y = None")
    elif len(arrays.targets) > 1 or by_name:
        rows = [f"{literal(name)}: {texts[key]}" for key, name in arrays.targets.items()]
        body += _mapping("y", rows)
    else:
        body += wrapped(f"    y = {next(iter(texts.values()))}")
    last = "weight"
    if not arrays.takes_weights:
        last = "None"
    elif arrays.weights:
        names = [
            f"{literal(name)}: {array_texts.weights[key]}" for key, name in arrays.weights.items()
        ]
        every = f"output_weights({array_texts.weights['weight']}, {{{', '.join(names)}}})"
        body += wrapped(f"    weight = {target.replace('{}', every)}")
    else:
        body += wrapped(f"    weight = {target.replace('{}', array_texts.weights['weight'])}")
    return [
        'def read(file: Arrays, ending: str = "") -> tuple[Any, Any, Any]:',
        '    """Returns inputs, targets, and weights of samples or None."""',
        *body,
        f"    return x, y, {last}",
    ]


def opening(arrays: Arrays) -> list[str]:
    """Returns the statements of `main` that open a file."""
    needed = ", ".join(map(literal, [*arrays.inputs, *arrays.targets]))
    more = ", ".join(map(literal, ["weight", *arrays.weights]))
    lines = wrapped(f"    file = opened(given.data, [{needed}], [{more}])")
    if not arrays.takes_weights:
        lines.append("    refuse_weights(file)")
    elif arrays.is_weighted:
        lines.append("    tell_unweighted(file)")
    return lines


def weightless_text(losses: Collection[str], arrays: Arrays) -> str:
    """Returns statements that end a training with weights which a loss does not take.

    Args:
        losses: names of the losses that are to be written.
        arrays: in a file of data.
    """
    if not losses or not arrays.takes_weights:  # then no file may have any
        return ""
    names = f"({', '.join(losses)},)" if len(losses) == 1 else f"({', '.join(losses)})"
    lines = [
        *wrapped(f"    for loss in {names}:"),
        '        if not takes_weights(loss) and any(name.startswith("weight") for name in file):',
        '            text = f"give {loss.__name__} the argument sample_weight, (N,)"',
        '            raise SystemExit(f"the file has weights, and the loss takes none: {text}")',
    ]
    return "".join(f"{line}\n" for line in lines)


def _inputs(arrays: Arrays, array_texts: Taken, input_: Callable[[str, str], str]) -> list[str]:
    rows = {name: input_(name, array_texts.inputs[name]) for name in arrays.inputs.values()}
    if len(rows) == 1:
        return wrapped(f"    x = {next(iter(rows.values()))}")
    known = input_names(rows)
    return _mapping("x", [f'"{known[name]}": {text}' for name, text in rows.items()])


def _mapping(name: str, rows: Sequence[str]) -> list[str]:
    lines = [f"    {name} = {{"]
    for row in rows:
        inner = wrapped(f"        {row}", behind=1)
        lines += [*inner[:-1], f"{inner[-1]},"]
    return [*lines, "    }"]


def is_turned(value: Value) -> bool:
    """Whether a network takes an input with its channels second."""
    return value.layout is Layout.FIRST


# --- How train.py in plain torch reads a file of data, and the weights of the Keras model ---------


def load_weights(class_name: str) -> list[str]:
    """Returns the function that loads the weights of the Keras model."""
    return [
        *wrapped(f"def load_weights(model: {class_name}) -> {class_name}:"),
        '    """Gives a network the weights that the Keras model had."""',
        "    model.load_state_dict(load_file(WEIGHTS))",
        "    return model",
    ]


def reading_of(
    program: Program, facts: Mapping[str, Any], arrays: Arrays, losses: Any, *, by_name: bool
) -> list[list[str]]:
    """Returns the functions that take arrays of a file, make tensors of them, and turn images.

    Args:
        program: the model.
        facts: of the trace of the Keras half.
        arrays: in the file.
        losses: the plan of the loss, or those of each output.
        by_name: whether the only output has its targets in a dictionary, too.
    """
    inputs, sections = program.inputs, []
    if len(inputs) == 1:
        (value,) = inputs.values()
        shape = ", ".join(["N", *("?" if s is None else str(s) for s in value.shape[1:])])
        description = f"({shape}) with the channels second" if is_turned(value) else f"({shape})"
        turned = ".movedim(-1, 1)" if is_turned(value) else ""
        sections.append(
            [
                "def feed(x: np.ndarray) -> torch.Tensor:",
                f'    """Returns what the network takes: {description}."""',
                f"    return torch.as_tensor(x){turned}",
            ]
        )

    def input_text(name: str, text: str) -> str:
        if len(inputs) == 1:
            return f"feed(tensor({text}))"
        return f"tensor({text}){'.movedim(-1, 1)' if is_turned(inputs[name]) else ''}"

    texts = array_texts_of(program, facts, arrays, losses)
    read = reading(arrays, texts, input_text, "tensor({})", by_name=by_name)
    has_nest = bool(arrays.weights) and arrays.takes_weights
    nest = [
        "    if isinstance(array, dict):",
        "        return {name: tensor(each) for name, each in array.items()}",
    ]
    none = ["    if array is None:", "        return None"]
    tensor = [
        "def tensor(array: Any) -> Any:",
        '    """Returns a tensor, of real numbers in the dtype of the network."""',
        *(nest if has_nest else []),
        *(none if arrays.takes_weights else []),
        '    dtype = torch.get_default_dtype() if array.dtype.kind == "f" else None',
        "    return torch.as_tensor(array, dtype=dtype)",
    ]
    return [*sections, read, tensor]
