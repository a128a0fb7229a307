"""What train.py has beside loss and optimizer: rules of weights, outputs, what does not train."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from parity.ladder.items import weights_by_rows
from parity.ports.custom.rules import OwnConstraint, OwnRegularizer, OwnRule, rule_text
from parity.ports.form import Layout, arguments, literal, without_defaults
from parity.ports.graph import Traced, entries_by_path
from parity.ports.program import Program, Value, values_in
from parity.ports.weights import paths, targets
from parity.ports.wrapping import commented, wrapped
from parity.ports.writer import OUTPUT
from torch_impl.keras_config.compiled import Training
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rules import LayerRules
from torch_impl.keras_config.training import short
from torch_impl.layouts import Variable, joined_parameters

# --- Which numbers an epoch has, and which callbacks watch one that the port lacks ----------------


def names_of_epoch(losses: Any, kinds: Mapping[str, Any], outputs: Sequence[str]) -> set[str]:
    """Returns the names in Keras's history, without those of the validation.

    Args:
        losses: plan of the loss, or of each output by its name.
        kinds: "metrics" and "weighted_metrics" -> names and plans, in a list; of several outputs
            such a list by the name of each.
        outputs: names of the outputs.
    """
    found = {"loss"}
    by_output = losses if isinstance(losses, Mapping) else {}
    with_loss = [name for name, loss in by_output.items() if loss is not None]
    found |= {f"{name}_loss" for name in with_loss if len(with_loss) > 1}
    for kind, given in kinds.items():
        parts = given if isinstance(given, Mapping) else {"": given}
        for output, plans in parts.items():
            before = f"{output}_" if len(outputs) > 1 else ""
            for plan in plans or ():
                names = {name_of_metric(plan)}
                if kind == "weighted_metrics":  # if another metric has the name
                    names |= {f"weighted_{name}" for name in names}
                found |= {f"{before}{name}" for name in names}
    return found


def all_names(training: Training, outputs: Sequence[str]) -> set[str]:
    """Returns the names in the history of a program, as far as they are planned."""
    kinds = {name: training.settings.get(name, []) for name in ("metrics", "weighted_metrics")}
    return names_of_epoch(training.loss, kinds, outputs)


def name_of_metric(plan: str | Planned) -> str:
    """Returns Keras's name of a metric."""
    return plan if isinstance(plan, str) else str(plan.build().name)


def without_watched(training: Training, known: set[str], every: set[str]) -> Iterator[str]:
    """Leaves out the callbacks that watch what an epoch of the port has not.

    Args:
        training: its callbacks are changed.
        known: names of what an epoch of the port has.
        every: names of what one of the program has.

    Yields:
        A sentence for each callback that is left out.
    """

    def reason(plan: Planned) -> str:
        if "monitor" not in plan.settings:
            return ""
        monitor = str(plan.settings["monitor"])
        name = monitor.removeprefix("val_")
        if name in known or monitor in known:
            return ""
        why = "which is left out" if name in every else "which no epoch of the port has"
        return f"the callback {plan.kind.__name__}: it watches {monitor!r}, {why}"

    reasons = [(plan, reason(plan)) for plan in training.schedulers]
    training.schedulers = [plan for plan, why in reasons if not why]
    yield from (why for _, why in reasons if why)
    stopping = training.early_stopping
    if stopping is not None and (why := reason(stopping)):
        training.early_stopping = None
        yield why


# --- What train.py makes of outputs for loss and metrics, which take Keras's layout ---------------


FUNCTION = "in_keras_layout"


def output_text(program: Program, turn: str) -> tuple[str, list[str]]:
    """Returns the argument `output` of a training, and the lines of a function that it needs.

    Args:
        program: the model.
        turn: source of the function that turns one output.

    Returns:
        "" and no lines for a model without images among its outputs; no lines for one output.
    """
    if not any(map(_is_turned, values_in(program.outputs))):
        return "", []
    if len(values_in(program.outputs)) == 1 and not isinstance(program.outputs, Mapping):
        return turn, []
    return FUNCTION, [
        f"def {FUNCTION}(outputs: Any) -> Any:",
        '    """Turns images among the outputs, as loss and metrics take them: channels last."""',
        *wrapped(f"    return {_turned(program.outputs, 'outputs', turn)}"),
    ]


