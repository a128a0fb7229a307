"""The statements of a `forward`, and how a call is written that has more than its inputs."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from parity.ports.form import Applied, Form, Layout, Operation, is_atom, keyword, literal
from parity.ports.forms.sequences import counted
from parity.ports.program import Line, Value, attribute, distinct, input_names
from parity.ports.table import operation_of
from parity.ports.wrapping import scanned
from torch_impl import layers
from torch_impl.arrays import Array
from torch_impl.keras_config.builders import plan_layer
from torch_impl.keras_config.graph import Call, Constant, Tensor, fill, is_held_array, tensors_in
from torch_impl.keras_config.planned import Planned

# --- The statements of a `forward`: lines that belong together in one, and names for tensors ------


_WIDTH = 72  # of an expression, so that a line with its indent has at most 88 columns
_NEAR = 6  # statements between which a tensor has a short name
_SHORT = ("x", "y", "z")
_MOST_LETTERS = 24  # of a variable
_MASK = re.compile(r"\b(?:\w+_)?(?<!attention_)mask=\{v(\d+)\}")  # a mask of steps, by any name
# Modules that may stand around the call of another one.
_AROUND = (
    layers.BatchNormalization,
    layers.Dropout,
    layers.SpatialDropout,
    layers.GaussianNoise,
    layers.GaussianDropout,
    nn.LayerNorm,
    nn.GroupNorm,
)


@dataclass
class Statement:
    """One assignment.

    Attributes:
        text: of the expression; "{v3}" stands for the tensor of number 3.
        reads: the tensors in it.
        makes: those that it gives.
        notes: reasons for a comment.
        is_atom: whether it needs no brackets inside of another expression.
    """

    text: str
    reads: tuple[Value, ...]
    makes: tuple[Value, ...]
    notes: list[str] = field(default_factory=list)
    is_atom: bool = True


def statements_of(
    lines: Sequence[Line], attributes: Mapping[int, str], ends: set[int]
) -> list[Statement]:
    """Returns the statements of lines.

    Args:
        lines: of a program.
        attributes: of the module, for the number of each line that has one.
        ends: numbers of the tensors that are returned.
    """
    uses: dict[int, int] = {}
    for line in lines:
        for value in line.inputs:
            uses[value.number] = uses.get(value.number, 0) + 1
    done: list[Statement] = []
    for number, line in enumerate(lines):
        texts = [f"{{v{value.number}}}" for value in line.inputs]
        reads = list(line.inputs)
        notes = [line.note] if line.note else []
        swallowed = _swallowed(done[-1] if done else None, line, uses, ends)
        if swallowed is not None:
            before = swallowed
            place = reads.index(before.makes[0])
            needs = not before.is_atom and needs_brackets(line.text, place, before.text)
            texts[place] = f"({before.text})" if needs else before.text
            reads = [*reads[:place], *before.reads, *reads[place + 1 :]]
            notes = before.notes + notes
        text = _filled(line.text, texts, attributes.get(number, ""))
        statement = Statement(text, tuple(dict.fromkeys(reads)), line.outputs, notes, is_atom(text))
        if swallowed is not None and len(_plain(text)) > _WIDTH:
            text = _filled(
                line.text, [f"{{v{v.number}}}" for v in line.inputs], attributes.get(number, "")
            )
            notes = [line.note] if line.note else []
            done.append(Statement(text, line.inputs, line.outputs, notes, is_atom(text)))
        elif swallowed is not None:
            done[-1] = statement
        else:
            done.append(statement)
    return done


def needs_brackets(outer: str, place: int, inner: str, *, least: bool = False) -> bool:
    """Whether an expression needs brackets in the place of a tensor of another one.

    Around what binds closer than a sum or a comparison, nobody writes them.

    Args:
        outer: with "{0}", "{1}" for its tensors.
        place: of the tensor.
        inner: is more than an atom.
        least: whether it has none around products, either, where they change nothing.
    """
    if re.search(r"[(\[,] ?\{" + str(place) + r"\}[,)\]]", outer) is not None:  # an argument
        return False

    def parsed(text: str) -> ast.expr:
        filled = outer.replace(f"{{{place}}}", text)
        return ast.parse(re.sub(r"\{(\w+)\}", r"_\1", filled), mode="eval").body

    try:
        without = parsed(inner)
    except SyntaxError:  # such as `x ** 2.sum()`
        return True
    operators = ast.operator if least else (ast.Add, ast.Sub)
    is_sum = isinstance(without, ast.BinOp) and isinstance(without.op, operators)
    if not (is_sum or isinstance(without, ast.Compare)):
        return True
    return ast.dump(without) != ast.dump(parsed(f"({inner})"))


def _swallowed(
    before: Statement | None, line: Line, uses: Mapping[int, int], ends: set[int]
) -> Statement | None:
    """Returns the statement before a line if it may stand inside of the line's own."""
    if before is None or len(before.makes) != 1:
        return None
    made = before.makes[0]
    given = [value.number for value in line.inputs]
    if uses.get(made.number) != 1 or made.number in ends or given.count(made.number) != 1:
        return None
    if line.text.count(f"{{{given.index(made.number)}}}") != 1:
        return None
    starts_anew = (
        line.program is not None
        or bool(line.chain)
        or (line.made is not None and not _is_around(line.made.kind))
    )
    return None if starts_anew and not before.text.endswith(_TURNS) else before


