"""The registry itself: every entry by its ID, and the entries that evidence speaks for.

`registry.toml` says what an entry is, in the order of the registry; `RULES` of the modules say how
it is recognised.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from parity.divergences import (
    attention,
    between,
    custom_steps,
    formulas,
    initial,
    layers,
    losses,
    masks,
    normalization,
    optimizers,
    output_losses,
    recurrent,
    schedules,
    structure,
    training,
    windows,
)
from parity.divergences.divergence import NUMBERS, Divergence, Recogniser
from parity.divergences.formulas import is_fused
from parity.divergences.names import full_name, id_of, nearest
from parity.errors import InputError

__all__ = ["REGISTRY", "find", "is_fused", "recognised"]

if TYPE_CHECKING:
    from parity.divergences.divergence import Match
    from parity.divergences.evidence import Evidence

TABLES = (
    *(
        structure.RULES,
        output_losses.RULES_OF_OUTPUTS,
        initial.RULES,
        masks.RULES,
        windows.RULES,
        normalization.RULES,
        recurrent.RULES,
        recurrent.RULES_OF_FIRST_STEPS,
    ),
    *(layers.RULES, attention.RULES),
    *(
        between.RULES,
        layers.RULES_OF_IMAGES,
        formulas.RULES,
        between.RULES_OF_RELATED,
        windows.RULES_OF_KERNELS,
        layers.RULES_OF_FEATURE_LAYERS,
    ),
    *(
        training.RULES,
        losses.RULES_OF_REDUCTIONS,
        output_losses.RULES_OF_PENALTIES,
        losses.RULES,
        losses.RULES_OF_LOSS_FORMULAS,
        output_losses.RULES,
        masks.RULES_OF_MASKED_LOSSES,
    ),
    *(losses.RULES_OF_METRICS,),
    *(
        initial.RULES_OF_GRADIENTS,
        custom_steps.RULES,
        optimizers.RULES,
        schedules.RULES,
        schedules.RULES_OF_STEP_SCHEDULES,
    ),
)
# Of entries that explain the same numbers: an activation before a sum is no other activation, a
# variance in the place of its root is more than a factor, a window says why values are moved, and a
# dropout behind a layer is why that layer reads what it reads.
SAYS_MORE = {
    "A37": ("A16", "A22"),
    "C16": ("A22",),
    "A18": ("A42", "A45"),
    **dict.fromkeys(("A43", "A44", "A40", "A23"), ("A27",)),
}
_RULES = {name: rule for table in TABLES for name, rule in table.items()}
# A whole training shows these; no probe does. See `whole_training`.
OF_TRAINING = ("G17", "H15", "H16", "H17", "H18", "H14", "I3", "I5", "I4")
_RULES |= dict.fromkeys(OF_TRAINING, lambda evidence: None)
_TEXTS = tomllib.loads(Path(__file__).with_name("registry.toml").read_text(encoding="utf-8"))
REGISTRY = {
    name: Divergence(
        name,
        **{key: text for key, text in texts.items() if key != "mechanical"},
        recognise=_RULES[name],
        is_mechanical=bool(texts.get("mechanical")),
    )
    for name, texts in _TEXTS.items()
}


def find(name: str) -> Divergence:
    """Returns a divergence by its ID or its slug, in upper or lower case.

    Raises:
        InputError: there is no divergence of that name.
    """
    found = id_of(name)
    if found is None:
        near = ", ".join(map(full_name, nearest(name)))
        raise InputError(
            f"unknown divergence {name!r}: expected the ID or the name of one"
            + (f", such as {near}" if near else "")
            + "; `parity list divergences` lists them all"
        )
    return REGISTRY[found]


def recognised(evidence: Evidence) -> list[tuple[Divergence, Match]]:
    """Returns the entries that match the evidence, the most likely first."""
    if custom_steps.is_of_custom_steps(evidence):
        rules = custom_steps.ASKED.items()
        found = [(REGISTRY[name], _asked(rule, evidence)) for name, rule in rules]
    else:
        found = [(entry, _asked(entry.recognise, evidence)) for entry in REGISTRY.values()]
    matches = [(entry, match) for entry, match in found if match is not None]
    return _best_matches(sorted(matches, key=lambda pair: -pair[1].confidence))


def _best_matches(matches: list[tuple[Divergence, Match]]) -> list[tuple[Divergence, Match]]:
    """Returns what explains the numbers, once; if nothing does, all that may.

    Entries that explain the same numbers do so in other words: the first of the registry stays, or
    one that says more. Parts explain them together, and all stay.
    """
    parts = [pair for pair in matches if pair[1].is_part]
    sure = [pair for pair in matches if pair[1].confidence >= NUMBERS]
    if parts or not sure:
        return parts or matches
    first = sure[0]
    return [next((pair for pair in sure if first[0].id in SAYS_MORE.get(pair[0].id, ())), first)]


def _asked(recognise: Recogniser, evidence: Evidence) -> Match | None:
    """Returns the match of a rule; None if the facts are not as expected.

    A bundle comes from outside: its settings can have any type and size.
    """
    try:
        with np.errstate(all="ignore"):  # infinities in a formula never match
            return recognise(evidence)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MemoryError):
        return None