def about_output(output: str) -> list[str]:
    """Returns a comment on the argument `output`; nothing without one."""
    text = "loss and metrics take images in Keras's layout, as the targets are"
    return commented(text, "    ") if output else []


def _is_turned(value: Value) -> bool:
    return value.layout is Layout.FIRST


def _turned(nest: Any, place: str, turn: str) -> str:
    """Returns an expression of the nest that a model returns, with its images turned."""
    if isinstance(nest, Value):
        return f"{turn}({place})" if _is_turned(nest) else place
    if isinstance(nest, Mapping):
        places = {key: f"{place}[{literal(key)}]" for key in nest}
        rows = [f"{literal(k)}: {_turned(nest[k], at, turn)}" for k, at in places.items()]
        return f"{{{', '.join(rows)}}}"
    return f"({', '.join(_turned(part, f'{place}[{n}]', turn) for n, part in enumerate(nest))})"


# --- What does not train since its layer says `trainable=False`, as source of train.py ------------


_MOST_STATEMENTS = 2  # more modules than that are named in a list


def frozen_text(module: nn.Module, program: Program, traced: Traced) -> list[str]:
    """Returns the statements that freeze `model`: nothing for a network that trains whole.

    Args:
        module: the written one.
        program: of which it was written.
        traced: the model.
    """
    layers = map(module.get_submodule, _frozen_layers(program, traced))
    frozen = {id(parameter) for layer in layers for parameter in layer.parameters()}
    found = list(_topmost(module, frozen))
    if len(found) <= _MOST_STATEMENTS:
        return [f"{_reached(path)}.requires_grad_(False)" for path in found]
    return [
        f"frozen = [{', '.join(map(literal, found))}]",
        "for name in frozen:",
        "    model.get_submodule(name).requires_grad_(False)",
    ]


def _frozen_layers(program: Program, traced: Traced) -> Iterator[str]:
    """Yields the paths of the modules whose layers do not train."""
    entries = entries_by_path(traced)
    for layer, path in paths(program):
        if layer in entries and not entries[layer]["config"].get("trainable", True):
            yield path


def _topmost(module: nn.Module, frozen: set[int], path: str = "") -> Iterator[str]:
    """Yields the paths of the largest modules all of whose parameters, by ID, are frozen."""
    parameters = {id(parameter) for parameter in module.parameters()}
    if parameters and parameters <= frozen:
        yield path
        return
    for name, child in module.named_children():
        yield from _topmost(child, frozen, f"{path}.{name}" if path else name)


def _reached(path: str) -> str:
    """Returns the expression for a module of `model`, as a person would write it."""
    if all(part.isidentifier() for part in path.split(".")):
        return f"model.{path}"
    return f"model.get_submodule({literal(path)})" if path else "model"


# --------------------------------------------------------------------------------------------------
#
# What a Keras program does with weights and outputs beside the loss, as source of train.py.


@dataclass
class RuleTexts:
    """The rules of a program, as source.

    Attributes:
        penalties: name of a parameter -> its regulariser.
        activities: name of a module -> the regulariser of its output.
        constraints: name of a module and Keras's of a weight -> its constraint.
        undecayed: the weights that the optimizer excludes from weight decay; "" if there are none.
        joins: whether some parameters are one variable in Keras.
        own: sources of the rules of the user's own, which are to be written.
        left_out: a sentence for each rule that has no source.
    """

    penalties: dict[str, str] = field(default_factory=dict)
    activities: dict[str, str] = field(default_factory=dict)
    constraints: dict[str, str] = field(default_factory=dict)
    undecayed: str = ""
    joins: bool = False
    own: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def joins_norms(self, optimizer: Planned) -> bool:
        """Whether an optimizer takes norms of parameters that are one variable in Keras."""
        kind: Any = optimizer.kind
        return self.joins and bool(kind.takes_norms(optimizer.settings))


