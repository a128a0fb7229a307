"""Program: the lines of a `forward`, each with its form, in the layouts that torch wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from torch_impl.keras_config.builders import plan_layer
from torch_impl.keras_config.graph import Call, Constant, Tensor, fill
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.problems import NoTwinError
from torch_impl.masks import is_mask
from torch_impl.source.form import Applied, Form, Layout, Shape, literal
from torch_impl.source.forms.operations import Operation
from torch_impl.source.graph import Mask, Traced
from torch_impl.source.table import form_of, masked_form_of, operation_of


@dataclass(frozen=True)
class Value:
    """A tensor in a `forward`.

    Attributes:
        number: tells it from others.
        shape: in Keras's layout.
        layout: where its channels are.
        name: Keras's name of the layer that made it.
    """

    number: int
    shape: Shape
    layout: Layout
    name: str

    @property
    def written_shape(self) -> Shape:
        """Its shape in its layout."""
        if self.layout is not Layout.FIRST:
            return self.shape
        return (self.shape[0], self.shape[-1], *self.shape[1:-1])


@dataclass(frozen=True)
class Line:
    """A line of a `forward`.

    Attributes:
        name: Keras's name of the layer; "" for a change of layout.
        inside: name of the layer in it that is called, if it is a wrapper.
        text: of the expression: see `Form`.
        inputs, outputs: its tensors.
        made: the module; None: none is needed.
        program: of a model that is a layer; None: it is none.
        why: what a comment beside the module says.
        note: what a comment beside the expression says.
        given: arguments of a block.
        members: the lines that the call of a block replaces.
        is_named: whether a block has its name from Keras.
        chain: blocks that follow each other, in a sequence.
        drawn: number of the first draw of Keras for the module; None: nothing is drawn.
    """

    name: str
    text: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    made: Planned | None = None
    program: Program | None = None
    why: str = ""
    note: str = ""
    inside: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[Line, ...] = ()
    is_named: bool = False
    chain: tuple[Line, ...] = ()
    drawn: int | None = None

    @property
    def keras_path(self) -> str:
        """Path of what is called, as Keras's weights have it."""
        return f"{self.name}/{self.inside}" if self.inside else self.name

    @property
    def is_module(self) -> bool:
        """Whether the line calls a module."""
        return self.made is not None or self.program is not None or bool(self.chain)


@dataclass(eq=False)
class Program:
    """A model as lines.

    Attributes:
        name: Keras's name of the model.
        inputs: its tensors by name, in Keras's order.
        outputs: a `Value` for each, in the structure that the model returns.
        lines: of its `forward`.
        parameters: of a block, with the values of the first one.
        has_shapes: whether tensors have the same shapes in each use of a block.
        repeats: how often a block stands in the network.
    """

    name: str
    inputs: dict[str, Value] = field(default_factory=dict)
    outputs: Any = None
    lines: list[Line] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    has_shapes: bool = True
    repeats: int = 1


def program_of(
    traced: Traced, drawn: Mapping[str, int] | None = None, *, is_inner: bool = False
) -> Program:
    """Returns a model as lines.

    Args:
        traced: the model.
        drawn: name of a layer -> number of its first draw.
        is_inner: whether it is a layer of another one.

    Raises:
        NoTwinError: some layers cannot be written, with the reasons of all of them.
    """
    return _Writer(traced, drawn or {}, is_inner).program


