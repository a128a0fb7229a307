"""What a Keras program does with weights and outputs beside the loss, as source of train.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from parity.ports.form import arguments, literal, told
from parity.ports.own.own_rules import OwnConstraint, OwnRegularizer, OwnRule, rule_text
from parity.ports.program import Program
from parity.ports.weights import paths, targets
from parity.ports.writer import OUTPUT
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rules import LayerRules
from torch_impl.keras_config.training import short
from torch_impl.layouts import Variable, joined_parameters


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
            is_own = isinstance(rule.activity, OwnRegularizer)  # which is told the layout
            if end is None or not (rule.activity.is_layout_free or is_own):
                found.left_out.append(f"the regulariser of the output of layer {layer!r}")
            else:
                found.activities[end] = _text("regularizers", rule.activity)
        if rule.projections:
            found.left_out.append(f"the regulariser of the projections of layer {layer!r}")
    found.own += _own_texts(rules.values())
    return found


def _own_texts(rules: Iterable[LayerRules]) -> list[str]:
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
    planned = told(Planned(type(rule), **settings))
    given = arguments(*planned.arguments, **planned.settings)
    return f"{module}.{type(rule).__name__}({given})"


def _settings(rule: Any) -> Iterator[tuple[str, Any]]:
    for name, value in vars(rule).items():
        if not name.startswith("_"):
            yield name, short(value)