def rules_of(rules: Mapping[str, LayerRules], program: Program, module: nn.Module) -> RuleTexts:
    """Returns the rules of a program.

    Args:
        rules: of the layers, by their paths.
        program: of which the module was written.
        module: the written one.
    """
    found = RuleTexts(joins=bool(joined_parameters(module)))
    by_layer, known = dict(paths(program)), targets(module, program)
    names = {id(each): name for name, each in module.named_modules()}
    for layer, rule in rules.items():
        for name, regularizer in rule.regularizers.items():
            variable = _variable(known, layer, name)
            if variable is None or len(variable.attributes) > 1 or variable.part is not None:
                found.left_out.append(f"the regulariser of {name!r} of layer {layer!r}")
                continue
            path = ".".join(filter(None, (names[id(variable.module)], variable.attributes[0])))
            found.penalties[path] = _text("regularizers", regularizer)
        for name, constraint in rule.constraints.items():
            variable = _variable(known, layer, name)
            if variable is None:
                found.left_out.append(f"the constraint of {name!r} of layer {layer!r}")
                continue
            path = by_layer[layer]
            found.constraints[f"{path}.{name}"] = _text("constraints", constraint)
        if rule.activity is not None:
            end = by_layer.get(f"{layer}{OUTPUT}")
            is_custom = isinstance(rule.activity, OwnRegularizer)  # which gets the layout
            if end is None or not (rule.activity.is_layout_free or is_custom):
                found.left_out.append(f"the regulariser of the output of layer {layer!r}")
            else:
                found.activities[end] = _text("regularizers", rule.activity)
        if rule.projections:
            found.left_out.append(f"the regulariser of the projections of layer {layer!r}")
    found.own += _custom_rule_texts(rules.values())
    return found


def _custom_rule_texts(rules: Iterable[LayerRules]) -> list[str]:
    """Returns the sources of the rules of the user's, one for each class."""
    by_name: dict[str, list[OwnRegularizer | OwnConstraint]] = {}
    for rule in rules:
        for each in (rule.activity, *rule.regularizers.values(), *rule.constraints.values()):
            if isinstance(each, OwnRegularizer | OwnConstraint):
                by_name.setdefault(each.name, []).append(each)
    return [rule_text(each) for each in by_name.values()]


def undecayed_text(module: nn.Module, excluded: Iterable[Variable]) -> str:
    """Returns a list of parameters as source; "" if none is meant.

    Args:
        module: the written one, `model` in the source.
        excluded: variables of it.
    """
    tensors = {id(tensor) for variable in excluded for tensor in variable.tensors}
    names = [name for name, weight in module.named_parameters() if id(weight) in tensors]
    small = [name for name, weight in module.named_parameters() if weight.ndim < 2]
    if not names:
        return ""
    if names == small:  # biases and scales, as most programs mean
        return "[weight for weight in model.parameters() if weight.ndim < 2]"
    if len(names) == 1:
        return f"[model.get_parameter({literal(names[0])})]"
    listed = ", ".join(map(literal, names))
    return f"[model.get_parameter(name) for name in ({listed})]"


def _variable(known: Mapping[str, Variable], layer: str, name: str) -> Variable | None:
    """Returns a weight of a layer, whose module may be that of a layer in it."""
    ends = (name, name.rpartition("/")[2])
    return next((known[f"{layer}/{end}"] for end in ends if f"{layer}/{end}" in known), None)


def _text(module: str, rule: Any) -> str:
    """Returns the call that makes a regulariser or a constraint."""
    if isinstance(rule, OwnRule):
        return rule.text
    settings = dict(_settings(rule))
    planned = without_defaults(Planned(type(rule), **settings))
    given = arguments(*planned.arguments, **planned.settings)
    return f"{module}.{type(rule).__name__}({given})"


def _settings(rule: Any) -> Iterator[tuple[str, Any]]:
    for name, value in vars(rule).items():
        if not name.startswith("_"):
            yield name, short(value)


# --- What a port has otherwise of how a program trains, or lacks: `fit`, batches, steps, rows -----


KERAS_BATCH_SIZE = 32  # of `fit` that is told none

# What decides the order of batches that `fit` gets.
_ORDERS = {
    "PyDataset": "Keras shuffles whole batches",
    "tf.data.Dataset": "the dataset has an order of its own",
    "DataLoader": "the loader has an order of its own",
    "generator": "the generator has an order of its own",
}


