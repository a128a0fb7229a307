"""The source of stubs: classes and functions whose code is the user's, with Keras's beside it."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence
from typing import Any

from parity.ports.form import Parameter, literal
from parity.ports.own.facts import Facts, OwnFunction
from parity.ports.own.nests import nest_text, shape_text, type_of
from parity.ports.own.stubs import Held, OwnClass, Stub
from parity.ports.program import Program, all_of
from parity.ports.wrapping import WIDTH, commented, docstring, head, wrapped
from torch_impl.keras_config.planned import Planned

INDENT = " " * 8  # of statements in a method
MASK = "compute_mask"
PLACE = "TO WRITE"  # what a reader searches for


def classes_in(program: Program) -> list[OwnClass]:
    """Returns the classes of the user's that a program calls, the innermost first, each once."""
    found: list[OwnClass] = []

    def add(made: Planned | None) -> None:
        kind: Any = None if made is None else made.kind
        if not is_stub(kind) or kind.own is None:
            return
        for held in kind.own.held:
            add(held.made)
        if kind.own not in found:
            found.append(kind.own)

    for line in (line for each in all_of(program) for line in each.lines):
        add(line.made)
    return found


def models_in(own: OwnClass) -> dict[str, Program]:
    """Returns the models inside of a class by the names of their classes."""
    kinds: list[Any] = [held.made.kind for held in own.held if held.made is not None]
    return {k.__name__: k.program for k in kinds if is_stub(k) and k.program is not None}


def is_stub(kind: Any) -> bool:
    """Whether a class stands for one of the user's."""
    return isinstance(kind, type) and issubclass(kind, Stub)


def making_masks(program: Program, classes: Sequence[OwnClass]) -> list[OwnClass]:
    """Returns the classes of the user's whose `compute_mask` somebody calls.

    Args:
        program: the model, which makes most masks by itself.
        classes: that it calls, and that these hold: in those, code of the user's needs the masks.
    """
    makers = {
        line.name
        for each in all_of(program)
        for line in each.lines
        if line.text.startswith(f"{{self}}.{MASK}(")
    }
    inside: list[Any] = [h.made.kind for own in classes for h in own.held if h.made is not None]
    held = [kind.own for kind in inside if is_stub(kind)]
    return [own for own in classes if makers & {*own.layers} or own in held]


def class_text(own: OwnClass, made_text: Any, *, makes_mask: bool) -> str:
    """Returns the source of a class.

    Args:
        own: the class.
        made_text: writes the call that makes a module.
        makes_mask: whether its `compute_mask` is called.
    """
    facts = own.facts[0]
    place, call = place_of(facts["source"]), _signature(facts)
    lines = [f"class {own.name}(nn.Module):"]
    about = f"Keras's {facts['class']}{place}; its forward is to be written."
    lines += docstring(about, "    ")
    given = "".join(f", {name}: {_type(values)}" for name, values in own.vectors.items())
    lines += ["", *head(f"    def __init__(self{given}) -> None:"), f"{INDENT}super().__init__()"]
    for name, value in own.settings.items():
        lines += wrapped(f"{INDENT}self.{name} = {literal(value)}")
    for held in own.held:
        lines += _held(held, own.held, made_text)
    lines += ["", *head(f"    def forward(self{call}) -> {_returned(facts)}:")]
    lines += [line for text in [f"{PLACE}:", *_shapes(own)] for line in commented(text, INDENT)]
    if facts["draws"]:
        lines += commented("It draws random numbers, which torch draws in another way.", INDENT)
    lines += quoted(facts["source"])
    layers = ", ".join(map(repr, own.layers))
    told = (
        f"{own.name}.forward is to be written (for {layers}): what {facts['class']}.call computes"
    )
    lines += raised(f"{told}{place}")
    if makes_mask and any(facts.get("mask") for facts in own.facts):
        lines += _mask_text(own, place)
    return "\n".join(lines)


def _mask_text(own: OwnClass, place: str) -> list[str]:
    """Returns the method that makes the mask of the output of a layer."""
    kind = type_of(_nests(own.facts[0]).get(own.facts[0]["call"][0][0]))
    shapes = dict.fromkeys(shape_text(facts["mask"]) for facts in own.facts if facts.get("mask"))
    told = f"{own.name}.compute_mask is to be written: what {own.facts[0]['class']} computes"
    return [
        "",
        *head(f"    def compute_mask(self, inputs: {kind}) -> torch.Tensor:"),
        *commented(
            f"{PLACE}: which steps count, {', '.join(shapes)} of truth values, as in Keras",
            INDENT,
        ),
        *raised(f"{told}{place}"),
    ]


