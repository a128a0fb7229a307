"""The result of a run or a check, from anyone: what is right comes back, or it is refused."""

import json
import math
import re
from dataclasses import replace

import pytest
from changes import REMOVED, changed, places
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from parity.behaviour.rules import Judgement
from parity.errors import InputError
from parity.files.json_io import write_json
from parity.ladder import result_file
from parity.ladder.items import FAIL, LEVEL_IDS, NOT_REACHED, PASS, SKIPPED, Item, Level
from parity.ladder.result import ERROR, INCOMPLETE, Found, Result
from parity.ladder.result_file import read_result, result_from
from parity.programs.check_spec import CheckSpec
from parity.programs.run_spec import RunSpec
from parity.report.pages.runs_page import result_page
from parity.report.text.page import page_lines

NAN, INF = math.nan, math.inf
JUDGEMENT = Judgement("overfit", "gap", "0.172 (±0.134)", 2, gap=NAN, val_loss_rise=INF).to_json()
CAUSE = {
    "id": "C1",
    "title": "another epsilon",
    "level": "forward",
    "keras": "1e-3",
    "torch": "1e-5",
    "source": "keras",
    "fix": "eps=1e-3",
    "confidence": 0.99,
    "tried": False,
    "detail": "",
    "where": "net.py:7",
}


def levels(failing=None, *, stops=True):
    """All; the ladder of a run ends at the one that fails."""
    found = []
    for number, name in enumerate(LEVEL_IDS):
        is_reached = failing is None or not stops or number <= LEVEL_IDS.index(failing)
        exact = Item("index", 0.0, 0.0, "count", 7, epoch=0, keras=None, torch=None)
        wrong = Item("conv2.kernel", INF, 1e-12, "rel", 5, 0, 1, (1, 2), NAN, 2.0, "1 of 5 above")
        items = (exact, wrong) if name == failing else (exact,)
        status = FAIL if name == failing else PASS
        found.append(
            Level(name, status, "why", items) if is_reached else Level(name, NOT_REACHED, "")
        )
    return tuple(found)


def run_result(verdict=PASS, **changes):
    column = {"val_accuracy": [0.5, NAN], "learning_rate": [1e-3, 1e-4], "loss": [INF, -INF]}
    fields = {
        "environment": {"keras": {"python": "3.11", "devices": []}, "torch": {"cores": None}},
        "data": {"source": "embedded", "sha256": {"x_train": "0a1b"}},
        "behaviour": {"keras": JUDGEMENT, "torch": JUDGEMENT},
        "history": {"keras": column, "torch": column},
        "wall_s": {"keras": 12.5, "torch": 6},
        "anchors": {
            "num_steps": 3,
            "num_trained": 6,
            "steps": [0, 3],
            "difference": [1e-14, INF],
            "allowed": [1e-9, 3e-8],
            "rounding": [1.5, INF],
        },
        "drift": {"steps": [1, 2], "difference": [1e-7, INF], "parted": 2},
        **changes,
    }
    failing = "trajectory" if verdict == FAIL else None
    return Result(verdict, RunSpec(scenario="dropout").to_dict(), levels(failing), **fields)


def check_result(verdict=PASS, **changes):
    spec = CheckSpec("k.py:build", "t.py:build").to_dict()
    found = levels("forward" if verdict == FAIL else None, stops=False)
    skipped = Level(
        "schedule", SKIPPED, "Keras has none", not_compared=(("a", "b"),), applies=False
    )
    fields = {
        "environment": {"keras": {"wall_s": {"check": 1.5, "import": 3.0}}, "torch": {}},
        "mode": "replayed",
        **changes,
    }
    if verdict == FAIL:
        place = {"keras": "conv1", "torch": "0.0", "where": None, "introduced": True}
        layers = (("conv1", "0.0"), ("conv2", "1.0"))
        setting = {"id": "A18", "name": "strides", "keras": [2, 2], "torch": [1, 1]}
        causes = (CAUSE, {**CAUSE, "id": "C2", "confidence": 0.3})
        exact, wrong = found[LEVEL_IDS.index("forward")].items
        divergences = (
            Found("forward", wrong, (wrong.name, "conv2 (eval)"), causes, place),
            Found("forward", exact, (exact.name,), causes, is_accepted=True),
        )
        fields = {
            "divergences": divergences,
            "inherited": (("loss", ("loss", "its gradient")),),
            "settings": ({**setting, "layers": layers},),
            **fields,
        }
    found = tuple(skipped if level.id == "schedule" else level for level in found)
    return Result(verdict, spec, found, **fields)


