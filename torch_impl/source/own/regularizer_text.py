"""The stub of a regulariser of the user's own, with which penalties are planned."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

from torch_impl.regularizers import Regularizer
from torch_impl.source.names import attribute
from torch_impl.source.own.facts import Facts
from torch_impl.source.own.stub_text import INDENT, PLACE, place_of, quoted, raised
from torch_impl.source.wrapping import commented, docstring, head, wrapped

_CUT = "..."  # a value that was too long to be told begins so


class OwnRegularizer(Regularizer):
    """Stands for a regulariser of the user's, in a twin that is not trained.

    Args:
        facts: of it.
        user: the layer and the setting that have it: "dense/kernel_regularizer".
    """

    is_layout_free = False

    def __init__(self, facts: Facts, user: str) -> None:
        self.facts, self.user = facts, user

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Returns no penalty."""
        return x.sum() * 0.0

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


def regularizer_text(rules: Sequence[OwnRegularizer]) -> str:
    """Returns the source of a class.

    Args:
        rules: the regularisers of one class of the user's.
    """
    first = rules[0]
    facts, place = first.facts, place_of(first.facts["source"])
    lines = [f"class {first.name}(regularizers.Regularizer):"]
    lines += docstring(f"Keras's {facts['class']}{place}; it is to be written.", "    ")
    lines += ["", "    is_layout_free = False  # weights come in Keras's layout"]
    if first.settings:
        names = "".join(f", {name}: Any" for name in first.settings)
        lines += ["", *head(f"    def __init__(self{names}) -> None:")]
        for name in first.settings:
            lines += wrapped(f"{INDENT}self.{name} = {name}")
    lines += ["", *head("    def __call__(self, x: torch.Tensor) -> torch.Tensor:")]
    users = " or ".join(_user(rule) for rule in rules)
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
    lines += raised(f"{first.name}, the regulariser, is to be written: as Keras computes it{place}")
    return "\n".join(lines)


def _user(rule: OwnRegularizer) -> str:
    layer, _, setting = rule.user.rpartition("/")
    if setting == "activity_regularizer":
        return f"the output of {layer!r}"
    return f"the {setting.removesuffix('_regularizer')} of {layer!r}"