def function_text(function: OwnFunction) -> str:
    """Returns the source of a function of one tensor."""
    place = place_of(function.source)
    given = "".join(f", {name}: {_type([value])}" for name, value in function.arguments.items())
    lines = head(f"def {function.name}(x: torch.Tensor{given}) -> torch.Tensor:")
    about = f"Keras's {function.name}{place}; it is to be written."
    lines += docstring(about, "    ")
    users = ", ".join(function.users)
    lines += commented(f"{PLACE}: for {users}; x has {function.layout}", "    ")
    lines += [line.removeprefix("    ") for line in quoted(function.source)]
    text = f"{function.name} is to be written (for {users}): as Keras computes it{place}"
    return "\n".join([*lines, *(line.removeprefix("    ") for line in raised(text))])


def loss_text(name: str, told: Facts, shape: Sequence[int | None], *, is_weighted: bool) -> str:
    """Returns the source of a loss.

    Args:
        name: of the function.
        told: of the Keras half.
        shape: of one output of the model; () if it is not known.
        is_weighted: whether the program gives `fit` weights of samples or of classes.
    """
    place = place_of(told["source"])
    given = ", sample_weight: torch.Tensor | None = None" if is_weighted else ""
    lines = head(f"def {name}(y_pred: torch.Tensor, y_true: torch.Tensor{given}) -> torch.Tensor:")
    lines += docstring(f"Keras's {told['class']}{place}; it is to be written.", "    ")
    made = "sum" if told["reduction"] == "sum" else "mean"
    what = f"the {made} over all samples, one number"
    if is_weighted:
        what = f"a value for each sample, times its weight if it has one, and the {made} of all"
    lines += commented(f"{PLACE}: {what}; Keras has y_true first.", "    ")
    if shape:
        lines += commented(f"y_pred is {shape_text([None, *shape])}.", "    ")
    said = {**told["values"], **told["source"]["values"]}
    notes = quoted(told["source"], told["values"])
    for helper in told.get("helpers", []):  # what it calls
        values = {key: text for key, text in helper["values"].items() if key not in said}
        said |= values
        notes += [f"{INDENT}#", *quoted({**helper, "values": values})]
    lines += [line.removeprefix("    ") for line in notes]
    if told.get("is_function") and list(shape) == [1]:
        lines += ["    if y_true.ndim == 1:  # Keras gives a function y_true as (N, 1), too"]
        lines += ["        y_true = y_true[:, None]"]
    text = f"{name}, the loss, is to be written: as Keras computes it{place}"
    return "\n".join([*lines, *(line.removeprefix("    ") for line in raised(text))])


def place_of(source: Facts) -> str:
    """Returns where the source of Keras is, as part of a sentence."""
    return f" in {source['file']}, line {source['line']}" if source["file"] else ""


def _signature(facts: Facts) -> str:
    """Returns the arguments of `forward`: those of Keras's `call`, by their names."""
    nests, parts = _nests(facts), []
    for name, has_default, default in facts["call"]:
        if default is not None:
            parts.append(f", {name}: {_type([default])} = {literal(default)}")
            continue
        kind = type_of(nests.get(name))
        parts.append(f", {name}: {kind} | None = None" if has_default else f", {name}: {kind}")
    return "".join(parts)


def _nests(facts: Facts) -> Facts:
    """Returns the nests in which the first call of a layer takes tensors, by argument."""
    nests: Facts = facts["calls"][0].get("nests", {}) if facts["calls"] else {}
    return nests


def _returned(facts: Facts) -> str:
    number = len(facts["calls"][0]["outputs"]) if facts["calls"] else 1
    if number == 1:
        return "torch.Tensor"
    return f"tuple[{', '.join(['torch.Tensor'] * number)}]"