def failed_run():
    spec = RunSpec(scenario="dropout").to_dict()
    return Result(ERROR, spec, errors=("keras was killed\nlast line", "torch hung"))


GOOD = {
    "run that passes": run_result(),
    "run in float64": run_result(anchors=None),
    "run that fails": run_result(FAIL),
    "run without result": failed_run(),
    "check that passes": check_result(),
    "check that fails": check_result(FAIL),
    "check that is open": check_result(
        INCOMPLETE,
        incomplete=({"what": "noise", "why": "it draws at random", "do": "return a Port"},),
        not_compared=({"what": "conv1.bias", "why": "its gradient is zero"},),
        tolerance={"": 1e-6, "loss": 1e-9},
    ),
    "check without result": Result(
        ERROR,
        CheckSpec(torch="t:f", against="b.parity").to_dict(),
        mode="replayed",
        errors=("the factory raised",),
    ),
}


def same(found, expected):
    """Equal as far as JSON can tell: a NaN equals itself, and a tuple a list."""
    return found.to_json() == json.loads(json.dumps(expected.to_json(), allow_nan=False))


@pytest.mark.parametrize("name", GOOD)
def test_what_was_written_comes_back(name, tmp_path):
    expected = GOOD[name]
    write_json(tmp_path / "result.json", expected.to_json())
    for found in (read_result(tmp_path / "result.json"), result_from(expected.to_json(), "here")):
        assert same(found, expected)
        assert repr(found.levels) == repr(expected.levels)
        assert type(found.errors) is type(found.causes) is type(found.settings) is tuple


NEW_KEYS = ("divergences", "inherited", "incomplete", "not_compared", "tolerance")


def of_an_older_version(result):
    """As a version wrote it whose checks ended at the first level that failed."""
    content = result.to_json()
    for key in NEW_KEYS:
        del content[key]
    for level in content["levels"]:
        del level["not_compared"], level["applies"]
        for item in level["items"]:
            del item["role"]
    return content


@pytest.mark.parametrize("name", ["run that passes", "run that fails", "check that passes",
                                  "check without result", "run without result"])  # fmt: skip
def test_a_result_of_an_older_version_is_read(name):
    found = result_from(of_an_older_version(GOOD[name]), "here").to_json()
    expected = GOOD[name].to_json()
    for level in [*found["levels"], *expected["levels"]]:
        del level["not_compared"], level["applies"]
    assert found == expected


def test_a_check_of_an_older_version_has_one_divergence():
    content = of_an_older_version(GOOD["check that fails"])
    found = result_from(content, "here")
    (divergence,) = found.divergences
    first = GOOD["check that fails"].divergences[0]
    assert (divergence.level, divergence.item.name) == ("forward", "conv2.kernel")
    assert [cause["id"] for cause in divergence.causes] == [cause["id"] for cause in first.causes]
    assert divergence.place == first.place
    assert found.to_json()["first_divergence"] == content["first_divergence"]
    assert "C1" in "".join(text for line in page_lines(result_page(found)) for text, _ in line)


def test_numbers_that_json_lacks_are_numbers_again_and_texts_stay_texts():
    given_ = run_result(FAIL, data={"source": "NaN", "sha256": {}})
    given_ = replace(given_, spec={**given_.spec, "scenario": "Infinity"})
    found = result_from(given_.to_json(), "here")
    assert (found.spec["scenario"], found.data["source"]) == ("Infinity", "NaN")
    _, item = found.first_divergence
    assert (item.worst, math.isnan(item.keras), item.index) == (INF, True, (1, 2))
    assert found.history["keras"]["loss"] == [INF, -INF]
    assert math.isnan(found.behaviour["torch"]["gap"])
    assert found.drift["difference"] == [1e-7, INF]
    assert {type(value) for value in found.history["keras"]["learning_rate"]} == {float}