_TURNS = (".transpose(1, 2)", ".movedim(1, -1)", ".movedim(-1, 1)")


def _is_around(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, _AROUND)


def _filled(text: str, inputs: Sequence[str], module: str) -> str:
    text = text.replace("{self}", f"self.{module}")
    return re.sub(r"\{(\d+)\}", lambda match: inputs[int(match[1])], text)


def _plain(text: str) -> str:
    return re.sub(r"\{v\d+\}", "x", text)


def _short(name: str) -> str:
    """Returns the end of a long name: "layer_norm" of "encoder_blocks_1_attention_layer_norm"."""
    end = attribute("_".join(name.split("_")[-2:]))
    return name if len(name) <= _MOST_LETTERS else end


def named(
    statements: Sequence[Statement], inputs: Mapping[str, Value], ends: set[int]
) -> dict[int, str]:
    """Returns a variable for each tensor, by its number.

    A tensor that is needed much later has the name of its layer; the others share a few short ones.

    Args:
        statements: of a `forward`.
        inputs: of the model, by name.
        ends: numbers of the tensors that are returned.
    """
    last: dict[int, int] = {}
    for number, statement in enumerate(statements):
        for value in statement.reads:
            last[value.number] = number
    last |= dict.fromkeys(ends, len(statements))
    masks = {int(number) for each in statements for number in _MASK.findall(each.text)}
    found: dict[int, str] = {}
    live: dict[str, int] = {}  # variable -> the number of its last statement
    known = input_names(inputs)
    for name, value in inputs.items():
        found[value.number] = "x" if len(inputs) == 1 else known[name]
        live[found[value.number]] = last.get(value.number, -1)
    for number, statement in enumerate(statements):
        dying = [found[v.number] for v in statement.reads if last[v.number] == number]
        for value in statement.makes:
            if value.number not in last and len(statement.makes) > 1:
                found[value.number] = "_"  # nothing needs it
                continue
            end = last.get(value.number, number)
            free = [name for name in _SHORT if live.get(name, -1) <= number]
            again = [name for name in dying if name in _SHORT and name in free]
            is_far = end - number > _NEAR and value.number not in ends
            is_mask = value.number in masks or value.name == "mask"
            preferred = "mask" if is_mask else _short(attribute(value.name))
            if (again or free) and not is_far and not is_mask:
                chosen = (again or free)[0]
            else:
                chosen = distinct(
                    preferred, [name for name, until in live.items() if until > number]
                )
            found[value.number] = chosen
            live[chosen] = end
    return found


# --- How a call is written that has more than its inputs: settings by name, operations, masks -----


ARRAY = "{self}.value"  # the array in the graph, which a module holds
# A tensor and an array, of which one number may stand in the source.
_ARITHMETIC = re.compile(
    rf"(\{{0\}} [-+*/] {re.escape(ARRAY)})|({re.escape(ARRAY)} [-+*/] \{{0\}})"
)
CUSTOM = "custom"  # the user's own layers and functions, in an entry of a config that knows them


def operation(layer: Any, call: Call) -> Operation:
    """Returns the call of an operation of keras.ops.

    Raises:
        ValueError: it has a tensor by name.
    """
    settings = {key: value for key, value in layer["config"].items() if key != "name"}
    if not isinstance(settings.get("dtype"), str):  # a policy, or none, and not a setting of `cast`
        settings.pop("dtype", None)
    count = 0

    def source(value: Any) -> str:
        nonlocal count
        if isinstance(value, Constant):
            return ARRAY
        if isinstance(value, Tensor):
            count += 1
            return f"{{{count - 1}}}"
        if isinstance(value, list | tuple) and tensors_in(value):
            return f"[{', '.join(map(source, value))}]"
        return literal(value)

    texts = [source(value) for value in call.arguments]
    values = fill(
        call.arguments, lambda value: None if isinstance(value, Tensor | Constant) else value
    )
    options = {key: value for key, value in call.options.items() if not tensors_in([value])}
    if len(options) < len(call.options):
        raise ValueError("a tensor that is given by name is not written yet")
    return Operation(layer["class_name"], texts, values, {**settings, **options})


