"""The page of one run or one check: verdict, ladder, divergences, and details.

In: the results that `read` found. Out: a `Page` with a section for each known part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.errors import RunError
from parity.ladder.result import ERROR, Result
from parity.report import page, sentences
from parity.report.pages.curves import curve_pictures
from parity.report.pages.ladder import (
    divergences_of,
    layer_blocks,
    notes_of,
    opens_of,
    rung_of,
    suite_of,
    trajectory_table,
)
from parity.report.pages.predictions import divergence_pictures, prediction_blocks, sample_blocks
from parity.report.pages.svg import NAMES
from parity.report.reproduce import command_of
from parity.report.sentences import (
    capital,
    is_unfinished,
    sentence,
    settings,
    subject,
    whole_training_texts,
)

if TYPE_CHECKING:
    import numpy as np

    from parity.report.read import FoundRun

LOSSES = "training/loss"  # in a trace: the running loss of every step
LOOKS = {"pass": page.PASS, "fail": page.FAIL, "error": page.FAIL, "incomplete": page.WARN}
MODES = {
    "seeded": "seeded: the port draws every random number itself, only from the seed",
    "replayed": "replayed: the port gets Keras's weights, samples and dropout masks",
    "independent": "independent: the port draws from the same distributions with torch's streams",
}


def run_page(found: FoundRun, num_lacking: int = 0) -> page.Page:
    """Returns the page of a run or of a check.

    Args:
        found: what is there of it.
        num_lacking: number of parts of the Keras program that the port is known to lack.
    """
    result = found.result
    is_open = is_unfinished(result)
    return page.Page(
        title=title_of(result),
        look=page.WARN if is_open else LOOKS[result.verdict],
        verdict=result.verdict,
        word="not finished" if is_open else "",
        sentence=capital(sentence(result, num_lacking)),
        head=(subject(result), *settings(result)),
        facts=tuple(_facts(result)),
        problems=tuple(dict.fromkeys((*found.problems, *result.errors))),
        ladder=tuple(rung_of(result, level) for level in result.levels),
        divergences=divergences_of(result),
        opens=opens_of(result),
        notes=notes_of(result),
        sections=_sections(found),
        suites=(suite_of(result),),
    )


def title_of(result: Result) -> str:
    """Returns the title of a result."""
    spec = result.spec
    if name := spec.get("scenario", spec.get("program")):
        return f"{name}, seed {spec['seed']}" if "seed" in spec else name
    return f"{spec.get('torch')} against {spec.get('keras')}"


def versions_of(environment: Mapping[str, Any]) -> str:
    """Returns the versions of a half in one line."""
    versions = environment.get("versions") or {}
    if not isinstance(versions, Mapping):
        return ""
    texts = [f"{name} {version}" for name, version in versions.items() if version is not None]
    if environment.get("python"):
        texts.append(f"Python {environment['python']}")
    return ", ".join(texts)


def _facts(result: Result) -> list[page.Fact]:
    spec = result.spec
    facts = [page.Fact("mode", MODES.get(result.mode, result.mode))]
    for name in ("seed", "dtype", "epochs", "batch_size", "train_size", "val_size", "steps"):
        if spec.get(name) is not None:
            facts.append(page.Fact(name.replace("_", " "), str(spec[name])))
    for name in ("data", "device"):
        if spec.get(name) is not None:
            facts.append(page.Fact(name, str(spec[name])))
    for half, environment in result.environment.items():
        if versions := versions_of(environment):
            facts.append(page.Fact(NAMES.get(half, half), versions))
    return facts


def _sections(found: FoundRun) -> tuple[page.Section, ...]:
    result = found.result
    trajectory = next((level for level in result.levels if level.id == "trajectory"), None)
    parts: list[tuple[str, str, Sequence[page.Block]]] = [
        ("curves", "Training and validation", _curves(result)),
        (
            "behaviour",
            "Behaviour",
            [*map(page.Text, whole_training_texts(result)), *_behaviour(result)],
        ),
        (
            "divergence-by-step",
            "Divergence by step",
            []
            if trajectory is None
            else divergence_pictures(
                trajectory, _losses(found), result.drift, has_anchors=bool(result.anchors)
            ),
        ),
        ("layers", "Layer by layer", [*layer_blocks(result), *trajectory_table(found)]),
        ("samples", "Augmented images", sample_blocks(found)),
        ("predictions", "Predictions", prediction_blocks(found)),
        ("log", "Log", [page.Code(name, text) for name, text in found.logs.items()]),
        ("again", "Run it again", _again(result)),
    ]
    return page.sections_of(parts, main=("curves", "behaviour"))


def _curves(result: Result) -> list[page.Block]:
    """Returns the curves of both halves, and the end of each; of a check, its seconds."""
    ends = {half: sentences.training_texts(result, half) for half in NAMES}
    if not result.history:
        ends = {half: _seconds(result.environment.get(half, {})) for half in NAMES}
    facts = tuple(page.Fact(half, "  ".join(texts)) for half, texts in ends.items() if texts)
    pictures = tuple(curve_pictures(result.history))
    return [page.Curves(result.history, pictures, facts)] if pictures or facts else []


def _seconds(environment: Mapping[str, Any]) -> list[str]:
    """Returns the time of a half of a check; for a bundle, that of its recording is left out."""
    wall_s = environment.get("wall_s")
    known = wall_s if isinstance(wall_s, dict) else {}
    check_s, import_s = known.get("check"), known.get("import")
    # A bundle may say anything here.
    if isinstance(check_s, float) and isinstance(import_s, float):
        return [f"{check_s:.1f} s, and {import_s:.1f} s of imports"]
    return []


def _losses(found: FoundRun) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the running losses of both trainings, of the steps that both have made."""
    try:
        if found.keras is None or found.torch is None or found.torch.facts["has_own_loop"]:
            return None  # a loop of the port's own tells none
        keras, torch = found.keras[LOSSES], found.torch[LOSSES]
    except RunError:  # a damaged trace
        return None
    count = min(len(keras), len(torch))
    return keras[:count], torch[:count]