def passed_levels(**first):
    """Levels that all pass, the first one changed."""
    found = [level.to_json() for level in levels()]
    return [{**found[0], **first}, *found[1:]]


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("run that fails", ("verdict",), "pass"),
        ("run that fails", ("levels", 8, "status"), "pass"),
        ("run that fails", ("levels", 8, "status"), "skipped"),
        ("run that fails", ("levels", 8, "worst"), 0.0),
        ("run that fails", ("levels", 8, "items", 1, "status"), "pass"),
        ("run that fails", ("levels", 8, "items", 1, "status"), "accepted"),
        ("run that fails", ("levels", 8, "worst"), -5),
        ("run that fails", ("first_divergence",), None),
        ("run that fails", ("first_divergence", "level"), "init"),
        ("run that fails", ("first_divergence", "item"), "3"),
        ("run that passes", ("verdict",), "fail"),
        ("run that passes", ("levels", 0, "status"), "fail"),
        ("check that is open", ("verdict",), "pass"),
        ("check that is open", ("verdict",), "fail"),
    ],
)
def test_what_follows_from_the_items_is_computed_whatever_the_file_says(name, place, value):
    content = changed(GOOD[name].to_json(), place, value)
    assert same(result_from(content, "here"), GOOD[name])


def test_an_accepted_divergence_without_a_cause_is_none():
    found = result_from(changed(CHECK, ("divergences", 1, "causes"), []), "here")
    assert (len(found.accepted), len(found.unaccepted)) == (0, 2)


def test_without_its_incomplete_parts_a_check_is_none_that_is_open():
    assert result_from(changed(OPEN, ("incomplete",), []), "here").verdict == PASS