def form_of_operation(
    layer: Any, call: Call, applied: Applied, constants: Sequence[torch.Tensor]
) -> tuple[Form, torch.Tensor | None]:
    """Returns how the call of an operation is written, and the array that its module holds.

    Args:
        layer: the entry of the operation.
        call: of it.
        applied: what is known of the call.
        constants: the arrays of the graph.

    Raises:
        ValueError: it has several arrays, or a tensor by name.
    """
    given = constants_of(call)
    if not given:
        return operation_of(operation(layer, call), applied), None
    array = constants[given[0].number]
    dtype = None if array.is_floating_point() else array.dtype
    made = Planned(Array, tuple(array.shape), **({} if dtype is None else {"dtype": dtype}))
    if is_held_array(layer):
        text = counted(array)
        if text is not None:
            return Form(text, None, Layout.ANY, Layout.LAST), None
        form = Form(ARRAY, None, Layout.ANY, Layout.LAST)
    else:
        last = replace(applied, layout=Layout.LAST)
        form = replace(operation_of(operation(layer, call), last), takes=Layout.LAST)
    if form.text.count(ARRAY) != 1 or len(given) > 1:
        raise ValueError("an array in its arguments is not written yet")
    if array.ndim == 0 and dtype is None and _ARITHMETIC.fullmatch(form.text):
        return Form(form.text.replace(ARRAY, literal(array.item())), None, Layout.ANY), None
    return replace(form, made=made, why="of the Keras program"), array


def constants_of(call: Call) -> list[Constant]:
    """Returns the arrays among the arguments of a call."""
    found: list[Constant] = []
    fill(
        [call.arguments, call.options],
        lambda value: found.append(value) if isinstance(value, Constant) else None,
    )
    return found


def called_with(form: Form, planned: Planned, call: Call, options: Mapping[str, Any]) -> Form:
    """Returns the form of a layer that is called with more than its inputs."""
    if form.text.count("{self}") != 1 or "{0}" not in form.text:
        raise ValueError(f"its call with {sorted(options)} is not written yet")
    count = 0
    parts = []
    for value in call.arguments:
        if not tensors_in([value]):
            raise ValueError("its arguments are not tensors alone, which is not written yet")
        parts.append(source_of(value, count))
        count += len(tensors_in([value]))
    for name, value in options.items():
        if value is not None or tensors_in([value]):
            parts.append(keyword(name, source_of(value, count)))
            count += len(tensors_in([value]))
    return replace(form, text=f"{{self}}({', '.join(parts)})")


def source_of(value: Any, first: int = 0) -> str:
    """Returns the source of an argument, with "{0}", "{1}" for its tensors, in their order.

    Args:
        value: a tensor, a plain value, or a nest of these.
        first: number of the first tensor.
    """
    if isinstance(value, Tensor):
        return f"{{{first}}}"
    if not isinstance(value, list | tuple | Mapping) or not tensors_in([value]):
        return literal(value)
    parts = []
    for each in value.values() if isinstance(value, Mapping) else value:
        parts.append(source_of(each, first))
        first += len(tensors_in([each]))
    if isinstance(value, Mapping):
        named = zip(value, parts, strict=True)
        return f"{{{', '.join(f'{literal(key)}: {part}' for key, part in named)}}}"
    return f"[{', '.join(parts)}]"


def nest_of(call: Call) -> str:
    """Returns the source of the first argument of a call that is more than a list of tensors."""
    first = call.arguments[0] if call.arguments else None
    entries = first if isinstance(first, list | tuple) else [first]
    return "" if all(isinstance(each, Tensor | Constant) for each in entries) else source_of(first)


def mask_of(call: Call) -> str:
    """Returns the source of the mask that a stub makes for its output."""
    return f"{{self}}.compute_mask({source_of(call.arguments[0])})"


def with_argument(text: str, argument: str) -> str:
    """Returns a call of a module with one more argument."""
    start = text.index("{self}(") + len("{self}")
    depth, code = 0, scanned(text)
    for place in range(start, len(text)):
        depth += (code[place] in "([") - (code[place] in ")]")
        if depth == 0:
            return f"{text[:place]}, {argument}{text[place:]}"
    raise ValueError(f"{text!r}: expected the call of a module")


def has_any(values: Any) -> bool:
    """Whether some value is not None."""
    return any(value is not None for value in values)


def plan_inside(layer: Any) -> Any:
    """Plans a layer inside of another one."""
    if "layers" in layer["config"]:
        raise ValueError(f"a model inside of a layer, {layer['config']['name']!r}")
    return plan_layer(layer, plan_inside, layer.get(CUSTOM, {}))
