"""The calls of `data_file` by which train.py takes each array: its shape, and what it may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import nn

from parity.ports.form import Shape, literal
from parity.ports.program import Line, Program, Value, all_of, values_in
from torch_impl.keras_config.planned import Planned

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
