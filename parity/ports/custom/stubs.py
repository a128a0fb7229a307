"""Stubs: custom layers and functions whose code is the user's, with Keras's beside it."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from parity.ports.custom.facts import Facts, OwnFunction, nest_text, shape_text, shortened, type_of
from parity.ports.form import Applied, Form, Layout, Parameter, defaults_of, literal
from parity.ports.graph import trace
from parity.ports.program import Program, all_of, attribute, class_name, distinct, member_name
from parity.ports.statements import plan_inside
from parity.ports.table import form_of
from parity.ports.wrapping import WIDTH, commented, docstring, head, wrapped
from parity.ports.writer import program_of
from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.builders import plan_layer
from torch_impl.keras_config.planned import Planned

# --------------------------------------------------------------------------------------------------
#
# The classes of layers that are the user's own: one for all instances, with sizes as arguments.
#
# What the Keras half tells of each layer goes in. What makes each of them comes out. Numbers that
# differ between instances are arguments of the class; a setting of the Keras layer that has the
# same numbers gives them its name.


class Stub(nn.Module):
    """Stands for a class whose forward is to be written; its source says the rest.

    Attributes:
        own: what the source is written of; None: it is a whole model, inside of a layer.
        program: of that model.
    """

    own: OwnClass | None = None
    program: Program | None = None


@dataclass
class Held:
    """What a stub holds in an attribute.

    Attributes:
        name: of the attribute; "blocks.0" for an entry of a list.
        facts: of the Keras half, for the first instance.
        shape: of a weight; a `Parameter` where instances differ.
        made: the module of a layer; None: it needs none.
        has: the argument that says whether an instance has the layer; None: all have it.
        note: how the layer is called, if that is more than its module.
    """

    name: str
    facts: Facts
    shape: tuple[Any, ...] = ()
    made: Planned | None = None
    has: Parameter | None = None
    note: str = ""


@dataclass(eq=False)
class OwnClass:
    """A class of layers.

    Attributes:
        name: in the source that is written.
        layers: names of its instances in Keras.
        facts: of each.
        vectors: values of each argument, one for each instance.
        settings: of the Keras layer, by attribute.
        held: its weights and layers.
        kind: a class that stands for it, with these arguments.
        names: of all classes that are written.
    """

    name: str
    layers: list[str]
    facts: list[Facts]
    vectors: dict[str, list[Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    kind: Any = None
    names: list[str] = field(default_factory=list)

    def planned(self, number: int) -> Planned:
        """Returns what makes one of the instances."""
        return Planned(self.kind, **{name: values[number] for name, values in self.vectors.items()})


def classes_of(layers: Mapping[str, Facts], problems: list[str]) -> dict[str, Planned]:
    """Returns what makes each layer of the user's, by its name.

    Args:
        layers: facts by name.
        problems: gets a sentence for each that cannot be written.
    """
    groups: dict[Any, OwnClass] = {}
    for name, facts in _inner_first(layers):
        key = (facts["source"]["file"], facts["source"]["line"], facts["class"], _form(facts))
        if key not in groups:
            used_names = [group.name for group in groups.values()]
            groups[key] = OwnClass(distinct(class_name(facts["class"]), used_names), [], [])
        groups[key].layers.append(name)
        groups[key].facts.append(facts)
    found: dict[str, Planned] = {}
    names = [group.name for group in groups.values()]
    for group in groups.values():
        group.names = names
        _fill(group, found, problems)
        found |= {name: group.planned(number) for number, name in enumerate(group.layers)}
    return found


def _inner_first(layers: Mapping[str, Facts]) -> Iterator[tuple[str, Facts]]:
    """Yields the layers of the user's by name, those inside of another one before it."""
    for name, facts in layers.items():
        if facts["function"] is None:
            inner = {f"{name}/{e['attribute']}": e["own"] for e in facts["holds"] if "own" in e}
            yield from _inner_first(inner)
            yield name, facts


def _form(facts: Facts) -> Any:
    """Returns what two layers of one class must have in common beside their sizes."""
    members = tuple(
        (
            each["what"],
            each["attribute"],
            each.get("name"),
            len(each.get("shape", ())),
            each.get("trainable"),
            _form(each["own"]) if each["what"] == "own" else each.get("class"),
            _model(each.get("entry", {})),
            "." in each["attribute"] and _is_used(each),
        )
        for each in facts["holds"]
    )
    return members, tuple(sorted(facts["settings"])), facts["draws"]


