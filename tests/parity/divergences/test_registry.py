"""Every divergence is documented whole, found by its ID, and asked without breaking a check."""

import dataclasses
import re
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from parity.divergences import REGISTRY, find, registry
from parity.divergences.divergence import Divergence, Match
from parity.divergences.names import SLUGS, full_name, nearest
from parity.divergences.registry import OF_TRAINING, TABLES
from parity.errors import InputError
from parity.ladder.items import LEVEL_IDS
from parity.report.page import WIDTH
from parity.report.text.tables import divergence_table, explanation_lines


def test_every_id_stands_once():
    ids = [*OF_TRAINING, *(name for table in TABLES for name in table)]
    assert sorted(ids) == sorted(set(ids)) == sorted(REGISTRY)
    assert all(key == entry.id for key, entry in REGISTRY.items())


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=REGISTRY)
def test_an_entry_says_what_differs_where_and_how_it_is_fixed(entry):
    assert re.fullmatch(r"[A-Z]\d+[a-z]?", entry.id)
    assert entry.level in LEVEL_IDS
    assert all(text and text.strip() == text for text in entry.to_json().values())
    # "-": what a program does by mistake follows from no rule of a library.
    assert entry.source == "-" or re.search(r"keras|torch|opencv", entry.source, re.IGNORECASE)
    assert not entry.title.endswith(".")
    assert entry.keras != entry.torch
    assert {find(name).id for name in (entry.id.lower(), entry.slug.upper())} == {entry.id}
    lines = ["".join(text for text, _ in line) for line in explanation_lines(entry)]
    assert max(map(len, lines)) <= WIDTH
    printed = " ".join(" ".join(lines).split())
    fields = ("id", "slug", "title", "keras", "torch", "fix", "source")
    assert all(" ".join(getattr(entry, field).split()) in printed for field in fields)


def test_every_slug_stands_once_and_is_no_id():
    assert list(SLUGS) == list(REGISTRY)
    assert len(set(SLUGS.values())) == len(SLUGS)
    assert not {name.lower() for name in SLUGS} & set(SLUGS.values())
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|[a-z]{6,}", slug) for slug in SLUGS.values())
    assert full_name("F2") == "F2 adam-epsilon-placement"
    assert full_name("X0") == "X0"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("F999", ["F9"]),
        ("adam-epsilo", ["F1", "F2", "C1", "E2"]),
        ("g-1", ["G1"]),
        ("zzzz", []),
        ("", []),
    ],
)
def test_a_wrong_name_is_refused_with_those_that_are_near(name, near):
    assert nearest(name)[: len(near) or None] == near
    with pytest.raises(InputError, match=f"unknown divergence {name!r}: expected the ID") as raised:
        find(name)
    assert all(full_name(each) in str(raised.value) for each in near)
    assert str(raised.value).endswith("`parity list divergences` lists them all")


def test_the_table_lists_every_entry_in_lines_that_fit():
    lines = ["".join(text for text, _ in line) for line in divergence_table()]
    assert all(len(line) <= WIDTH for line in lines)
    for name in REGISTRY:
        assert sum(line.startswith(f"  {name:<5} {SLUGS[name]} ") for line in lines) == 1


def entry(name, recognise):
    return dataclasses.replace(REGISTRY["G12"], id=name, recognise=recognise)


def test_the_surest_cause_comes_first_and_one_that_breaks_is_none(monkeypatch):
    def breaks(kind):
        return entry(kind.__name__, Mock(side_effect=kind("settings of another type")))

    entries = [
        entry("A1", lambda evidence: Match(0.3)),
        entry("A2", lambda evidence: None),
        entry("A3", lambda evidence: Match(0.9, "seen")),
        *map(breaks, (TypeError, KeyError, OverflowError, MemoryError)),
        entry("C1", lambda evidence: Match(0.3) if np.isnan(np.inf - np.inf) else None),
    ]
    monkeypatch.setattr(registry, "REGISTRY", {e.id: e for e in entries})
    evidence = SimpleNamespace(keras=SimpleNamespace(facts={}), port=None)
    found = registry.recognised(evidence)
    assert [(e.id, match.confidence) for e, match in found] == [
        ("A3", 0.9),
        ("A1", 0.3),
        ("C1", 0.3),
    ]
    assert all(isinstance(e, Divergence) for e, _ in found)