class _Writer:
    def __init__(self, traced: Traced, drawn: Mapping[str, int], is_inner: bool) -> None:
        self.traced, self._drawn = traced, drawn
        self.program = Program(traced.name)
        self._values: dict[Tensor, dict[Layout, Value]] = {}
        self._count = 0
        self._inner: dict[str, Program] = {}
        self._masks: dict[Mask, Value] = {}
        self._ends = set(_places(traced.graph.outputs))
        problems: list[str] = []
        for place in _places(traced.graph.inputs):
            value = self._value(place, self._layout_of_input(place), place.layer)
            self.program.inputs[place.layer] = value
        for call in traced.graph.calls:
            try:
                self._write(call)
            except NoTwinError as error:
                problems += error.problems
            except ValueError as error:
                problems.append(f"layer {call.layer!r}: {error}")
            if problems:
                self._pretend(call)
        if problems:
            raise NoTwinError(problems)
        end = None if is_inner else Layout.LAST
        self.program.outputs = fill(
            traced.graph.outputs, lambda place: self._end(place, end or self._now(place))
        )

    def _write(self, call: Call) -> None:
        layer = self.traced.layers[call.layer]
        places = _places([call.arguments, call.options])
        told = self.traced.masks.get((call.layer, call.number), {})
        masks = {name: mask for name, mask in told.items() if not _places([call.options.get(name)])}
        is_inside = layer["class_name"] == "TimeDistributed" or call.layer in self.traced.inner
        if masks and (is_inside or any(not mask.layer for mask in masks.values())):
            raise ValueError(
                "it takes a mask of several, or inside of it, which is not written yet"
            )
        if layer["class_name"] == "TimeDistributed":
            self._write_each_step(layer, call, places)
            return
        if call.layer in self.traced.inner:
            self._write_inner(call, places)
            return
        shapes = tuple(self.traced.shapes[place] for place in places)
        first = Tensor(call.layer, call.number, 0)
        layout = self._now(places[0]) if places else Layout.LAST
        is_end = first in self._ends
        listed = bool(call.arguments) and isinstance(call.arguments[0], list | tuple)
        applied = Applied(
            shapes,
            self.traced.shapes[first],
            layout,
            is_end,
            listed,
            bool(places) and places[0] in self.traced.whole,
        )
        form = self._form(layer, call, applied)
        if form.takes not in (Layout.ANY, layout) and len(shapes[0]) > 2:
            applied = replace(applied, layout=form.takes)
            form = self._form(layer, call, applied)
        self._add(call, form, places, applied.layout, masks)

    def _form(self, layer: Any, call: Call, applied: Applied) -> Form:
        module = layer.get("module") or ""
        if ".ops" in module or ".activations.activations" in module:
            return operation_of(_operation(layer, call), applied)
        planned = plan_layer(layer, _plan, {})
        options = {
            name: value
            for name, value in call.options.items()
            if name != "training" and (not is_mask(name) or value is True or _places([value]))
        }
        is_masked = (call.layer, call.number) in self.traced.masks
        form = (masked_form_of if is_masked else form_of)(planned, applied)
        if _has(options.values()) or len(call.arguments) > 1:
            return _called_with(form, planned, call, options)
        return form

    def _add(
        self,
        call: Call,
        form: Form,
        places: list[Tensor],
        layout: Layout,
        masks: Mapping[str, Mask],
    ) -> None:
        takes = layout if form.takes is Layout.ANY else form.takes
        given = tuple(self._in_layout(place, takes) for place in places)
        gives = form.gives or takes
        text = form.text
        for name, mask in masks.items():
            text = _with_argument(text, f"{name}={{{len(given)}}}")
            given = (*given, self._mask(mask))
        made = []
        for index in range(self._num_outputs(call)):
            made.append(self._value(Tensor(call.layer, call.number, index), gives, call.layer))
        if form.text == "{0}" and form.made is None:  # nothing is done
            self._values[Tensor(call.layer, call.number, 0)] = {gives: given[0]}
            return
        line = Line(call.layer, text, given, tuple(made), form.made, None, form.why, form.note)
        self.program.lines.append(replace(line, drawn=self._drawn.get(call.layer)))

    def _mask(self, mask: Mask) -> Value:
        """Returns a mask, which is made where it is needed first."""
        if mask not in self._masks:
            calls = self.traced.graph.calls
            call = next(c for c in calls if (c.layer, c.number) == (mask.layer, mask.call))
            (place,) = _places([call.arguments, call.options])
            layer = self.traced.layers[mask.layer]
            given = self._in_layout(place, Layout.LAST)
            text, shape = "{0} != 0", given.shape
            if layer["class_name"] == "Masking":
                text = f"({{0}} != {literal(layer['config']['mask_value'])}).any(-1)"
                shape = given.shape[:-1]
            value = Value(self._count, shape, Layout.LAST, "mask")
            self._count += 1
            self.program.lines.append(Line("", text, (given,), (value,)))
            self._masks[mask] = value
        return self._masks[mask]

    def _end(self, place: Tensor, layout: Layout) -> Value:
        """Returns an output of the model, which carries its mask to the loss."""
        value = self._in_layout(place, layout)
        mask = self.traced.end_masks.get(place)
        if mask is None:
            return value
        if not mask.layer:
            raise NoTwinError(["the mask of an output is made of several: not written yet"])
        end = Value(self._count, value.shape, value.layout, value.name)
        self._count += 1
        given = (value, self._mask(mask))
        note = "the loss leaves out the other steps"
        self.program.lines.append(Line("", "with_mask({0}, {1})", given, (end,), note=note))
        return end

    def _write_each_step(self, layer: Any, call: Call, places: list[Tensor]) -> None:
        """Writes a layer, or a model, that is applied to one step after the other."""
        place = Tensor(call.layer, call.number, 0)
        shape, end = self.traced.shapes[places[0]], self.traced.shapes[place]
        inside, after = (shape[0], *shape[2:]), (end[0], *end[2:])
        program, made, why = None, None, ""
        if call.layer in self.traced.inner:
            program = program_of(self.traced.inner[call.layer], self._drawn, is_inner=True)
            (given,), (value,) = program.inputs.values(), values_in(program.outputs)
            takes, gives, step = given.layout, value.layout, "{self}(step)"
        else:
            layout = Layout.FIRST if len(inside) > 3 else Layout.LAST
            inner = {"build_config": {"input_shape": inside}, **layer["config"]["layer"]}
            form = form_of(plan_layer(inner, _plan, {}), Applied((inside,), after, layout))
            takes = layout if form.takes is Layout.ANY else form.takes
            gives, step = form.gives or takes, form.text.replace("{0}", "step")
            made, why = form.made, form.why
            if takes is Layout.LAST and made is not None and made.kind is nn.Linear:
                line = Line(call.layer, form.text, (self._in_layout(places[0], Layout.LAST),), ())
                self._append(line, call, made, why)
                return
        if takes is Layout.FIRST and len(inside) > 2:
            step = step.replace("step", "step.movedim(-1, 1)")
        if gives is Layout.FIRST and len(after) > 2:
            step = f"{step}.movedim(1, -1)"
        text = f"torch.stack([{step} for step in {{0}}.unbind(1)], dim=1)"
        line = Line(call.layer, text, (self._in_layout(places[0], Layout.LAST),), ())
        self._append(replace(line, program=program), call, made, why)

    def _append(self, line: Line, call: Call, made: Planned | None, why: str) -> None:
        inside = self.traced.layers[call.layer]["config"]["layer"]["config"]["name"]
        value = self._value(Tensor(call.layer, call.number, 0), Layout.LAST, call.layer)
        drawn = self._drawn.get(call.layer)
        if line.program is not None:
            drawn = first_draw(line.program.lines)
        told = {"made": made, "why": why, "drawn": drawn, "inside": inside}
        self.program.lines.append(replace(line, outputs=(value,), **told))

    def _write_inner(self, call: Call, places: list[Tensor]) -> None:
        if call.layer not in self._inner:
            self._inner[call.layer] = program_of(
                self.traced.inner[call.layer], self._drawn, is_inner=True
            )
        program = self._inner[call.layer]
        wanted = list(program.inputs.values())
        given = tuple(
            self._in_layout(place, value.layout)
            for place, value in zip(places, wanted, strict=True)
        )
        ends = values_in(program.outputs)
        made = tuple(
            self._value(Tensor(call.layer, call.number, index), end.layout, call.layer)
            for index, end in enumerate(ends)
        )
        told = ", ".join(f"{{{number}}}" for number in range(len(given)))
        line = Line(call.layer, f"{{self}}({told})", given, made, None, program)
        self.program.lines.append(replace(line, drawn=first_draw(program.lines)))

    def _pretend(self, call: Call) -> None:
        """Makes the outputs of a layer that cannot be written, so that the next ones are read."""
        for index in range(self._num_outputs(call)):
            place = Tensor(call.layer, call.number, index)
            if place not in self._values:
                self._value(place, Layout.LAST, call.layer)

    def _num_outputs(self, call: Call) -> int:
        key = (call.layer, call.number)
        return sum((place.layer, place.call) == key for place in self.traced.shapes)

    def _layout_of_input(self, place: Tensor) -> Layout:
        """Images come with channels first; a sequence does if a convolution takes it first."""
        rank = len(self.traced.shapes[place])
        if rank > 3:
            return Layout.FIRST
        users = [
            self.traced.layers[call.layer]["class_name"]
            for call in self.traced.graph.calls
            if place in _places([call.arguments, call.options])
        ]
        return Layout.FIRST if rank == 3 and users and users[0] in _SPATIAL else Layout.LAST

    def _value(self, place: Tensor, layout: Layout, name: str) -> Value:
        shape = self.traced.shapes[place]
        layout = Layout.LAST if len(shape) < 3 or layout is Layout.ANY else layout
        value = Value(self._count, shape, layout, name)
        self._count += 1
        self._values.setdefault(place, {})[layout] = value
        return value

    def _now(self, place: Tensor) -> Layout:
        return next(reversed(self._values[place]))

    def _in_layout(self, place: Tensor, layout: Layout) -> Value:
        """Returns a tensor in a layout, for which it is turned if need be."""
        found = self._values[place]
        if layout in found or len(self.traced.shapes[place]) < 3:
            return found.get(layout, next(iter(found.values())))
        before = next(iter(found.values()))
        rank = len(before.shape)
        if rank == 3:
            text = "{0}.transpose(1, 2)"
        else:
            text = "{0}.movedim(1, -1)" if layout is Layout.LAST else "{0}.movedim(-1, 1)"
        value = self._value(place, layout, before.name)
        self.program.lines.append(Line("", text, (before,), (value,)))
        return value