def _is_used(each: Facts) -> bool:
    """Whether a layer of Keras inside of a layer has its weights: one that no call uses may not."""
    return bool(each.get("built", True))


def _model(entry: Facts) -> str:
    """Returns a model inside of a layer as text, in which sizes are; "" for another layer."""
    is_model = "layers" in entry.get("config", {})
    return json.dumps(shortened(entry)["config"]["layers"]) if is_model else ""


def _fill(group: OwnClass, known: Mapping[str, Planned], problems: list[str]) -> None:
    """Finds the arguments of a class, and what it holds.

    Args:
        group: the class.
        known: what makes the layers inside of its layers.
        problems: see `classes_of`.
    """
    given = [_features(facts) for facts in group.facts]
    names = group.facts[0]["settings"]
    settings = {name: [facts["settings"][name] for facts in group.facts] for name in names}
    differing: dict[str, list[Any]] = {
        attribute(name): values for name, values in settings.items() if _differ(values)
    }
    group.vectors = dict(differing)

    def value_of(values: list[Any], name: str) -> Any:
        if not _differ(values):
            return values[0]
        for known, others in group.vectors.items():
            if others == values:
                return Parameter(known)
        is_given = any(given) and all(g in (None, v) for g, v in zip(given, values, strict=True))
        chosen = "in_features" if is_given else attribute(name)
        chosen = distinct(chosen, group.vectors)
        group.vectors = {chosen: values, **group.vectors}
        return Parameter(chosen)

    for number, first in enumerate(group.facts[0]["holds"]):
        all_of = [facts["holds"][number] for facts in group.facts]
        member = Held(member_name(first["attribute"]), first)
        if first["what"] == "weight":
            member.name = member_name(first["name"])
            member.shape = tuple(
                value_of(list(sizes), f"{member.name}_{axis}")
                for axis, sizes in enumerate(zip(*(e["shape"] for e in all_of), strict=True))
            )
        else:
            inside = [known.get(f"{name}/{first['attribute']}") for name in group.layers]
            _plan(group, member, list(zip(all_of, inside, strict=True)), value_of, problems)
        group.held.append(member)
    group.settings = {
        attribute(name): value_of(values, name)
        for name, values in settings.items()
        if not any(member.name.partition(".")[0] == attribute(name) for member in group.held)
    }
    group.kind = _kind(group)


def _features(facts: Facts) -> Any:
    inputs = facts["calls"][0]["inputs"] if facts["calls"] else []
    return inputs[0][-1] if inputs and len(inputs[0]) > 1 else None


def _differ(values: Sequence[Any]) -> bool:
    return any(value != values[0] or type(value) is not type(values[0]) for value in values)


def _plan(
    group: OwnClass,
    member: Held,
    all_of: Sequence[tuple[Facts, Planned | None]],
    value_of: Any,
    problems: list[str],
) -> None:
    """Plans the layer that instances of a class hold in an attribute.

    Args:
        group: the class.
        member: gets the module.
        all_of: facts of the layer in each instance, and what makes it if it is the user's.
        value_of: returns the value of an argument that has these values in the instances.
        problems: see `classes_of`.
    """
    where = f"layer {group.layers[0]!r} of class {group.facts[0]['class']!r}"
    if "layers" in all_of[0][0].get("entry", {}).get("config", {}):
        try:
            _plan_model(group, member)
        except ValueError as error:
            problems.append(f"{where}: its {member.name!r}: {error}")
        return
    place = re.sub(r"\.(\d+)", r"[\1]", member.name)  # of an entry of a list
    is_model = bool(group.facts[0].get("is_model"))  # what its layers return, it may return
    used = [_is_used(each) for each, _ in all_of]
    if not any(used):
        member.note = f"a {all_of[0][0]['class']} that no call uses"
        return
    if not all(used):
        member.has = value_of(used, f"has_{member.name}")
        first_used = all_of[used.index(True)]
        member.facts = first_used[0]
        all_of = [it if is_used else first_used for it, is_used in zip(all_of, used, strict=True)]
    plans, note = [], ""
    for each, planned in all_of:
        try:
            form = _inner(each, is_model) if planned is None else Form("{self}({0})", planned)
        except ValueError as error:
            if each.get("weights"):
                problems.append(f"{where}: its {each['attribute']!r}: {error}")
            member.note = f"a {each['class']}, which forward does by itself"
            return
        plans.append(form.made)
        note = form.text.replace("{self}", f"self.{place}")
        for number, name in enumerate(("x", "y", "z")):
            note = note.replace(f"{{{number}}}", name)
        if form.takes is Layout.FIRST and each.get("shapes") and len(each["shapes"]["input"]) > 2:
            note += "; x has channels first"
    member.note = "" if note == f"self.{place}(x)" and plans[0] is not None else note
    if all_of[0][0].get("entry", {}).get("config", {}).get("mask_zero"):
        member.note += "; its mask is x != 0"
    member.note = _with_masks(member.note, f"self.{place}(x)", all_of[0][0].get("masked", ()))
    made = [plan for plan in plans if plan is not None]
    if len(made) < len(plans) or len({(p.kind, len(p.arguments)) for p in made}) > 1:
        if made:
            problems.append(f"{where}: its {member.name!r} is another module in each of its layers")
        return
    first = made[0]
    names = list(dict.fromkeys(name for plan in made for name in plan.settings))
    defaults = defaults_of(first)
    member.made = Planned(
        first.kind,
        *(
            value_of([plan.arguments[n] for plan in made], f"{member.name}_{n}")
            for n in range(len(first.arguments))
        ),
        **{
            name: value_of(
                [plan.settings.get(name, defaults.get(name)) for plan in made],
                f"{member.name}_{name}",
            )
            for name in names
        },
    )


