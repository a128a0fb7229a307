"""model.py: the classes of a program as Python source."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import nn

from parity.ports.blocks import is_size
from parity.ports.custom.facts import OwnFunction
from parity.ports.custom.stubs import (
    class_text,
    classes_in,
    function_text,
    is_stub,
    making_masks,
    models_in,
)
from parity.ports.form import Shape, keyword, literal, readable
from parity.ports.plain import is_part
from parity.ports.program import (
    Line,
    Program,
    Value,
    all_of,
    attributes_of,
    chain_names,
    class_name,
    distinct,
)
from parity.ports.statements import Statement, named, statements_of
from parity.ports.wrapping import docstring, documented, head, with_comment
from torch_impl import arrays, layers
from torch_impl.keras_config.graph import fill
from torch_impl.keras_config.planned import Planned

_INDENT = " " * 8
_MOST_SIZES = 3  # of an axis that a docstring names


def model_text(
    program: Program, about: str, functions: Sequence[OwnFunction] = (), package: str = ""
) -> str:
    """Returns the source of a module file.

    Args:
        program: the model; its class comes last.
        about: the docstring of the file.
        functions: of the user's own, which it calls.
        package: has the plain parts of the model; "": the model has none.
    """
    classes: dict[int, str] = {}
    written_notes: set[str] = set()
    stubs = classes_in(program)
    makers = making_masks(program, stubs)
    parts = [function_text(function) for function in functions]
    for stub in stubs:
        for name, model in models_in(stub).items():
            classes[id(model)] = name
            parts.append(_class_text(model, classes, written_notes))
        parts.append(class_text(stub, made_text, makes_mask=stub in makers))
    used_names = _stub_names(program)
    for each in all_of(program):
        classes[id(each)] = distinct(class_name(each.name), [*used_names, *classes.values()])
        parts.append(_class_text(each, classes, written_notes))
    body = "\n\n\n".join(parts)
    notes = [member.note for stub in stubs for member in stub.held]
    later = [n for n in ("F", "activations") if any(f"{n}." in note for note in notes)]
    return f'"""{documented(about)}"""\n\n{_imports(body, later, package)}\n\n\n{body}\n'


def name_of_class(program: Program) -> str:
    """Returns the name of the class of a model."""
    names = _stub_names(program)
    for each in all_of(program):
        names.append(distinct(class_name(each.name), names))
    return names[-1]


def custom_definitions(program: Program, functions: Sequence[OwnFunction]) -> set[str]:
    """Returns the names of the definitions in model.py that are code of the user's own."""
    return {each.name for each in functions} | {each.name for each in classes_in(program)}


def _stub_names(program: Program) -> list[str]:
    """Returns the names of the classes that are the user's, and of the models inside of them."""
    stubs = classes_in(program)
    return [name for stub in stubs for name in (stub.name, *models_in(stub))]


def _imports(body: str, for_later: Collection[str], package: str) -> str:
    """Returns the imports of a file.

    Args:
        body: its source.
        for_later: names that the code of stubs will need.
        package: has the plain parts.
    """
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    lines = ["from __future__ import annotations", ""]
    if "OrderedDict" in used:
        lines += ["from collections import OrderedDict", ""]
    lines += ["import torch", "from torch import nn"]

    def note(name: str) -> str:
        return "" if name in used else "  # noqa: F401 - of the code that is to be written"

    if "F" in {*used, *for_later}:
        lines.append(f"from torch.nn import functional as F{note('F')}")
    project_imports = []
    if names := [name for name in ("arrays", "layers") if name in used]:
        project_imports.append(f"from torch_impl import {', '.join(names)}")
    if "clip" in used:
        project_imports.append("from torch_impl.clip import clip")
    if "OPERATIONS" in used:
        project_imports.append("from torch_impl.keras_config.operations import OPERATIONS")
    if "activations" in {*used, *for_later}:
        project_imports.append(f"from torch_impl.layers import activations{note('activations')}")
    if "with_mask" in used:
        project_imports.append("from torch_impl.masks import with_mask")
    if "through_float32" in used:
        project_imports.append("from torch_impl.optim.rounding import through_float32")
    if "parts" in used:
        project_imports += ["", f"from {package} import parts"]
    return "\n".join([*lines, *project_imports])