RUN = run_result(FAIL).to_json()
CHECK = check_result(FAIL).to_json()
OPEN = GOOD["check that is open"].to_json()
ITEM = ("levels", 8, "items", 1)
FIRST_CAUSE = ("first_divergence", "causes", 0)
PASSED = GOOD["run that passes"].to_json()
SKIPPED_LEVELS = [{**row, "status": "skipped", "items": []} for row in passed_levels()]
WRONG = [
    # A pass without what it rests on, and a divergence that no level shows.
    (PASSED, ("levels",), [], "levels has no 'data', and none of the others fails"),
    (PASSED, ("levels",), passed_levels()[:-1], "levels has no 'behaviour', and none of the oth"),
    (PASSED, ("levels",), SKIPPED_LEVELS, "no level passes, and none fails"),
    (PASSED, ("levels",), passed_levels(items=[]),
     "the level 'data' passes, but nothing was compared in it"),
    (CHECK, ("levels", LEVEL_IDS.index("forward"), "items", 1, "worst"), 0.0,
     "but a divergence is not accepted"),
    (RUN, ("schema",), "parity.results/1", "schema is 'parity.results/1'; expected 'parity.result"),
    (RUN, ("schema",), REMOVED, "the file has no 'schema'"),
    (RUN, ("verdict",), "inconclusive", "verdict is 'inconclusive'; expected 'pass' or 'fail' or"),
    (RUN, ("mode",), "guessed", "mode is 'guessed'"),
    (RUN, ("spec",), [], r"spec is \[\]; expected object"),
    (RUN, ("spec",), {}, "spec has no 'keras'"),
    (
        RUN,
        ("spec", "seed"),
        2**32,
        "spec.seed is 4294967296; expected int <= 4294967295",
    ),
    (RUN, ("spec", "seed"), "42", "spec.seed is '42'"),
    (RUN, ("spec", "dtype"), REMOVED, "spec has no 'dtype'"),
    (RUN, ("spec", "dtype"), "float16", "spec.dtype is 'float16'; expected 'float32' or 'float64'"),
    (RUN, ("spec", "scenario"), None, "spec.scenario is None"),
    (RUN, ("spec", "epochs"), 0, "spec.epochs is 0"),
    (RUN, ("spec", "batch_size"), 32.5, "spec.batch_size is 32.5"),
    (CHECK, ("spec", "torch"), REMOVED, "spec has no 'torch'"),
    (CHECK, ("spec", "torch"), None, "spec.torch is None"),
    (CHECK, ("spec", "seed"), True, "spec.seed is True"),
    (CHECK, ("spec", "steps"), 0, "spec.steps is 0"),
    (RUN, ("environment",), None, "environment is None; expected object"),
    (RUN, ("environment", "jax"), {}, "a key of environment is 'jax'; expected 'keras' or 'torch'"),
    (RUN, ("environment", "keras"), [], r"environment.keras is \[\]; expected object"),
    (RUN, ("data", "source"), 5, "data.source is 5"),
    (RUN, ("data", "sha256"), REMOVED, "data has no 'sha256'"),
    (RUN, ("data", "sha256", "x_train"), 5, "data.sha256.x_train is 5"),
    (RUN, ("levels",), {}, "levels is {}; expected array"),
    (RUN, ("levels",), [{}] * 12, "expected array of length <= 11"),
    (RUN, ("levels", 0), 5, r"levels\[0\] is 5; expected object"),
    (RUN, ("levels", 0, "id"), "speed", r"levels\[0\].id is 'speed'; expected 'data' or"),
    (RUN, ("levels", 1, "id"), "data", "two levels have the same id"),
    (RUN, ("levels", 0, "status"), "ok", r"levels\[0\].status is 'ok'"),
    (RUN, ("levels", 0, "tolerance_source"), None, r"levels\[0\].tolerance_source is None"),
    (RUN, ("levels", 0, "items"), "none", r"levels\[0\].items is 'none'"),
    (RUN, ("levels", 0, "items", 0), [], r"levels\[0\].items\[0\] is \[\]; expected object"),
    (RUN, (*ITEM, "name"), 5, r"levels\[8\].items\[1\].name is 5"),
    (RUN, (*ITEM, "name"), "x" * 10_001, r"items\[1\].name is 'xxx"),
    (RUN, (*ITEM, "worst"), "inf", "worst is 'inf'; expected a number, or one of 'NaN'"),
    (RUN, (*ITEM, "worst"), None, "worst is None"),
    (RUN, (*ITEM, "allowed"), True, "allowed is True"),
    (RUN, (*ITEM, "unit"), "metres", "unit is 'metres'; expected 'abs' or 'rel'"),
    (RUN, (*ITEM, "num_compared"), -1, "num_compared is -1"),
    (RUN, (*ITEM, "epoch_number"), 1.0, "epoch_number is 1.0"),
    (RUN, (*ITEM, "epoch_number"), 0, "epoch_number is 0"),
    (RUN, (*ITEM, "step"), "1", "step is '1'"),
    (RUN, (*ITEM, "index"), [0] * 65, "expected array of length <= 64"),
    (RUN, (*ITEM, "index"), [0, -1], r"index\[1\] is -1"),
    (RUN, (*ITEM, "keras"), {"a": 1}, "keras is {'a': 1}; expected a number, a text, true"),
    (RUN, (*ITEM, "torch"), [1], r"torch is \[1\]"),
    (RUN, (*ITEM, "note"), None, "note is None"),
    (RUN, ("first_divergence",), "conv2", "first_divergence is 'conv2'"),
    (RUN, ("first_divergence", "causes"), {}, "first_divergence.causes is {}"),
    (CHECK, (*FIRST_CAUSE, "confidence"), 1.5, "confidence is 1.5; expected float <= 1.0"),
    (CHECK, (*FIRST_CAUSE, "confidence"), "NaN", "confidence is 'NaN'"),
    (CHECK, (*FIRST_CAUSE, "fix"), REMOVED, r"first_divergence.causes\[0\] has no 'fix'"),
    (CHECK, (*FIRST_CAUSE, "level"), "speed", "level is 'speed'"),
    (CHECK, ("first_divergence", "place"), [], r"place is \[\]; expected object \| null"),
    (CHECK, ("first_divergence", "place", "introduced"), 1, "place.introduced is 1"),
    (CHECK, ("first_divergence", "place", "where"), REMOVED, "place has no 'where'"),
    (CHECK, ("settings", 0, "name"), 5, r"settings\[0\].name is 5"),
    (CHECK, ("divergences", 0, "item"), "x", r"divergences\[0\] has the item 'x', its level has"),
    (CHECK, ("divergences", 0, "is_accepted"), 1, r"divergences\[0\].is_accepted is 1"),
    (CHECK, ("divergences", 0, "items"), [5], r"divergences\[0\].items\[0\] is 5"),
    (CHECK, ("inherited", 0, "level"), "speed", r"inherited\[0\].level is 'speed'"),
    (CHECK, ("incomplete",), [{"what": "a", "why": "b"}], r"incomplete\[0\] has no 'do'"),
    (CHECK, ("tolerance",), {"loss": "x"}, "tolerance.* is 'x'"),
    (CHECK, ("levels", 3, "items", 1, "role"), "any", "role is 'any'; expected 'decides' or"),
    (CHECK, ("levels", 9, "applies"), 1, r"levels\[9\].applies is 1"),
    (CHECK, ("settings", 0, "layers"), [], r"layers is \[\]; expected array of length >= 1"),
    (CHECK, ("settings", 0, "layers", 0), ["a"], r"layers\[0\] is \['a'\]; expected array of"),
    (RUN, ("behaviour", "torch"), REMOVED, "behaviour has no 'torch'"),
    (RUN, ("behaviour", "torch"), None, "behaviour.torch is None"),
    (RUN, ("behaviour", "torch", "verdict"), "fine", "behaviour.torch.verdict is 'fine'"),
    (RUN, ("behaviour", "torch", "gap"), "0.1", "behaviour.torch.gap is '0.1'"),
    (RUN, ("history", "keras"), REMOVED, "history has no 'keras'"),
    (RUN, ("history", "keras", "loss"), 5, "history.keras.loss is 5"),
    (
        RUN,
        ("history", "keras", "loss"),
        [1.0],
        "the columns of history.keras have different lengths",
    ),
    (RUN, ("history", "keras", "loss"), [1.0, "x"], r"history.keras.loss\[1\] is 'x'"),
    (RUN, ("history", "keras", "loss"), [None, 1], r"history.keras.loss\[0\] is None"),
    (RUN, ("history", "torch", "learning_rate"), REMOVED, "history.torch has no 'learning_rate'"),
    (RUN, ("history", "torch"), {"learning_rate": [], "val_accuracy": []}, "of at least one epoch"),
    (RUN, ("wall_s", "keras"), "12", "wall_s.keras is '12'; expected a number, or one of"),
    (RUN, ("wall_s", "keras"), REMOVED, "wall_s has no 'keras'"),
    (RUN, ("wall_s", "jax"), 1.0, "a key of wall_s is 'jax'"),
    (RUN, ("anchors",), [], r"anchors is \[\]"),
    *(
        (RUN, ("anchors", name), [1.0], f"anchors.steps and anchors.{name} have different lengths")
        for name in ("difference", "allowed", "rounding")
    ),
    (RUN, ("anchors", "difference", 0), None, r"anchors.difference\[0\] is None"),
    (
        RUN,
        ("drift", "difference"),
        [1.0],
        "drift.steps and drift.difference have different lengths",
    ),
    (RUN, ("drift", "parted"), -1, "drift.parted is -1"),
    (RUN, ("errors",), "none", "errors is 'none'; expected array"),
    (RUN, ("errors",), [5], r"errors\[0\] is 5"),
    (RUN, ("environment", "keras", "python"), "x" * 1_000_001, "a text has 1,000,001 characters"),
]  # fmt: skip