def _with_masks(note: str, call: str, masked: Sequence[str]) -> str:
    """Returns the note on a layer, with the masks that Keras's call does not show."""
    if not masked:
        return note
    masks = "the mask that x carries, as mask"
    if list(masked) != ["mask"]:
        inputs = [name.removesuffix("_mask") for name in masked]
        noun = "masks" if len(masked) > 1 else "mask"
        verb = "carry" if len(masked) > 1 else "carries"
        masks = f"the {noun} that {' and '.join(inputs)} {verb}, as {' and '.join(masked)}"
    return f"{note or call}; Keras hands on {masks}, by itself"


def _plan_model(group: OwnClass, member: Held) -> None:
    """Writes the model that all instances of a class hold in an attribute.

    Raises:
        ValueError: it cannot be written.
    """
    config = shortened(member.facts["entry"])["config"]
    if any("layers" in layer["config"] for layer in config["layers"]):
        raise ValueError("a model of models inside of a layer of your own is not written yet")
    program = program_of(trace(from_keras_config(config), config))
    program.name = f"{group.name}_{member.name}"
    name = distinct(class_name(program.name), group.names)
    group.names.append(name)
    member.made = Planned(type(name, (Stub,), {"program": program}))
    if any(value.layout is Layout.FIRST for value in program.inputs.values()):
        member.note = f"self.{member.name}(x); x has channels first"


def _inner(each: Facts, ends: bool) -> Form:
    """Returns how a layer of Keras inside of one of the user's is written.

    Args:
        each: facts of the layer.
        ends: whether its output may be one of the model.

    Raises:
        ValueError: it cannot be.
    """
    if each["what"] == "own":
        raise ValueError("a Lambda inside of a layer of your own is not written yet")
    entry = each["entry"]
    if "problem" in entry:
        raise ValueError(f"a {each['class']} that cannot be ported: {entry['problem']}")
    planned = plan_layer(entry, plan_inside, {})
    shapes = each["shapes"]
    if shapes is None:
        shapes_dict = (entry.get("build_config") or {}).get("shapes_dict")
        shapes_dict = shapes_dict or {"input": [None, None, None]}  # of a layer that asks for none
        inputs = [tuple(shape) for shape in shapes_dict.values()]
        return form_of(planned, Applied(tuple(inputs), inputs[0], Layout.LAST, ends))
    given, made = tuple(shapes["input"]), tuple(shapes["output"])
    form = form_of(planned, Applied((given,), made, Layout.LAST, ends))
    if form.takes is Layout.FIRST and len(given) > 2:
        form = form_of(planned, Applied((given,), made, Layout.FIRST, ends))
    return form


def _kind(group: OwnClass) -> Any:
    """Returns a class with the arguments of a stub, for which it stands in the program."""

    def made(self: Any, **settings: Any) -> None:
        raise NotImplementedError(group.name)

    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in group.vectors
    ]
    # A function may say its own signature, of which `inspect` knows and mypy does not.
    made.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return type(group.name, (Stub,), {"__init__": made, "own": group})


