"""Regularisers and constraints of the user's own: what stands for them, and their stubs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

from parity.ports.names import attribute
from parity.ports.own.facts import Facts
from parity.ports.own.stub_text import INDENT, PLACE, place_of, quoted, raised
from parity.ports.wrapping import commented, docstring, head, wrapped
from torch_impl.constraints import Constraint
from torch_impl.regularizers import Regularizer

_CUT = "..."  # a value that was too long to be told begins so


class OwnRule:
    """A rule of the user's, which a layer of Keras has.

    Args:
        facts: of it.
        user: the layer and the setting that have it: "dense/kernel_regularizer".
    """

    def __init__(self, facts: Facts, user: str) -> None:
        self.facts, self.user = facts, user

    @property
    def name(self) -> str:
        """Its name in the source that is written."""
        return attribute(re.sub(r"\W", "_", self.facts["class"]))

    @property
    def settings(self) -> dict[str, str]:
        """Source of its numbers, by name."""
        values: Facts = self.facts["values"]
        return {key: text for key, text in values.items() if not text.startswith(_CUT)}

    @property
    def text(self) -> str:
        """The call that makes it."""
        given = ", ".join(f"{name}={text}" for name, text in self.settings.items())
        return f"{self.name}({given})"


class OwnRegularizer(OwnRule, Regularizer):
    """Stands for a regulariser of the user's, in a twin that is not trained."""

    is_layout_free = False

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Returns no penalty."""
        return x.sum() * 0.0


class OwnConstraint(OwnRule, Constraint):
    """Stands for a constraint of the user's, likewise."""

    def __call__(self, w: torch.Tensor) -> torch.Tensor:
        """Returns the weight as it is."""
        return w


def own_rule(facts: Facts, user: str) -> OwnRegularizer | OwnConstraint:
    """Returns what stands for a rule of the user's: see `OwnRule`."""
    return (OwnConstraint if user.endswith("_constraint") else OwnRegularizer)(facts, user)


def rule_text(rules: Sequence[OwnRegularizer | OwnConstraint]) -> str:
    """Returns the source of a class.

    Args:
        rules: those of one class of the user's, all of them regularisers or all constraints.
    """
    first = rules[0]
    facts, place = first.facts, place_of(first.facts["source"])
    is_constraint = isinstance(first, OwnConstraint)
    base = "constraints.Constraint" if is_constraint else "regularizers.Regularizer"
    lines = [f"class {first.name}({base}):"]
    lines += docstring(f"Keras's {facts['class']}{place}; it is to be written.", "    ")
    if not is_constraint:
        lines += ["", "    is_layout_free = False  # weights come in Keras's layout"]
    if first.settings:
        names = "".join(f", {name}: Any" for name in first.settings)
        lines += ["", *head(f"    def __init__(self{names}) -> None:")]
        for name in first.settings:
            lines += wrapped(f"{INDENT}self.{name} = {name}")
    argument = "w" if is_constraint else "x"
    lines += ["", *head(f"    def __call__(self, {argument}: torch.Tensor) -> torch.Tensor:")]
    users = " or ".join(_user(rule) for rule in rules)
    if is_constraint:
        told = f"{PLACE}: what replaces w, in Keras's layout, after a step: {users}."
    else:
        told = f"{PLACE}: the penalty, one number; x is {users}."
    if any(rule.user.endswith("/activity_regularizer") for rule in rules):
        told += " Outputs that are images have channels first."
    lines += commented(told, INDENT)
    others = [f"self.{key} is an object of {kind} in Keras" for key, kind in facts["held"].items()]
    others += [
        f"self.{key} = {text}" for key, text in facts["values"].items() if key not in first.settings
    ]
    lines += [line for text in others for line in commented(text, INDENT)]
    lines += quoted(facts["source"])
    noun = "constraint" if is_constraint else "regulariser"
    lines += raised(f"{first.name}, the {noun}, is to be written: as Keras computes it{place}")
    return "\n".join(lines)


def _user(rule: OwnRule) -> str:
    layer, _, setting = rule.user.rpartition("/")
    if setting == "activity_regularizer":
        return f"the output of {layer!r}"
    return f"the {setting.rpartition('_')[0]} of {layer!r}"