def _class_text(program: Program, classes: Mapping[int, str], written_notes: set[str]) -> str:
    attributes, made = _modules(program, classes, written_notes)
    ends = {value.number for value in _returned(program)}
    statements = statements_of(program.lines, attributes, ends)
    variables = named(statements, program.inputs, ends)
    parameters = ", ".join(
        f"{variables[value.number]}: torch.Tensor" for value in program.inputs.values()
    )
    lines = [f"class {classes[id(program)]}(nn.Module):"]
    lines += [*docstring(_about(program, variables), "    "), ""]
    if made:
        given = "".join(f", {name}: {_type_of(v)}" for name, v in program.parameters.items())
        lines += [*head(f"    def __init__(self{given}) -> None:"), f"{_INDENT}super().__init__()"]
        lines += made
        lines.append("")
    lines += head(f"    def forward(self, {parameters}) -> {_type(program.outputs)}:")
    lines += _forward(statements, variables, program, written_notes)
    return "\n".join(lines)


def _type_of(value: Any) -> str:
    """Returns the type of a block's argument."""
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_type_of, value))}]"
    return type(value).__name__


def _about(program: Program, variables: Mapping[int, str]) -> str:
    if not program.has_shapes:
        return f"A part of the network that repeats, {program.repeats} times."
    inputs = ", ".join(
        f"{variables[v.number]} {_shape_of_all(program.taken.get(name, [v.written_shape]))}"
        for name, v in program.inputs.items()
    )
    return f"Takes {inputs}; returns {_shapes(program.outputs)}."


def _shapes(outputs: Any) -> str:
    """Returns the shapes of what a model returns: those of a dictionary by their names."""
    if isinstance(outputs, Value):
        return _shape(outputs.written_shape)
    if isinstance(outputs, Mapping):
        rows = [f"{literal(_quoted(k))}: {_nested_shapes(x)}" for k, x in outputs.items()]
        return f"{{{', '.join(rows)}}}"
    return ", ".join(map(_shapes, outputs))


def _quoted(key: Any) -> Any:
    """Returns a key as it stands between the quotes of a docstring."""
    return key.replace('"', "'") if isinstance(key, str) else key


def _nested_shapes(outputs: Any) -> str:
    text = _shapes(outputs)
    return f"({text})" if _is_several(outputs) else text


def _shape_of_all(shapes: Sequence[Shape]) -> str:
    """Returns the shapes of an input in one: "(N, 3 or 12, 32)"; "?" where there are many sizes."""
    if len(set(map(len, shapes))) > 1:
        return " or ".join(map(_shape, shapes))
    sizes = [
        dict.fromkeys("?" if n is None else str(n) for n in each)
        for each in zip(*shapes, strict=True)
    ]
    parts = [" or ".join(each) if len(each) <= _MOST_SIZES else "?" for each in sizes[1:]]
    return f"({', '.join(['N', *parts])})" if parts else "(N,)"


def _shape(shape: Shape) -> str:
    parts = ["?" if size is None else str(size) for size in shape]
    parts[:1] = ["N" if shape[:1] in ((), (None,)) else parts[0]]  # an array has no batch
    return f"({', '.join(parts)})" if len(parts) > 1 else "(N,)"


def _type(outputs: Any) -> str:
    if isinstance(outputs, Value):
        return "torch.Tensor"
    if isinstance(outputs, Mapping):
        parts = dict.fromkeys(map(_type, outputs.values()))
        return f"dict[str, {' | '.join(parts)}]"
    if len(outputs) == 1:
        return "torch.Tensor"
    return f"tuple[{', '.join(map(_type, outputs))}]"


def _returned(program: Program) -> list[Value]:
    found: list[Value] = []
    fill(program.outputs, lambda value: found.append(value))
    return found


def _modules(
    program: Program, classes: Mapping[int, str], written_notes: set[str]
) -> tuple[dict[int, str], list[str]]:
    """Returns the attribute of each line that has a module, and the lines that make them.

    A reason that was written already is not repeated.
    """
    by_layer = attributes_of(program)
    attributes: dict[int, str] = {}
    parts: list[tuple[int, Line]] = []  # in the order in which Keras draws for them
    for number, line in enumerate(program.lines):
        if line.name not in by_layer or not line.is_module:
            continue
        name = by_layer[line.name]
        if name not in attributes.values():
            before = parts[-1][0] if parts else -1
            parts.append((before if line.drawn is None else line.drawn, line))
        attributes[number] = name
    lines: list[str] = []
    for _, line in sorted(parts, key=lambda part: part[0]):
        why = "" if line.why in written_notes else line.why
        written_notes.add(line.why)
        lines += with_comment(
            f"{_INDENT}self.{by_layer[line.name]} = {_source(line, classes)}", why
        )
    return attributes, lines