def _type(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {list} or kinds == {tuple}:
        return f"tuple[{_type([each for value in values for each in value])}, ...]"
    if kinds == {int, float}:
        return "float"
    return kinds.pop().__name__ if len(kinds) == 1 and type(None) not in kinds else "object"


def _held(held: Held, beside: Sequence[Held], made_text: Any) -> list[str]:
    """Returns the lines of `__init__` for one attribute."""
    name, _, place = held.name.partition(".")
    if place:
        if place != "0":
            return []
        parts = [h for h in beside if h.name.partition(".")[0] == name]
        inner = ", ".join(_made(part, made_text) for part in parts)
        notes = [f"{INDENT}# {part.note}" for part in parts if part.note]
        return [*notes, *wrapped(f"{INDENT}self.{name} = nn.ModuleList([{inner}])")]
    if held.facts["what"] == "weight":
        return _weight(held)
    if held.made is None:
        return commented(f"{name} of Keras is {held.note or 'a layer without weights'}", INDENT)
    note = f"  # {held.note}" if held.note else ""
    has = "" if held.has is None else f" if {held.has.name} else None"
    line = f"{INDENT}self.{name} = {made_text(held.made)}{has}"
    if len(line) + len(note) <= WIDTH:
        return [f"{line}{note}"]
    return [*(commented(held.note, INDENT) if note else []), *wrapped(line)]


def _made(held: Held, made_text: Any) -> str:
    return str(made_text(held.made)) if held.made is not None else "nn.Identity()"


def _weight(held: Held) -> list[str]:
    facts = held.facts
    initializer = (facts["initializer"] or {}).get("class_name")
    begin = "ones" if initializer == "Ones" else "zeros"
    sizes = ", ".join(e.name if isinstance(e, Parameter) else str(e) for e in held.shape)
    tensor = f"torch.{begin}({sizes})" if held.shape else f"torch.{begin}(())"
    if facts["trainable"]:
        line = f"{INDENT}self.{held.name} = nn.Parameter({tensor})"
    else:
        line = f'{INDENT}self.register_buffer("{held.name}", {tensor})'
    own = facts["attribute"]
    note = "" if own == held.name else f"  # self.{own} in Keras"
    return [f"{line}{note}"] if len(line) + len(note) <= WIDTH else wrapped(line)


def _shapes(own: OwnClass) -> list[str]:
    """Returns what each layer takes and returns, in a sentence each."""
    found = []
    for name, facts in zip(own.layers, own.facts, strict=True):
        for call in facts["calls"]:
            taken = ", ".join(map(shape_text, call["inputs"]))
            if any("dict" in nest for nest in call.get("nests", {}).values()):
                taken = ", ".join(f"{n}={nest_text(nest)}" for n, nest in call["nests"].items())
            made = ", ".join(map(shape_text, call["outputs"]))
            sentence = f"{name} takes {taken}, returns {made}"
            if "returned" in call:
                sentence += f", in a tuple: of Keras's {nest_text(call['returned'])} by sorted keys"
            if sentence not in found:
                found.append(sentence)
    is_image = any(len(s) > 2 for facts in own.facts for c in facts["calls"] for s in c["inputs"])
    return [*found, "tensors have Keras's layout, channels last"] if is_image else found


def quoted(source: Facts, values: Facts | None = None) -> list[str]:
    """Returns the source of Keras as a comment, behind the values of names in it."""
    known = {**(values or {}), **source["values"]}
    texts = [f"{name} = {value}" for name, value in known.items()]
    told = [line for text in texts for line in commented(text, INDENT)]
    if not source["text"]:
        return told
    place = f"Keras's code, {source['file']}, line {source['line']}:"
    lines = [*told, *commented(place, INDENT), f"{INDENT}#"]
    width = WIDTH - len(INDENT) - 4
    for line in source["text"].splitlines():
        plain = "".join(c if c.isprintable() else " " for c in line.expandtabs(4))
        indent = plain[: len(plain) - len(plain.lstrip())]
        parts = textwrap.wrap(
            plain, width, subsequent_indent=f"{indent}    ", drop_whitespace=True
        ) or [""]
        lines += [f"{INDENT}#   {part}".rstrip() for part in parts]
    return lines


def raised(text: str) -> list[str]:
    """Returns the statement that raises an error with a sentence."""
    width = WIDTH - len(INDENT) - 8
    if len(text) <= WIDTH - len(INDENT) - len('raise NotImplementedError("")'):
        return [f"{INDENT}raise NotImplementedError({literal(text)})"]
    parts = textwrap.wrap(text, width, drop_whitespace=False)
    inner = [f"{INDENT}    {literal(part)}" for part in parts]
    return [f"{INDENT}raise NotImplementedError(", *inner, f"{INDENT})"]


def opens(text: str, file: str) -> list[str]:
    """Returns a sentence for each stub in a source: where it is, and what it is to be.

    Args:
        text: of the file.
        file: its name.
    """
    tree = ast.parse(text)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name, told = ast.unparse(node.exc.func), node.exc.args[0]
            if name == "NotImplementedError":
                found.append((node.lineno, f"{file}, line {node.lineno}: {ast.literal_eval(told)}"))
    return [sentence for _, sentence in sorted(found)]