# --------------------------------------------------------------------------------------------------
#
# The source of stubs: classes and functions whose code is the user's, with Keras's beside it.


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
        for member in kind.own.held:
            add(member.made)
        if kind.own not in found:
            found.append(kind.own)

    for line in (line for each in all_of(program) for line in each.lines):
        add(line.made)
    return found


def models_in(custom: OwnClass) -> dict[str, Program]:
    """Returns the models inside of a class by the names of their classes."""
    kinds: list[Any] = [member.made.kind for member in custom.held if member.made is not None]
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
    inside: list[Any] = [
        h.made.kind for custom in classes for h in custom.held if h.made is not None
    ]
    inner_classes = [kind.own for kind in inside if is_stub(kind)]
    return [custom for custom in classes if makers & {*custom.layers} or custom in inner_classes]


def class_text(custom: OwnClass, made_text: Any, *, makes_mask: bool) -> str:
    """Returns the source of a class.

    Args:
        custom: the class.
        made_text: writes the call that makes a module.
        makes_mask: whether its `compute_mask` is called.
    """
    facts = custom.facts[0]
    place, call = place_of(facts["source"]), _signature(facts)
    lines = [f"class {custom.name}(nn.Module):"]
    about = f"Keras's {facts['class']}{place}; its forward is to be written."
    lines += docstring(about, "    ")
    given = "".join(f", {name}: {_type(values)}" for name, values in custom.vectors.items())
    lines += ["", *head(f"    def __init__(self{given}) -> None:"), f"{INDENT}super().__init__()"]
    for name, value in custom.settings.items():
        lines += wrapped(f"{INDENT}self.{name} = {literal(value)}")
    for member in custom.held:
        lines += _member_lines(member, custom.held, made_text)
    lines += ["", *head(f"    def forward(self{call}) -> {_returned(facts)}:")]
    lines += [line for text in [f"{PLACE}:", *_shapes(custom)] for line in commented(text, INDENT)]
    if facts["draws"]:
        lines += commented("It draws random numbers, which torch draws in another way.", INDENT)
    lines += quoted(facts["source"])
    layers = ", ".join(map(repr, custom.layers))
    message = (
        f"{custom.name}.forward is to be written (for {layers}): "
        f"what {facts['class']}.call computes"
    )
    lines += raised(f"{message}{place}")
    if makes_mask and any(facts.get("mask") for facts in custom.facts):
        lines += _mask_text(custom, place)
    return "\n".join(lines)


