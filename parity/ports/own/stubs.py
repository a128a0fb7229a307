"""The classes of layers that are the user's own: one for all instances, with sizes as arguments.

What the Keras half tells of each layer goes in. What makes each of them comes out. Numbers that
differ between instances are arguments of the class; a setting of the Keras layer that has the same
numbers gives them its name.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from parity.ports.calls import plan_inside
from parity.ports.form import Applied, Form, Layout, Parameter, defaults_of
from parity.ports.graph import trace
from parity.ports.names import attribute, class_name, distinct, held_name
from parity.ports.own.facts import Facts, shortened
from parity.ports.program import Program
from parity.ports.table import form_of
from parity.ports.writer import program_of
from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.builders import plan_layer
from torch_impl.keras_config.planned import Planned


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
            taken = [group.name for group in groups.values()]
            groups[key] = OwnClass(distinct(class_name(facts["class"]), taken), [], [])
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
    held = tuple(
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
    return held, tuple(sorted(facts["settings"])), facts["draws"]


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
    taken: dict[str, list[Any]] = {
        attribute(name): values for name, values in settings.items() if _differ(values)
    }
    group.vectors = dict(taken)

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
        held = Held(held_name(first["attribute"]), first)
        if first["what"] == "weight":
            held.name = held_name(first["name"])
            held.shape = tuple(
                value_of(list(sizes), f"{held.name}_{axis}")
                for axis, sizes in enumerate(zip(*(e["shape"] for e in all_of), strict=True))
            )
        else:
            inside = [known.get(f"{name}/{first['attribute']}") for name in group.layers]
            _plan(group, held, list(zip(all_of, inside, strict=True)), value_of, problems)
        group.held.append(held)
    group.settings = {
        attribute(name): value_of(values, name)
        for name, values in settings.items()
        if not any(held.name.partition(".")[0] == attribute(name) for held in group.held)
    }
    group.kind = _kind(group)


def _features(facts: Facts) -> Any:
    inputs = facts["calls"][0]["inputs"] if facts["calls"] else []
    return inputs[0][-1] if inputs and len(inputs[0]) > 1 else None


def _differ(values: Sequence[Any]) -> bool:
    return any(value != values[0] or type(value) is not type(values[0]) for value in values)


def _plan(
    group: OwnClass,
    held: Held,
    all_of: Sequence[tuple[Facts, Planned | None]],
    value_of: Any,
    problems: list[str],
) -> None:
    """Plans the layer that instances of a class hold in an attribute.

    Args:
        group: the class.
        held: gets the module.
        all_of: facts of the layer in each instance, and what makes it if it is the user's.
        value_of: returns the value of an argument that has these values in the instances.
        problems: see `classes_of`.
    """
    where = f"layer {group.layers[0]!r} of class {group.facts[0]['class']!r}"
    if "layers" in all_of[0][0].get("entry", {}).get("config", {}):
        try:
            _plan_model(group, held)
        except ValueError as error:
            problems.append(f"{where}: its {held.name!r}: {error}")
        return
    place = re.sub(r"\.(\d+)", r"[\1]", held.name)  # of an entry of a list
    is_model = bool(group.facts[0].get("is_model"))  # what its layers return, it may return
    used = [_is_used(each) for each, _ in all_of]
    if not any(used):
        held.note = f"a {all_of[0][0]['class']} that no call uses"
        return
    if not all(used):
        held.has = value_of(used, f"has_{held.name}")
        first_used = all_of[used.index(True)]
        held.facts = first_used[0]
        all_of = [it if is_used else first_used for it, is_used in zip(all_of, used, strict=True)]
    plans, note = [], ""
    for each, own in all_of:
        try:
            form = _inner(each, is_model) if own is None else Form("{self}({0})", own)
        except ValueError as error:
            if each.get("weights"):
                problems.append(f"{where}: its {each['attribute']!r}: {error}")
            held.note = f"a {each['class']}, which forward does by itself"
            return
        plans.append(form.made)
        note = form.text.replace("{self}", f"self.{place}")
        for number, name in enumerate(("x", "y", "z")):
            note = note.replace(f"{{{number}}}", name)
        if form.takes is Layout.FIRST and each.get("shapes") and len(each["shapes"]["input"]) > 2:
            note += "; x has channels first"
    held.note = "" if note == f"self.{place}(x)" and plans[0] is not None else note
    if all_of[0][0].get("entry", {}).get("config", {}).get("mask_zero"):
        held.note += "; its mask is x != 0"
    held.note = _with_masks(held.note, f"self.{place}(x)", all_of[0][0].get("masked", ()))
    made = [plan for plan in plans if plan is not None]
    if len(made) < len(plans) or len({(p.kind, len(p.arguments)) for p in made}) > 1:
        if made:
            problems.append(f"{where}: its {held.name!r} is another module in each of its layers")
        return
    first = made[0]
    names = list(dict.fromkeys(name for plan in made for name in plan.settings))
    defaults = defaults_of(first)
    held.made = Planned(
        first.kind,
        *(
            value_of([plan.arguments[n] for plan in made], f"{held.name}_{n}")
            for n in range(len(first.arguments))
        ),
        **{
            name: value_of(
                [plan.settings.get(name, defaults.get(name)) for plan in made],
                f"{held.name}_{name}",
            )
            for name in names
        },
    )


def _with_masks(note: str, call: str, masked: Sequence[str]) -> str:
    """Returns what is told of a layer, with the masks that Keras's call does not show."""
    if not masked:
        return note
    told = "the mask that x carries, as mask"
    if list(masked) != ["mask"]:
        inputs = [name.removesuffix("_mask") for name in masked]
        noun = "masks" if len(masked) > 1 else "mask"
        verb = "carry" if len(masked) > 1 else "carries"
        told = f"the {noun} that {' and '.join(inputs)} {verb}, as {' and '.join(masked)}"
    return f"{note or call}; Keras hands on {told}, by itself"


def _plan_model(group: OwnClass, held: Held) -> None:
    """Writes the model that all instances of a class hold in an attribute.

    Raises:
        ValueError: it cannot be written.
    """
    config = shortened(held.facts["entry"])["config"]
    if any("layers" in layer["config"] for layer in config["layers"]):
        raise ValueError("a model of models inside of a layer of your own is not written yet")
    program = program_of(trace(from_keras_config(config), config))
    program.name = f"{group.name}_{held.name}"
    name = distinct(class_name(program.name), group.names)
    group.names.append(name)
    held.made = Planned(type(name, (Stub,), {"program": program}))
    if any(value.layout is Layout.FIRST for value in program.inputs.values()):
        held.note = f"self.{held.name}(x); x has channels first"


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
        told = (entry.get("build_config") or {}).get("shapes_dict")
        told = told or {"input": [None, None, None]}  # of a layer that asks for none
        inputs = [tuple(shape) for shape in told.values()]
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