def batch_size_of(fit: Mapping[str, Any]) -> int:
    """Returns the batch size that train.py has by default.

    Args:
        fit: what the Keras half tells of the arguments of `fit`.
    """
    given = fit.get("batches") or {}
    return int(fit.get("batch_size") or given.get("batch_size") or KERAS_BATCH_SIZE)


def left_out_of_training(
    described: Mapping[str, Any], *, is_plain: bool = False, feeds: bool = False
) -> list[str]:
    """Returns a sentence for each part of a training that train.py has otherwise, or lacks.

    Args:
        described: the fact "program" of the Keras half.
        is_plain: whether train.py imports torch alone, and has no stub of a `train_step`.
        feeds: whether train.py makes the batches that `fit` gets.
    """
    fit = described["fit"]
    found = [*([] if feeds else _of_batches(fit)), *_of_later(fit.get("later"))]
    found += [f"{name}={value} of `fit`" for name, value in fit.get("others", {}).items()]
    has_stub = fit.get("step") is not None and not is_plain
    for name in described.get("own_steps", []):
        if name == "test_step" or (name == "train_step" and has_stub):
            continue
        sentence = f"{name} of the model: code of your own; train.py trains as `compile` says"
        if name == "train_step" and fit.get("step") is not None:
            sentence += "; without --plain, it is left as a stub"
        found.append(sentence)
    return found


def about_later(fit: Mapping[str, Any]) -> list[str]:
    """Returns sentences on the calls of `fit` that a port lacks, for those who read train.py.

    Args:
        fit: what the Keras half tells of the arguments of `fit`.
    """
    later = fit.get("later")
    if not later:
        return []
    sentences = [f"It trains what the first call of fit does ({_place(later['first'])})."]
    sentences += [
        f"The call stands in a loop ({_place(loop)}): later rounds are not ported."
        for loop in later["loops"]
    ]
    if calls := later["calls"]:
        noun = "call is" if len(calls) == 1 else f"{len(calls)} calls are"
        sentences.append(f"The other {noun} not ported: {', '.join(map(_place, calls))}.")
    return sentences


def rows_apart(facts: Mapping[str, Any]) -> list[str]:
    """Returns a sentence on weights whose rows Keras's optimizer moves one by one; none: no such.

    Args:
        facts: of the trace of the Keras half.
    """
    names = weights_by_rows(facts.get("not_compared") or [])
    if not names:
        return []
    return [
        f"the training of {', '.join(names)} where a row of an embedding occurs several times in "
        "a batch: Keras's optimizer takes each by itself, and torch adds up their gradients before"
    ]


def _of_later(later: Mapping[str, Any] | None) -> list[str]:
    """Returns a sentence for each call of `fit` beside the first one, and each loop around it."""
    if not later:
        return []
    first = f"the port has the first call, in {_place(later['first'])}"
    found = [
        f"later rounds of the loop `{loop['text']}` in {_place(loop)}, which calls `fit`: {first}"
        for loop in later["loops"]
    ]
    for call in later["calls"]:
        sentence = f"another call of `fit`, `{call['text']}` in {_place(call)}: {first}"
        if call["changes"]:
            changes = [f"`{each['text']}` (line {each['line']})" for each in call["changes"]]
            sentence += f"; before the other one, the script has {', '.join(changes)}"
        found.append(sentence)
    return found


def _place(place: Mapping[str, Any]) -> str:
    return f"{place['file']}, line {place['line']}"


def _of_batches(fit: Mapping[str, Any]) -> list[str]:
    given = fit.get("batches")
    if not given:
        return []
    kind, size = given["kind"], batch_size_of(fit)
    what = f"{given['class']}, a {kind}," if given["class"] not in ("", kind) else f"a {kind}"
    known = (
        f"batches of {size}, as its first one"
        if given["batch_size"]
        else f"batches of {size} by default, since the size of its batches is not known"
    )
    action = "train.py takes the arrays of a file, which hold what it gives, and makes"
    order = f"; it shuffles samples, where {_ORDERS[kind]}" if fit.get("shuffle", True) else ""
    return [f"the batches of {what} that `fit` gets: {action} {known}{order}"]