def _mask_text(custom: OwnClass, place: str) -> list[str]:
    """Returns the method that makes the mask of the output of a layer."""
    kind = type_of(_nests(custom.facts[0]).get(custom.facts[0]["call"][0][0]))
    shapes = dict.fromkeys(shape_text(facts["mask"]) for facts in custom.facts if facts.get("mask"))
    message = (
        f"{custom.name}.compute_mask is to be written: what {custom.facts[0]['class']} computes"
    )
    return [
        "",
        *head(f"    def compute_mask(self, inputs: {kind}) -> torch.Tensor:"),
        *commented(
            f"{PLACE}: which steps count, {', '.join(shapes)} of truth values, as in Keras",
            INDENT,
        ),
        *raised(f"{message}{place}"),
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


def loss_text(name: str, facts: Facts, shape: Sequence[int | None], *, is_weighted: bool) -> str:
    """Returns the source of a loss.

    Args:
        name: of the function.
        facts: of the Keras half.
        shape: of one output of the model; () if it is not known.
        is_weighted: whether the program gives `fit` weights of samples or of classes.
    """
    place = place_of(facts["source"])
    given = ", sample_weight: torch.Tensor | None = None" if is_weighted else ""
    lines = head(f"def {name}(y_pred: torch.Tensor, y_true: torch.Tensor{given}) -> torch.Tensor:")
    lines += docstring(f"Keras's {facts['class']}{place}; it is to be written.", "    ")
    made = "sum" if facts["reduction"] == "sum" else "mean"
    what = f"the {made} over all samples, one number"
    if is_weighted:
        what = f"a value for each sample, times its weight if it has one, and the {made} of all"
    lines += commented(f"{PLACE}: {what}; Keras has y_true first.", "    ")
    if shape:
        lines += commented(f"y_pred is {shape_text([None, *shape])}.", "    ")
    said = {**facts["values"], **facts["source"]["values"]}
    notes = quoted(facts["source"], facts["values"])
    for helper in facts.get("helpers", []):  # what it calls
        values = {key: text for key, text in helper["values"].items() if key not in said}
        said |= values
        notes += [f"{INDENT}#", *quoted({**helper, "values": values})]
    lines += [line.removeprefix("    ") for line in notes]
    if facts.get("is_function") and list(shape) == [1]:
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


def _member_lines(member: Held, beside: Sequence[Held], made_text: Any) -> list[str]:
    """Returns the lines of `__init__` for one attribute."""
    name, _, place = member.name.partition(".")
    if place:
        if place != "0":
            return []
        parts = [h for h in beside if h.name.partition(".")[0] == name]
        inner = ", ".join(_made(part, made_text) for part in parts)
        notes = [f"{INDENT}# {part.note}" for part in parts if part.note]
        return [*notes, *wrapped(f"{INDENT}self.{name} = nn.ModuleList([{inner}])")]
    if member.facts["what"] == "weight":
        return _weight(member)
    if member.made is None:
        return commented(f"{name} of Keras is {member.note or 'a layer without weights'}", INDENT)
    note = f"  # {member.note}" if member.note else ""
    has = "" if member.has is None else f" if {member.has.name} else None"
    line = f"{INDENT}self.{name} = {made_text(member.made)}{has}"
    if len(line) + len(note) <= WIDTH:
        return [f"{line}{note}"]
    return [*(commented(member.note, INDENT) if note else []), *wrapped(line)]


def _made(member: Held, made_text: Any) -> str:
    return str(made_text(member.made)) if member.made is not None else "nn.Identity()"


def _weight(member: Held) -> list[str]:
    facts = member.facts
    initializer = (facts["initializer"] or {}).get("class_name")
    begin = "ones" if initializer == "Ones" else "zeros"
    sizes = ", ".join(e.name if isinstance(e, Parameter) else str(e) for e in member.shape)
    tensor = f"torch.{begin}({sizes})" if member.shape else f"torch.{begin}(())"
    if facts["trainable"]:
        line = f"{INDENT}self.{member.name} = nn.Parameter({tensor})"
    else:
        line = f'{INDENT}self.register_buffer("{member.name}", {tensor})'
    keras_name = facts["attribute"]
    note = "" if keras_name == member.name else f"  # self.{keras_name} in Keras"
    return [f"{line}{note}"] if len(line) + len(note) <= WIDTH else wrapped(line)


def _shapes(custom: OwnClass) -> list[str]:
    """Returns what each layer takes and returns, in a sentence each."""
    found = []
    for name, facts in zip(custom.layers, custom.facts, strict=True):
        for call in facts["calls"]:
            inputs = ", ".join(map(shape_text, call["inputs"]))
            if any("dict" in nest for nest in call.get("nests", {}).values()):
                inputs = ", ".join(f"{n}={nest_text(nest)}" for n, nest in call["nests"].items())
            made = ", ".join(map(shape_text, call["outputs"]))
            sentence = f"{name} takes {inputs}, returns {made}"
            if "returned" in call:
                sentence += f", in a tuple: of Keras's {nest_text(call['returned'])} by sorted keys"
            if sentence not in found:
                found.append(sentence)
    is_image = any(
        len(s) > 2 for facts in custom.facts for c in facts["calls"] for s in c["inputs"]
    )
    return [*found, "tensors have Keras's layout, channels last"] if is_image else found


def quoted(source: Facts, values: Facts | None = None) -> list[str]:
    """Returns the source of Keras as a comment, behind the values of names in it."""
    known = {**(values or {}), **source["values"]}
    texts = [f"{name} = {value}" for name, value in known.items()]
    value_lines = [line for text in texts for line in commented(text, INDENT)]
    if not source["text"]:
        return value_lines
    place = f"Keras's code, {source['file']}, line {source['line']}:"
    lines = [*value_lines, *commented(place, INDENT), f"{INDENT}#"]
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
            name, message = ast.unparse(node.exc.func), node.exc.args[0]
            if name == "NotImplementedError":
                found.append(
                    (node.lineno, f"{file}, line {node.lineno}: {ast.literal_eval(message)}")
                )
    return [sentence for _, sentence in sorted(found)]
