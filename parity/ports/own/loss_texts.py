"""The source of the losses of the user's own: written out, or a stub where that cannot be."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from typing import Any

from parity.ports.form import Parameter
from parity.ports.names import attribute
from parity.ports.own.facts import Facts
from parity.ports.own.loss_code import written_loss
from parity.ports.own.stub_text import loss_text

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
    own: dict[str, str],
    taken: Collection[str],
    *,
    is_masked: bool,
    plain: bool,
) -> dict[str, Parameter]:
    """Returns the function of each output whose loss is the user's own; "": of the only output.

    Args:
        facts: of the trace of the Keras half.
        own: gets the source of each, by name.
        taken: names that train.py has itself.
        is_masked: whether an output carries a mask.
        plain: whether the source imports nothing of `torch_impl`.
    """
    told_own = facts.get("own", {}).get("losses", {})
    told_loss = facts.get("loss") or {}
    names = {out: each["name"] for out, each in (told_loss.get("outputs") or {}).items()}
    # Facts have no loss for whose targets nothing is known: of one output, it is the only one.
    is_one = len(facts.get("outputs") or []) < 2
    only = next(iter(told_own), None) if is_one and not told_loss else told_loss.get("name")
    is_weighted = bool(told_loss.get("sample_weight") or told_loss.get("class_weight"))
    shapes = {each["name"]: each["shape"] for each in facts.get("outputs") or []}
    found = {}
    for output, name in (names or {"": only}).items():
        if name not in told_own:
            continue
        known = attribute(re.sub(r"\W", "_", name))
        known = f"{known}_" if known in taken else known

        def text_of(function: str, told: Facts = told_own[name], output: str = output) -> str:
            try:
                made = written_loss(
                    function,
                    told,
                    output,
                    is_weighted=is_weighted,
                    is_masked=is_masked,
                    plain=plain,
                )
                ast.parse(made)
                return made
            except Exception:  # code may do what no source is written for, in any way
                shape = shapes.get(output, facts.get("output_shape") or ())
                return loss_text(function, told, shape, is_weighted=is_weighted)

        text = text_of(known)
        before = own.get(known, text)
        if text != before and (is_written(text) or is_written(before)):
            known = f"{known}_{attribute(output)}"  # it computes something else for this output
            text = text_of(known)
        own[known] = text
        found[output] = Parameter(known)
    return found


def is_written(text: str) -> bool:
    """Whether the source of a loss is no stub."""
    return "raise NotImplementedError(" not in text
