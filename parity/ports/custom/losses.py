"""Losses of the user's: written out as functions of torch, or a stub where that cannot be."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from parity.ports.custom.facts import Facts
from parity.ports.custom.stubs import loss_text, place_of
from parity.ports.form import (
    Applied,
    Form,
    Layout,
    Operation,
    OperationRow,
    Parameter,
    arguments,
    is_atom,
    literal,
)
from parity.ports.graph import Traced, trace
from parity.ports.plain import with_plain_functions
from parity.ports.program import attribute, distinct
from parity.ports.statements import needs_brackets, nest_of, operation
from parity.ports.table import operation_of
from parity.ports.wrapping import docstring, head, with_comment, wrapped
from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.graph import Call, Constant, Tensor, fill, is_operation, tensors_of

# --------------------------------------------------------------------------------------------------
#
# Operations of keras.ops that a loss has otherwise than a network: crossentropies, and bounds.
#
# Targets come first in Keras's crossentropies.


def _binary(operation: Operation, call: Applied) -> Form:
    target, output = operation.arguments[:2]
    from_logits = bool(operation.setting("from_logits", 2, False))
    text = f"binary_crossentropy({output}, {target}, from_logits={from_logits})"
    return Form(text, None, Layout.LAST)


def _without_mean(operation: Operation, call: Applied) -> Form:
    raise ValueError(f"{operation.name} of each entry has no plain form")


def _row(name: str, home: str) -> OperationRow:
    """A crossentropy of each sample, by a class of `losses` or of a file of rules."""

    def row(operation: Operation, call: Applied) -> Form:
        target, output = operation.arguments[:2]
        given = {"from_logits": operation.setting("from_logits", 2, False) or None}
        axis = operation.setting("axis", 3, -1)
        if axis not in (-1, len(call.inputs[-1]) - 1):
            given["axis"] = axis
        if "axis" in given and (name.startswith("Sparse") or home == "rules"):
            raise ValueError(f"{name} with {axis=} has no source")
        if name.startswith("Sparse"):
            target = f"{target}.long()"
        text = f"{home}.{name}({arguments(**given)}).values({output}, {target})"
        return Form(text, None, Layout.LAST)

    return row


def _clip(operation: Operation, call: Applied) -> Form:
    ends = operation.setting("x_min", 1), operation.setting("x_max", 2)
    if not all(type(end) in (int, float) for end in ends):
        return operation_of(operation, call)
    return Form(f"clip({{0}}, {', '.join(map(literal, ends))})", None, Layout.LAST)


def _extreme(sign: str) -> OperationRow:
    def row(operation: Operation, call: Applied) -> Form:
        if list(operation.arguments) != ["{0}", "{1}"] or call.whole:
            return operation_of(operation, call)
        note = "the first of two equal ones gets the slope, as in Keras"
        return Form(f"torch.where({{0}} {sign} {{1}}, {{0}}, {{1}})", None, Layout.LAST, note=note)

    return row


BINARY, MEAN_OF_BINARY = "BinaryCrossentropy", "mean of BinaryCrossentropy"
_OF_SAMPLES = ("CategoricalCrossentropy", "SparseCategoricalCrossentropy")
_BOUNDS: dict[str, OperationRow] = {"Maximum": _extreme(">="), "Minimum": _extreme("<=")}
# By Keras's names of the operations; the mean is that of keras.losses, over the last axis.
ROWS: dict[str, OperationRow] = {
    BINARY: _binary,
    MEAN_OF_BINARY: _row(BINARY, "losses"),
    **{name: _row(name, "losses") for name in _OF_SAMPLES},
    **_BOUNDS,
    "Clip": _clip,
}
PLAIN_ROWS: dict[str, OperationRow] = {
    BINARY: _without_mean,
    MEAN_OF_BINARY: _row(BINARY, "rules"),
    **{name: _row(name, "rules") for name in _OF_SAMPLES},
    **_BOUNDS,
}


# --- A loss of the user's own that only calls operations of Keras, as a function of torch ---------
#
# graph of its code -> expressions -> statements with the names that the code has for its tensors


_LONGEST = 76  # characters of an expression
_SHORTEST = 24  # characters of a part of one that gets a variable, so that it is shorter
_SHORT = ("x", "y", "z")
# Names that the source of a loss may need.
_RESERVED = frozenset(
    {"OPERATIONS", "binary_crossentropy", "losses", "mask_of", "reduce_weighted", "rules"}
    | {"sample_weight", "through_float32"}
)
_FLOAT64 = ', dtype="float64"'
_MEAN = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


def written_loss(
    name: str, facts: Facts, output: str, *, is_weighted: bool, is_masked: bool, plain: bool
) -> str:
    """Returns the source of a loss.

    Args:
        name: of the function.
        facts: of the Keras half.
        output: which one of the model the loss belongs to, by Keras's name; "": the only one.
        is_weighted: whether the program gives `fit` weights of samples or of classes.
        is_masked: whether the output may carry a mask.
        plain: whether the source imports nothing of `torch_impl`.

    Raises:
        ValueError: an operation has no source, or the loss has no graph.
    """
    graph = facts.get("graphs", {}).get(output)
    if graph is None:
        raise ValueError(f"the loss {name} has no graph: its code does more than call operations")
    config = graph["config"]
    traced = trace(from_keras_config(config), config, has_batches=False)
    writer = _Writer(traced, graph["variables"], is_masked=is_masked, plain=plain)
    given = ", sample_weight: torch.Tensor | None = None" if is_weighted else ""
    lines = head(f"def {name}(y_pred: torch.Tensor, y_true: torch.Tensor{given}) -> torch.Tensor:")
    lines += docstring(f"Keras's {facts['class']}{place_of(facts['source'])}.", "    ")
    if writer.is_used(Tensor("y_true", 0, 0)):
        lines.append("    y_true = y_true.to(y_pred.dtype)")
        if graph["is_column"]:
            lines += ["    if y_true.ndim == 1:  # Keras gives a function y_true as (N, 1), too"]
            lines += ["        y_true = y_true[:, None]"]
    lines += writer.body(graph["reduction"], is_weighted=is_weighted)
    return "\n".join(lines)


@dataclass
class _Expression:
    """A part of a statement.

    Attributes:
        text: its source.
        reads: the tensors whose variables are in it, each as often as it is.
        notes: reasons for a comment.
    """

    text: str
    reads: Sequence[Tensor] = ()
    notes: Sequence[str] = field(default_factory=list)


class _Writer:
    """Writes the statements of one loss.

    Args:
        traced: its graph.
        variables: of what operations make, by "OPERATION/NUMBER".
        is_masked: see `written_loss`.
        plain: likewise.
    """

    def __init__(
        self, traced: Traced, variables: Mapping[str, str], *, is_masked: bool, plain: bool
    ) -> None:
        self._traced, self._plain, self._is_masked = traced, plain, is_masked
        self._makers = {(call.layer, call.number): call for call in traced.graph.calls}
        self._same: dict[Tensor, Tensor] = {}  # what does nothing -> its input
        self._means = self._of_binary()
        self._forms = {key: self._form(call) for key, call in self._makers.items()}
        self._end = self._base(traced.graph.outputs)
        self._wanted: dict[Tensor, str] = {}
        for key, name in variables.items():
            layer, _, number = key.partition("/")
            self._wanted.setdefault(self._base(Tensor(layer, 0, int(number))), name)
        # How often a tensor is still to be read.
        self._left = Counter(
            self._base(place)
            for key, call in self._makers.items()
            if not self._does_nothing(key)
            for place in tensors_of(call)
        )
        self._names = {place: place.layer for place in fill(traced.graph.inputs, lambda x: x)}
        self._holders = {name: place for place, name in self._names.items()}
        self._left[Tensor("y_pred", 0, 0)] += is_masked
        self._uses = dict(self._left)
        self._lines: list[str] = []
        self._written_notes: set[str] = set()

    def is_used(self, place: Tensor) -> bool:
        """Whether the loss reads a tensor."""
        return self._uses.get(place, 0) > 0

    def body(self, reduction: str, *, is_weighted: bool) -> list[str]:
        """Returns the statements.

        Args:
            reduction: Keras's name of it.
            is_weighted: whether samples may have weights.
        """
        rank = len(self._traced.shapes[self._end])
        if is_weighted or self._is_masked:
            values = self._expression(self._end)
            if values.text != "values":
                self._say("values", values)
            self._lines += self._reduced(reduction, is_weighted=is_weighted)
            return self._lines
        key = (self._end.layer, self._end.call)
        config = self._traced.layers[self._end.layer]["config"]
        is_mean = self._traced.layers[self._end.layer]["class_name"] == "Mean"
        is_mean &= self._end.layer not in self._means
        if rank and is_mean and reduction in _MEAN and not config.get("keepdims"):
            self._forms[key] = Form("{0}.mean()")  # the mean of means of as many values
            rank = 0
        values = self._expression(self._end)
        if rank:
            way = "sum" if reduction == "sum" else "mean"
            if not is_atom(values.text) and len(values.text) > _LONGEST:
                self._say("values", values)
                values = _Expression("values")
            text = values.text if is_atom(values.text) else f"({values.text})"
            values = replace(values, text=f"{text}.{way}()")
        self._add(f"    return {values.text}", values.notes)
        return self._lines

    def _reduced(self, reduction: str, *, is_weighted: bool) -> list[str]:
        """Returns the statements that reduce `values`."""
        if self._plain:
            if self._is_masked or reduction == "mean_with_sample_weight":
                raise ValueError("masks, and a mean by weights, have no plain form in it")
            return [
                "    if sample_weight is not None:",
                "        values = rules.weighted(values, sample_weight)",
                f"    return values.{'sum' if reduction == 'sum' else 'mean'}()",
            ]
        parts = ["values", "sample_weight" if is_weighted else "None"]
        if self._is_masked:
            parts.append("mask_of(y_pred)")
        if reduction != _MEAN[0]:
            parts.append(f"reduction={literal(reduction)}")
        return wrapped(f"    return reduce_weighted({', '.join(parts)})")

    def _base(self, place: Tensor) -> Tensor:
        while place in self._same:
            place = self._same[place]
        return place

    def _does_nothing(self, key: tuple[str, int]) -> bool:
        return Tensor(*key, 0) in self._same

    def _of_binary(self) -> set[str]:
        """Joins each mean over the last axis with the binary crossentropy that it alone takes.

        Returns the names of these means, whose calls have the arguments of the crossentropies.
        """
        layers, graph = self._traced.layers, self._traced.graph
        uses = Counter(place for call in graph.calls for place in tensors_of(call))
        found: set[str] = set()
        for call in graph.calls:
            entry, places = layers[call.layer], tensors_of(call)
            if entry["class_name"] != "Mean" or len(places) != 1:
                continue
            (place,) = places
            axes, rank = entry["config"].get("axis"), len(self._traced.shapes[place])
            axes = axes if isinstance(axes, list | tuple) else [axes]
            is_last = len(axes) == 1 and axes[0] in (-1, rank - 1)
            is_binary = layers[place.layer]["class_name"] == BINARY
            is_only = uses[place] == 1 and place != graph.outputs
            if is_last and is_binary and is_only and not entry["config"].get("keepdims"):
                inner = self._makers.pop((place.layer, place.call))
                settings = layers[place.layer]["config"]
                logits = settings.get("from_logits", False)
                joined = replace(call, arguments=[*inner.arguments[:2], logits], options={})
                self._makers[call.layer, call.number] = joined
                found.add(call.layer)
        return found

    def _form(self, call: Call) -> Form:
        """Returns how a call is written; one that does nothing is noted.

        Raises:
            ValueError: it has no source.
        """
        layer = self._traced.layers[call.layer]
        if not is_operation(layer):
            raise ValueError(f"{call.layer!r} is no operation")
        places = tensors_of(call)
        shapes = tuple(self._traced.shapes[place] for place in places)
        first = Tensor(call.layer, call.number, 0)
        listed = bool(call.arguments) and isinstance(call.arguments[0], list | tuple)
        applied = Applied(
            shapes,
            self._traced.shapes[first],
            Layout.LAST,
            False,
            listed,
            places[0] in self._traced.whole,
            places[0] in self._traced.truths,
            nest_of(call),
        )
        op = operation(layer, replace(call, arguments=fill(call.arguments, self._as_source)))
        name = MEAN_OF_BINARY if call.layer in self._means else layer["class_name"]
        form = (PLAIN_ROWS if self._plain else ROWS).get(name, operation_of)(op, applied)
        if form.made is not None or Layout.FIRST in (form.takes, form.gives):
            raise ValueError(f"{layer['class_name']} has no source in a loss")
        text = form.text.replace("torch.get_default_dtype()", "y_pred.dtype")
        if _FLOAT64 in text:  # the program is recorded in float64, and trains in any dtype
            if layer["class_name"] not in ("OneHot", "MultiHot"):
                raise ValueError(f"{layer['class_name']} in float64 has no source in a loss")
            text = f"{text.replace(_FLOAT64, '')}.to(y_pred.dtype)"
        is_cast = layer["class_name"] in ("Cast", "ConvertToTensor")
        is_real = places[0] not in self._traced.whole
        if text == "{0}" or (is_cast and is_real and text == "{0}.to(y_pred.dtype)"):
            self._same[first] = places[0]
        return replace(form, text=with_plain_functions(text, "rules") if self._plain else text)

    def _as_source(self, value: Any) -> Any:
        """Returns an array as the source that makes it, and any other value as it is."""
        if not isinstance(value, Constant):
            return value
        array = self._traced.graph.constants[value.number]
        if not array.isfinite().all():
            raise ValueError("an array that is not finite has no source in a loss")
        if array.ndim == 0:
            return Parameter(literal(array.item()))
        kind = "y_pred.new_tensor({})"
        if not array.is_floating_point():
            kind = f"torch.tensor({{}}, dtype={array.dtype}, device=y_pred.device)"
        return Parameter(kind.format(array.tolist()))

    def _expression(self, place: Tensor) -> _Expression:
        place = self._base(place)
        if place in self._names:
            return _Expression(self._names[place], [place])
        key = (place.layer, place.call)
        call, form = self._makers[key], self._forms[key]
        places = [self._base(each) for each in tensors_of(call)]
        given: list[_Expression] = []
        for number, each in enumerate(places):
            inner = self._expression(each)
            if form.text.count(f"{{{number}}}") > 1 and not inner.text.isidentifier():
                inner = self._assigned(each, inner)
            given.append(inner)
        made = _joined(form, given)
        while len(made.text) > _LONGEST:
            longest = max(range(len(given)), key=lambda number: len(given[number].text))
            if len(given[longest].text) < _SHORTEST:
                break
            given[longest] = self._assigned(places[longest], given[longest])
            made = _joined(form, given)
        outputs = [
            each
            for each in self._traced.shapes
            if (each.layer, each.call) == (place.layer, place.call)
        ]
        if len(outputs) > 1:
            return self._unpacked(outputs, made, place)
        is_kept = place in self._wanted or self._uses.get(place, 0) > 1
        return self._assigned(place, made) if is_kept and place != self._end else made

    def _unpacked(self, outputs: Sequence[Tensor], made: _Expression, place: Tensor) -> _Expression:
        """Assigns each of several outputs of an operation."""
        names: list[str] = []
        for each in outputs:
            is_read = self._uses.get(each, 0) > 0 or each == self._end
            names.append(self._free(each, [*made.reads], names) if is_read else "_")
        self._say(", ".join(names), made)
        for each, name in zip(outputs, names, strict=True):
            if name != "_":
                self._names[each], self._holders[name] = name, each
        return _Expression(self._names[place], [place])

    def _assigned(self, place: Tensor, made: _Expression) -> _Expression:
        """Assigns an expression to a variable, which is read from now on."""
        name = self._free(place, made.reads)
        self._say(name, made)
        self._names[place], self._holders[name] = name, place
        return _Expression(name, [place])

    def _say(self, name: str, made: _Expression) -> None:
        self._left.subtract(made.reads)
        self._add(f"    {name} = {made.text}", made.notes)

    def _add(self, text: str, notes: Sequence[str]) -> None:
        """Adds a statement with a comment beside it, or above it, which no other one has."""
        comment = "; ".join(
            note for note in dict.fromkeys(notes) if note not in self._written_notes
        )
        self._written_notes.update(notes)
        self._lines += with_comment(text, comment)

    def _free(self, place: Tensor, reads: Sequence[Tensor], others: Sequence[str] = ()) -> str:
        """Returns a name for a tensor that no variable has which is still to be read."""
        live = {
            name
            for name, holder in self._holders.items()
            if self._left[holder] > list(reads).count(holder)
        }
        used_names = {*live, *_RESERVED, *others}
        wanted = self._wanted.get(place, "_").strip("_")
        if wanted in _RESERVED:
            wanted = f"{wanted}_"
        short = next((name for name in _SHORT if name not in used_names), _SHORT[0])
        return distinct(attribute(wanted) if wanted else short, used_names)


def _joined(form: Form, given: Sequence[_Expression]) -> _Expression:
    """Returns a call of an operation with the expressions of its tensors."""
    texts = [
        inner.text
        if is_atom(inner.text) or not needs_brackets(form.text, number, inner.text, least=True)
        else f"({inner.text})"
        for number, inner in enumerate(given)
    ]
    text = re.sub(r"\{(\d+)\}", lambda match: texts[int(match[1])], form.text)
    notes = [note for inner in given for note in inner.notes]
    notes += [form.note] if form.note else []
    return _Expression(text, [place for inner in given for place in inner.reads], notes)


# --- The source of the losses of the user's own: written out, or a stub where that cannot be ------


# What the source of a loss may need of `torch_impl`.
HOMES = {
    "OPERATIONS": "torch_impl.keras_config.operations",
    "activations": "torch_impl.layers",
    "binary_crossentropy": "torch_impl.losses.crossentropy",
    "clip": "torch_impl.clip",
    "mask_of": "torch_impl.masks",
    "reduce_weighted": "torch_impl.losses.reduction",
    "through_float32": "torch_impl.optim.rounding",
}


def loss_texts(
    facts: Mapping[str, Any],
    sources: dict[str, str],
    used_names: Collection[str],
    *,
    is_masked: bool,
    plain: bool,
) -> dict[str, Parameter]:
    """Returns the function of each output whose loss is the user's own; "": of the only output.

    Args:
        facts: of the trace of the Keras half.
        sources: gets the source of each, by name.
        used_names: names that train.py has itself.
        is_masked: whether an output carries a mask.
        plain: whether the source imports nothing of `torch_impl`.
    """
    custom_losses = facts.get("own", {}).get("losses", {})
    loss = facts.get("loss") or {}
    names = {out: each["name"] for out, each in (loss.get("outputs") or {}).items()}
    # Facts have no loss for whose targets nothing is known: of one output, it is the only one.
    is_one = len(facts.get("outputs") or []) < 2
    only = next(iter(custom_losses), None) if is_one and not loss else loss.get("name")
    is_weighted = bool(loss.get("sample_weight") or loss.get("class_weight"))
    shapes = {each["name"]: each["shape"] for each in facts.get("outputs") or []}
    found = {}
    for output, name in (names or {"": only}).items():
        if name not in custom_losses:
            continue
        known = attribute(re.sub(r"\W", "_", name))
        known = f"{known}_" if known in used_names else known

        def text_of(
            function: str, loss_facts: Facts = custom_losses[name], output: str = output
        ) -> str:
            try:
                made = written_loss(
                    function,
                    loss_facts,
                    output,
                    is_weighted=is_weighted,
                    is_masked=is_masked,
                    plain=plain,
                )
                ast.parse(made)
                return made
            except Exception:  # code may do what no source is written for, in any way
                shape = shapes.get(output, facts.get("output_shape") or ())
                return loss_text(function, loss_facts, shape, is_weighted=is_weighted)

        text = text_of(known)
        before = sources.get(known, text)
        if text != before and (is_written(text) or is_written(before)):
            known = f"{known}_{attribute(output)}"  # it computes something else for this output
            text = text_of(known)
        sources[known] = text
        found[output] = Parameter(known)
    return found


def is_written(text: str) -> bool:
    """Whether the source of a loss is no stub."""
    return "raise NotImplementedError(" not in text