_SPATIAL = frozenset(
    f"{kind}{rank}D"
    for rank in (1, 2, 3)
    for kind in ("Conv", "SeparableConv", "DepthwiseConv", "MaxPooling", "AveragePooling")
)


def _operation(layer: Any, call: Call) -> Operation:
    settings = {k: v for k, v in layer["config"].items() if k not in ("name", "dtype")}
    count = 0

    def source(value: Any) -> str:
        nonlocal count
        if isinstance(value, Constant):
            raise ValueError("an array in the graph is not written yet")
        if isinstance(value, Tensor):
            count += 1
            return f"{{{count - 1}}}"
        if isinstance(value, list | tuple) and _places(value):
            return f"[{', '.join(map(source, value))}]"
        return literal(value)

    texts = [source(value) for value in call.arguments]
    values = fill(call.arguments, lambda value: None if isinstance(value, Tensor) else value)
    options = {key: value for key, value in call.options.items() if not _places([value])}
    if len(options) < len(call.options):
        raise ValueError("a tensor that is given by name is not written yet")
    return Operation(layer["class_name"], texts, values, {**settings, **options})


def _called_with(form: Form, planned: Planned, call: Call, options: Mapping[str, Any]) -> Form:
    """Returns the form of a layer that is called with more than its inputs."""
    if form.text.count("{self}") != 1 or "{0}" not in form.text:
        raise ValueError(f"its call with {sorted(options)} is not written yet")
    count = 0
    parts = []
    for value in call.arguments:
        if not isinstance(value, Tensor):
            raise ValueError("its arguments are not tensors alone, which is not written yet")
        parts.append(f"{{{count}}}")
        count += 1
    for name, value in options.items():
        if isinstance(value, Tensor):
            parts.append(f"{name}={{{count}}}")
            count += 1
        elif value is not None and not _places([value]):
            parts.append(f"{name}={literal(value)}")
        elif _places([value]):
            inner = [f"{{{count + n}}}" for n in range(len(_places([value])))]
            count += len(inner)
            parts.append(f"{name}=[{', '.join(inner)}]")
    return replace(form, text=f"{{self}}({', '.join(parts)})")