def _source(line: Line, classes: Mapping[int, str]) -> str:
    """Returns the expression that makes the module of a line."""
    if line.made is not None:
        return made_text(line.made)
    if not line.chain:
        sizes = [literal(value) for name, value in line.given.items() if is_size(name)]
        others = [f"{k}={literal(value)}" for k, value in line.given.items() if not is_size(k)]
        return f"{classes[id(line.program)]}({', '.join([*sizes, *others])})"
    parts = [_source(each, classes) for each in line.chain]
    if all(each.is_named for each in line.chain):
        names = chain_names(line)
        inner = ", ".join(f"{name}={part}" for name, part in zip(names, parts, strict=True))
        return f"nn.Sequential(OrderedDict({inner}))"
    if len(set(parts)) == 1:
        return f"nn.Sequential(*({parts[0]} for _ in range({len(parts)})))"
    return f"nn.Sequential({', '.join(parts)})"


def made_text(planned: Planned) -> str:
    """Returns the call that makes a module.

    Raises:
        ValueError: a part of it has no source.
    """
    kind_name = str(getattr(planned.kind, "__name__", planned.kind))
    homes = {"layers": layers, "nn": nn, "arrays": arrays}
    home = next((h for h, m in homes.items() if getattr(m, kind_name, None) is planned.kind), None)
    home = "parts" if is_part(planned.kind) else home
    if home is None and not is_stub(planned.kind):
        raise ValueError(f"{kind_name}: it has no source in torch or torch_impl")
    name = kind_name if home is None else f"{home}.{kind_name}"
    parts = [_value(value) for value in planned.arguments]
    parts += [keyword(key, _value(value)) for key, value in planned.settings.items()]
    return f"{name}({', '.join(parts)})"


def _value(value: Any) -> str:
    if isinstance(value, Planned):
        return made_text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, nn.Module) or inspect.isfunction(value):
        raise ValueError(f"{type(value).__name__}: it has no source")
    return readable(value)


def _forward(
    statements: Sequence[Statement],
    variables: Mapping[int, str],
    program: Program,
    written_notes: set[str],
) -> list[str]:
    returned = fill(program.outputs, lambda value: variables[value.number])
    lines: list[str] = []
    last = statements[-1] if statements else None
    for statement in statements:
        text = _with_variables(statement.text, variables)
        is_return = (
            statement is last
            and len(statement.makes) == 1
            and [v.number for v in _returned(program)] == [statement.makes[0].number]
            and not isinstance(program.outputs, Mapping)
        )
        target = (
            "return"
            if is_return
            else ", ".join(variables[value.number] for value in statement.makes) + " ="
        )
        shape = [_shape(statement.makes[0].written_shape)] if program.has_shapes else []
        notes = [note for note in dict.fromkeys(statement.notes) if note not in written_notes]
        written_notes.update(notes)
        comment = "; ".join([*shape, *notes])
        lines += with_comment(f"{_INDENT}{target} {text}", comment)
        if is_return:
            return lines
    lines.append(f"{_INDENT}return {_structure(returned)}")
    return lines


def _structure(returned: Any) -> str:
    if isinstance(returned, str):
        return returned
    if isinstance(returned, Mapping):
        inner = ", ".join(f"{literal(key)}: {_nested(value)}" for key, value in returned.items())
        return f"{{{inner}}}"
    return ", ".join(map(_structure, returned))


def _nested(returned: Any) -> str:
    """Returns what stands under a key: several tensors are a tuple."""
    text = _structure(returned)
    return f"({text})" if _is_several(returned) else text


def _is_several(nest: Any) -> bool:
    """Whether a nest is a list of several: one of one is what is in it."""
    return isinstance(nest, list | tuple) and len(nest) > 1


def _with_variables(text: str, variables: Mapping[int, str]) -> str:
    for number, name in variables.items():
        text = text.replace(f"{{v{number}}}", name)
    return text