def _behaviour(result: Result) -> list[page.Block]:
    halves = [half for half in ("keras", "torch") if result.behaviour.get(half)]
    if not halves:
        return []
    names = {
        "verdict": "verdict",
        "because": "because",
        "train_accuracy": "training accuracy",
        "val_accuracy": "validation accuracy",
        "gap": "gap",
        "gap_error": "± of the gap",
        "epochs_to_plateau": "epochs to the plateau",
        "best_epoch_number": "epoch of the lowest validation loss",
        "val_loss_rise": "last validation loss / lowest",
    }
    rows = []
    for key, name in names.items():
        values = [result.behaviour[half].get(key) for half in halves]
        if any(value is not None for value in values):
            rows.append((page.Cell(name), *(page.Cell(_value_text(value)) for value in values)))
    rows.append(
        (
            page.Cell("seconds of training"),
            *(page.Cell(f"{result.wall_s.get(h, 0):.1f}") for h in halves),
        )
    )
    head = ("", *(NAMES[half] for half in halves))
    return [page.Table("The verdict on the fit, and its numbers", head, tuple(rows))]


def _value_text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _again(result: Result) -> list[page.Block]:
    blocks: list[page.Block] = []
    if command := command_of(result.spec):
        blocks.append(page.Code("Command", command))
    blocks.append(page.Code("Spec", json.dumps(result.spec, indent=1, ensure_ascii=False)))
    if digests := result.data.get("sha256"):
        blocks.append(
            page.Code(
                "SHA-256 of the data", "\n".join(f"{name}  {d}" for name, d in digests.items())
            )
        )
    if result.verdict == ERROR and not result.levels:
        blocks.append(page.Text("The log of a crashed half is in the folder of the result."))
    return blocks