def _with_argument(text: str, argument: str) -> str:
    """Returns a call of a module with one more argument."""
    start = text.index("{self}(") + len("{self}")
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] in "([") - (text[place] in ")]")
        if depth == 0:
            return f"{text[:place]}, {argument}{text[place:]}"
    raise ValueError(f"{text!r}: expected the call of a module")


def _has(values: Any) -> bool:
    return any(value is not None for value in values)


def _plan(layer: Any) -> Any:
    """Plans a layer inside of another one."""
    if "layers" in layer["config"]:
        raise ValueError(f"a model inside of a layer, {layer['config']['name']!r}")
    return plan_layer(layer, _plan, {})


def _places(structure: Any) -> list[Tensor]:
    found: list[Tensor] = []

    def note(value: Any) -> Any:
        if isinstance(value, Tensor):
            found.append(value)
        return value

    fill(structure, note)
    return found


def values_in(structure: Any) -> list[Value]:
    """Returns the tensors in nested lists and dicts."""
    found: list[Value] = []
    fill(structure, lambda value: found.append(value) if isinstance(value, Value) else None)
    return found


def first_draw(lines: Sequence[Line]) -> int | None:
    """Returns the number of the first draw for any of these lines."""
    return min((line.drawn for line in lines if line.drawn is not None), default=None)


def all_of(program: Program) -> Sequence[Program]:
    """Returns a program and those inside of it, the innermost first, each once."""
    found: list[Program] = []
    for line in program.lines:
        for each in (line, *line.chain):
            if each.program is not None:
                found += [inner for inner in all_of(each.program) if inner not in found]
    return [*found, program]