def refusal(read, *arguments):
    """The one paragraph that a result is refused with."""
    with pytest.raises(InputError) as caught:
        read(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 700
    assert caught.value.exit_code == 2
    return text


@pytest.mark.parametrize(
    ("content", "place", "value", "message"),
    WRONG,
    ids=[f"{n}-{'.'.join(map(str, place))}" for n, (_, place, _, _) in enumerate(WRONG)],
)
def test_a_wrong_value_is_named_with_its_place(content, place, value, message):
    told = refusal(result_from, changed(content, place, value), "runs/result.json")
    assert told.startswith("runs/result.json is not what `parity run --json` writes for one run")
    assert re.search(message, told)


def test_every_value_of_a_file_is_checked():
    """A rule that nobody wrote would let anything through, to fail later in a place of its own."""
    seen = 0
    for content in (RUN, CHECK):
        for place in places(content):
            # Any plain value is right in an environment, and as the value of a setting.
            of_setting = place[0] == "settings" and place[2:3] in (("keras",), ("torch",))
            if (place[0] == "environment" and len(place) > 1) or of_setting:
                continue
            told = refusal(result_from, changed(content, place, {"a": [1.5]}), "here")
            assert f"{place[-1]}" in told, place
            seen += 1
    assert seen > 200


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@example_settings(max_examples=150)
@given(data=st.data(), content=st.sampled_from([RUN, CHECK, failed_run().to_json()]))
def test_a_damaged_result_is_refused_or_can_be_shown_and_comes_back(data, content):
    place = data.draw(st.sampled_from(list(places(content))))
    content = changed(content, place, data.draw(st.just(REMOVED) | ANY))
    try:
        found = result_from(content, "here")
    except InputError:
        return
    assert page_lines(result_page(found))
    assert same(result_from(found.to_json(), "again"), found)


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{", b'{"schema": NaN}', b"[" * 100_000, b"\xff\xfe", b"\x80\x04\x95"],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_such_json_is_one_paragraph(content, tmp_path):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    assert str(path) in refusal(read_result, path)


def test_a_file_that_is_too_large_is_not_parsed(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_json(path, RUN)
    size = path.stat().st_size
    monkeypatch.setattr(result_file, "MAX_BYTES", size)
    read_result(path)
    monkeypatch.setattr(result_file, "MAX_BYTES", size - 1)
    monkeypatch.setattr(json, "loads", None)
    assert "it has more than" in refusal(read_result, path)
