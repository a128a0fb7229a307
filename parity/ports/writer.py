"""program_of: a Keras model as lines, in the layouts that torch wants."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from parity.ports.form import Applied, Form, Layout, Shape, literal
from parity.ports.graph import Mask, Masks, Traced, entries_of, is_known
from parity.ports.program import Line, Program, Value, first_draw, in_branches, values_in
from parity.ports.statements import (
    CUSTOM,
    called_with,
    form_of_operation,
    has_any,
    mask_of,
    nest_of,
    plan_inside,
    with_argument,
)
from parity.ports.table import form_of
from torch_impl.keras_config.builders import heeded, plan_layer
from torch_impl.keras_config.casting import takes_real
from torch_impl.keras_config.graph import Call, Tensor, fill, is_operation, tensors_in, tensors_of
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rules import NoTwinError
from torch_impl.masks import is_mask

OUTPUT = "_output"  # behind the name of a layer: the module of its output, which has a penalty
_REAL = literal(torch.float64)  # the dtype in which a network is made
_SPATIAL = frozenset(
    f"{kind}{rank}D"
    for rank in (1, 2, 3)
    for kind in ("Conv", "SeparableConv", "DepthwiseConv", "MaxPooling", "AveragePooling")
)


def program_of(traced: Traced, drawn: Mapping[str, int] | None = None) -> Program:
    """Returns a model as lines.

    Args:
        traced: the model.
        drawn: name of a layer -> number of its first draw.

    Raises:
        NoTwinError: some layers cannot be written, with the reasons of all of them.
    """
    program = _Writer(traced, drawn or {}).program
    in_branches(program)
    return program


class _Writer:
    def __init__(self, traced: Traced, drawn: Mapping[str, int]) -> None:
        self.traced, self._drawn = traced, drawn
        self.program = Program(traced.name)
        self._values: dict[Tensor, dict[Layout, Value]] = {}
        self._count = 0
        self._inner: dict[int, Program] = {}
        self._masks: dict[Mask, Value] = {}
        self._ends = set(tensors_in(traced.graph.outputs))
        problems: list[str] = []
        for place in tensors_in(traced.graph.inputs):
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
        self.program.outputs = fill(traced.graph.outputs, self._end)

    def _write(self, call: Call) -> None:
        layer = self.traced.layers[call.layer]
        call = replace(call, options=heeded(layer["class_name"], call.options))
        places = tensors_of(call)
        all_masks = self.traced.masks.get((call.layer, call.number), {})
        masks = {
            name: mask
            for name, mask in all_masks.items()
            if not tensors_in([call.options.get(name)])
        }
        is_step = layer["class_name"] == "TimeDistributed"
        # All layers inside of a model take masks, or give them on. Keras tells a model of several
        # inputs a list, which may have no mask.
        given = call.options.get("mask")
        inner_mask = masks.get("mask") or (given if tensors_in([given]) else None)
        if is_step and call.layer not in self.traced.masked_steps:
            masks, inner_mask = {}, None
        if unknown := [name for name, mask in masks.items() if not is_known(mask)]:
            raise ValueError(
                f"its {', '.join(unknown)} is of a layer for which no source is written"
            )
        if call.layer in self.traced.inner and inner_mask is not None:
            raise ValueError("a mask reaches layers inside of it: no source is written for it yet")
        if is_step:
            self._write_each_step(layer, call, places, inner_mask)
            return
        if call.layer in self.traced.inner:
            self._write_inner(call, places)
            return
        shapes = tuple(self.traced.shapes[place] for place in places)
        first = Tensor(call.layer, call.number, 0)
        layout = self._now(places[0]) if places else Layout.LAST
        listed = bool(call.arguments) and isinstance(call.arguments[0], list | tuple)
        applied = Applied(
            shapes,
            self.traced.shapes[first],
            layout,
            first in self._ends,
            listed,
            bool(places) and places[0] in self.traced.whole,
            bool(places) and places[0] in self.traced.truths,
            nest_of(call),
        )
        form = self._form(layer, call, applied)
        if form.takes not in (Layout.ANY, layout) and len(shapes[0]) > 2:
            applied = replace(applied, layout=form.takes)
            form = self._form(layer, call, applied)
        self._add(call, form, places, applied.layout, masks)

    def _form(self, layer: Any, call: Call, applied: Applied) -> Form:
        if is_operation(layer):
            constants = self.traced.graph.constants
            form, array = form_of_operation(layer, call, applied, constants)
            if array is not None:
                self.program.arrays[call.layer] = array
            return form
        planned = plan_layer(layer, plan_inside, layer.get(CUSTOM, {}))
        options = {
            name: value
            for name, value in call.options.items()
            if name != "training" and (not is_mask(name) or value is True or tensors_in([value]))
        }
        is_masked = (call.layer, call.number) in self.traced.masks
        form = form_of(planned, applied, masked=is_masked)
        if applied.whole and form.made is not None and takes_real(layer["class_name"]):
            dtype = "{self}.weight.dtype" if form.made.kind is nn.Linear else _REAL
            form = replace(form, text=form.text.replace("{0}", f"{{0}}.to({dtype})"))
        if has_any(options.values()) or len(call.arguments) > 1:
            return called_with(form, planned, call, options)
        return form

    def _add(
        self,
        call: Call,
        form: Form,
        places: list[Tensor],
        layout: Layout,
        masks: Mapping[str, Masks],
    ) -> None:
        takes = layout if form.takes is Layout.ANY else form.takes
        needed = places if "{0}" in form.text else []  # an array or a weight needs no tensor
        given = tuple(self._in_layout(place, takes) for place in needed)
        gives = form.gives or takes
        text = form.text
        for name, mask in masks.items():
            each = [None if m is None else self._mask(m) for m in entries_of(mask)]
            at = itertools.count(len(given))
            placeholders = ["None" if m is None else f"{{{next(at)}}}" for m in each]
            value = f"[{', '.join(placeholders)}]" if isinstance(mask, tuple) else placeholders[0]
            text = with_argument(text, f"{name}={value}")
            given = (*given, *(m for m in each if m is not None))
        made = []
        config = self.traced.layers[call.layer]["config"]
        is_penalised = config.get("activity_regularizer") is not None
        is_penalised |= self.traced.layers[call.layer]["class_name"] == "ActivityRegularization"
        for index in range(self._num_outputs(call)):
            made.append(self._value(Tensor(call.layer, call.number, index), gives, call.layer))
        if form.text == "{0}" and form.made is None and not is_penalised:  # nothing is done
            self._values[Tensor(call.layer, call.number, 0)] = {gives: given[0]}
            return
        line = Line(call.layer, text, given, tuple(made), form.made, None, form.why, form.note)
        self.program.lines.append(replace(line, drawn=self._drawn.get(call.layer)))
        if is_penalised and len(made) == 1:
            self._add_output(Tensor(call.layer, call.number, 0), made[0])

    def _add_output(self, place: Tensor, value: Value) -> None:
        """Gives the output of a layer, its activation included, a module that a penalty watches."""
        end = Value(self._count, value.shape, value.layout, value.name)
        self._count += 1
        self._values[place] = {end.layout: end}
        made, why = Planned(nn.Identity), "a penalty is taken of it"
        self.program.lines.append(
            Line(f"{place.layer}{OUTPUT}", "{self}({0})", (value,), (end,), made, None, why)
        )

    def _mask(self, mask: Mask) -> Value:
        """Returns a mask, which is made where it is needed first."""
        made = Tensor(mask.layer, mask.call, 0)
        if not mask.joined and made in self.traced.truths:  # of an operation
            return self._in_layout(made, Layout.LAST)
        if mask not in self._masks:
            key, calls = (mask.layer, mask.call), self.traced.graph.calls
            call = next(each for each in calls if (each.layer, each.number) == key)
            made_by = next((x.made for x in self.program.lines if x.name == mask.layer), None)
            is_stub = getattr(getattr(made_by, "kind", None), "own", None) is not None
            if mask.joined:
                text, given, shape = self._joined(mask, call)
            elif is_stub:
                given = tuple(self._in_layout(place, Layout.LAST) for place in tensors_of(call))
                text, shape = mask_of(call), given[0].shape[:2]
            else:
                (place,) = tensors_of(call)
                layer = self.traced.layers[mask.layer]
                given = (self._in_layout(place, Layout.LAST),)
                text, shape = "{0} != 0", given[0].shape
                if layer["class_name"] == "Masking":
                    text = f"({{0}} != {literal(layer['config']['mask_value'])}).any(-1)"
                    shape = shape[:-1]
            value = Value(self._count, shape, Layout.LAST, "mask")
            self._count += 1
            name, maker = (mask.layer, made_by) if is_stub else ("", None)
            self.program.lines.append(Line(name, text, given, (value,), maker))
            self._masks[mask] = value
        return self._masks[mask]

    def _joined(self, mask: Mask, call: Call) -> tuple[str, tuple[Value, ...], Shape]:
        """Returns text, arguments and shape of the mask that a merging layer makes of several."""
        shape = self.traced.shapes[Tensor(call.layer, call.number, 0)]
        layer = self.traced.layers[call.layer]
        given = tuple(
            self._in_layout(place, Layout.LAST) if each is None else self._mask(each)
            for each, place in zip(mask.joined, tensors_of(call), strict=True)
        )
        axis = layer["config"].get("axis", -1) if layer["class_name"] == "Concatenate" else -1
        if len(shape) != 3:
            raise ValueError("a mask of several tensors is written for steps (N, T, C) only")
        # All steps of a tensor without a mask count.
        texts = [
            f"{{{n}}}"
            if each is not None
            else f"torch.ones_like({{{n}}}[..., 0], dtype=torch.bool)"
            for n, each in enumerate(mask.joined)
        ]
        if axis % len(shape) == 1:
            return f"torch.cat([{', '.join(texts)}], dim=1)", given, shape[:-1]
        return " | ".join(texts), given, shape[:-1]

    def _end(self, place: Tensor) -> Value:
        """Returns an output of the model as its layer makes it.

        One that carries its mask to the loss is in Keras's layout, as the mask is.
        """
        mask = self.traced.end_masks.get(place)
        if mask is None:
            return next(iter(self._values[place].values()))
        value = self._in_layout(place, Layout.LAST)
        if not is_known(mask):
            raise NoTwinError(
                ["the mask of an output is of a layer for which no source is written"]
            )
        end = Value(self._count, value.shape, value.layout, value.name)
        self._count += 1
        given = (value, self._mask(mask))
        note = "the loss leaves out the other steps"
        self.program.lines.append(Line("", "with_mask({0}, {1})", given, (end,), note=note))
        return end

    def _write_each_step(self, layer: Any, call: Call, places: list[Tensor], mask: Any) -> None:
        """Writes a layer, or a model, that is applied to one step after the other.

        Args:
            layer: the entry of the TimeDistributed.
            call: of it.
            places: the tensors that it gets.
            mask: `Mask`, or the place of one, if the layer takes that of each step; or None.
        """
        place = Tensor(call.layer, call.number, 0)
        shape, end = self.traced.shapes[places[0]], self.traced.shapes[place]
        inside, after = (shape[0], *shape[2:]), (end[0], *end[2:])
        program, made, why = None, None, ""
        if call.layer in self.traced.inner:
            program = self._program_inside(call.layer)
            (given,), (value,) = program.inputs.values(), values_in(program.outputs)
            takes, gives, step = given.layout, value.layout, "{self}(step)"
        else:
            layout = Layout.FIRST if len(inside) > 3 else Layout.LAST
            inner = {"build_config": {"input_shape": inside}, **layer["config"]["layer"]}
            applied = Applied((inside,), after, layout)
            form = form_of(plan_inside(inner), applied, masked=mask is not None)
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
        inputs = [self._in_layout(places[0], Layout.LAST)]
        loop = "for step in {0}.unbind(1)"
        if mask is not None:
            is_made = isinstance(mask, Mask)
            inputs.append(self._mask(mask) if is_made else self._in_layout(mask, Layout.LAST))
            step = with_argument(step, "mask=each")
            loop = "for step, each in zip({0}.unbind(1), {1}.unbind(1), strict=True)"
        text = f"torch.stack([{step} {loop}], dim=1)"
        line = Line(call.layer, text, tuple(inputs), ())
        self._append(replace(line, program=program), call, made, why)

    def _append(self, line: Line, call: Call, made: Planned | None, why: str) -> None:
        inside = self.traced.layers[call.layer]["config"]["layer"]["config"]["name"]
        value = self._value(Tensor(call.layer, call.number, 0), Layout.LAST, call.layer)
        drawn = self._drawn.get(call.layer)
        if line.program is not None:
            drawn = first_draw(line.program.lines)
        changes = {"made": made, "why": why, "drawn": drawn, "inside": inside}
        if call.layer in self.traced.tied:  # the module of the other layer does it
            changes |= {"name": self.traced.tied[call.layer], "inside": ""}
        self.program.lines.append(replace(line, outputs=(value,), **changes))

    def _write_inner(self, call: Call, places: list[Tensor]) -> None:
        program = self._program_inside(call.layer)
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
        placeholders = ", ".join(f"{{{number}}}" for number in range(len(given)))
        line = Line(call.layer, f"{{self}}({placeholders})", given, made, None, program)
        self.program.lines.append(replace(line, drawn=first_draw(program.lines)))

    def _program_inside(self, layer: str) -> Program:
        """Returns the program of a model that is a layer, or in one; it is written once."""
        traced = self.traced.inner[layer]
        if id(traced) not in self._inner:
            self._inner[id(traced)] = program_of(traced, self._drawn)
        return self._inner[id(traced)]

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
            if place in tensors_of(call)
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
