"""The published schemas: they take what the commands write, and nothing that is a little wrong.

What they refuse, the readers of these files refuse too: both are made of the same records.
"""

import copy
import dataclasses
import json
import re
from dataclasses import replace
from math import nan as NAN

import pytest
from bench_results import noisy, row
from bench_results import result as bench_result
from documented import ROOT, blocks_of
from jsonschema import Draft202012Validator
from rows import each_row
from schemas import PATHS, SCHEMAS, assert_valid, file_of, problems

from parity.behaviour import causes, diagnosis
from parity.behaviour.audit.audit import Audit
from parity.behaviour.result_file import diagnosis_from
from parity.behaviour.rules import VERDICTS, Judgement
from parity.bench.result import FAILED, Ratio, Row
from parity.bench.result import SCHEMA as BENCH
from parity.bench.result_file import bench_from
from parity.errors import InputError
from parity.ladder.items import LEVEL_IDS, UNITS, Item
from parity.ladder.result import ALL_RESULTS, SCHEMA
from parity.ladder.result_file import result_from, results_from
from parity.programs.bench_spec import PARTS, PRECISIONS, BenchSpec
from parity.programs.check_spec import CheckSpec
from parity.programs.run_spec import (
    MODELS,
    MODES,
    SPLITS,
    Augmentation,
    EarlyStopping,
    ReduceLR,
    RunSpec,
)
from parity.programs.settings import DTYPES
from parity.stats import Equivalence
from parity.sweeps import rows as sweeps
from parity.sweeps.equivalence import EquivalenceRow
from parity.sweeps.result import result_of
from parity.sweeps.result_file import EFFECTS, sweep_from
from parity.sweeps.samples import QUANTITIES
from parity.sweeps.verdicts import ScenarioVerdicts
from scripts import make_schemas

RESULT, SWEEP = SCHEMAS[file_of(SCHEMA)], SCHEMAS[file_of("parity.sweep/2")]
BENCHMARK, DIAGNOSIS = SCHEMAS[file_of(BENCH)], SCHEMAS[file_of(diagnosis.SCHEMA)]

EXAMPLES = {
    example["schema"]: example
    for block in blocks_of(ROOT / "docs" / "json.md")
    if block.language == "json"
    for example in [json.loads(block.text)]
}


def test_there_is_a_file_for_each_schema_and_an_example_on_the_page():
    assert [path.name for path in PATHS] == sorted(map(file_of, EXAMPLES))
    for name, schema in SCHEMAS.items():
        assert file_of(schema["title"]) == name == make_schemas.file_of(schema["title"])
        assert schema["properties"]["schema"]["const"] == schema["title"]


def test_the_schemas_are_what_the_records_say(monkeypatch, tmp_path):
    assert make_schemas.main(["--check"]) == 0, "call python scripts/make_schemas.py"
    (tmp_path / "parity" / "schemas").mkdir(parents=True)
    monkeypatch.setattr(make_schemas, "ROOT", tmp_path)
    monkeypatch.setattr(make_schemas, "FOLDER", tmp_path / "parity" / "schemas")
    assert make_schemas.main([]) == make_schemas.main(["--check"]) == 0
    path = make_schemas.FOLDER / file_of(SCHEMA)
    path.write_text(path.read_text(encoding="utf-8").replace("integer", "number", 1))
    assert make_schemas.main(["--check"]) == 1


@each_row("name", SCHEMAS)
def test_a_schema_is_one_of_draft_2020_12(name):
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMAS[name])


def parts(schema, place=""):
    """All schemas within a schema, with their places."""
    yield place, schema
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            for name, inner in value.items():
                yield from parts(inner, f"{place}/{key}/{name}")
        elif key in ("items", "additionalProperties", "if", "then", "else", "propertyNames"):
            if isinstance(value, dict):
                yield from parts(value, f"{place}/{key}")
        elif key == "anyOf":
            for number, inner in enumerate(value):
                yield from parts(inner, f"{place}/{key}/{number}")


@each_row("name", SCHEMAS)
def test_every_property_has_a_description(name):
    for place, schema in parts(SCHEMAS[name]):
        for key, inner in schema.get("properties", {}).items():
            assert len(inner.get("description", "")) > 4, f"{place}/{key}"


def test_only_environments_are_open():
    """Where further keys are allowed, one that is misspelt is not seen."""
    found = []
    for name, schema in SCHEMAS.items():
        for place, part in parts(schema):
            kinds = part.get("type", [])
            if "object" in ([kinds] if isinstance(kinds, str) else kinds):
                assert "additionalProperties" in part, f"{name}{place}"
                if part["additionalProperties"] is True:
                    found.append(f"{name.removesuffix('.1.schema.json')}{place}")
    assert found == [
        "parity.bench/properties/environment",
        "parity.bench/$defs/row/properties/environment",
        "parity.result/properties/environment/additionalProperties",
    ]


FIELDS = [
    (RESULT["$defs"]["run_spec"], RunSpec, set()),
    (RESULT["$defs"]["augmentation"], Augmentation, set()),
    (RESULT["$defs"]["reduce_lr"], ReduceLR, set()),
    (RESULT["$defs"]["early_stopping"], EarlyStopping, set()),
    (RESULT["$defs"]["check_spec"], CheckSpec, set()),
    (RESULT["$defs"]["item"], Item, {"status"}),
    (RESULT["$defs"]["judgement"], Judgement, set()),
    (DIAGNOSIS["$defs"]["judgement"], Judgement, set()),
    (DIAGNOSIS["$defs"]["audit"], Audit, {"schema", "severity", "findings", "notes"}),
    (SWEEP["$defs"]["comparison"], EquivalenceRow, set()),
    (SWEEP["$defs"]["equivalence"], Equivalence, set()),
    (SWEEP["$defs"]["scenario"], ScenarioVerdicts, {"agrees"}),
    (BENCHMARK["$defs"]["bench_spec"], BenchSpec, set()),
    (BENCHMARK["$defs"]["row"], Row, {"q1", "median", "q3"}),
    (BENCHMARK["$defs"]["ratio"], Ratio, set()),
]


@each_row(("schema", "kind", "more"), FIELDS, ids=[kind.__name__ for _, kind, _ in FIELDS])
def test_a_schema_has_the_fields_of_what_is_written(schema, kind, more):
    fields = {field.name for field in dataclasses.fields(kind)}
    if kind is Item:  # counted from 1 in the JSON, whose status tells what is accepted
        fields = fields - {"epoch", "accepted"} | {"epoch_number"}
    assert set(schema["properties"]) == fields | more


def values_of(schema, *names):
    for name in names:
        schema = schema["properties"][name]
    return set(schema.get("enum") or schema["items"]["enum"])


def test_names_are_those_of_the_program():
    defs = RESULT["$defs"]
    for owner in (defs["level"], defs["cause"]):
        name = "id" if owner is defs["level"] else "level"
        assert values_of(owner, name) == set(LEVEL_IDS)
    assert values_of(defs["item"], "unit") == set(UNITS)
    assert values_of(defs["level"], "unit") == {*UNITS, None}
    assert values_of(RESULT, "mode") == {*MODES, "replayed"}
    for name, known in (("model", MODELS), ("dtype", DTYPES), ("split", SPLITS), ("mode", MODES)):
        assert values_of(defs["run_spec"], name) == set(known)
    for schema in (defs, DIAGNOSIS["$defs"]):
        assert values_of(schema["judgement"], "verdict") == set(VERDICTS)
    assert values_of(DIAGNOSIS, "verdict") == set(VERDICTS)
    quantity = re.compile(SWEEP["$defs"]["comparison"]["properties"]["quantity"]["pattern"])
    for name in (*QUANTITIES, *EFFECTS, "tags_accuracy"):
        assert quantity.search(name)
    for name in ("accuracies", "a accuracy", "_accuracy", "loss\n", "tags_accuracy\n", "effect on"):
        assert not quantity.search(name)
    assert values_of(BENCHMARK["$defs"]["bench_spec"], "parts") == set(PARTS)
    assert values_of(BENCHMARK["$defs"]["bench_spec"], "precisions") == set(PRECISIONS)
    assert {cause.id for cause in causes.CAUSES}  # which a diagnosis has by any name


# --- what is written -----------------------------------------------------------------------------
# Whole runs, checks and sweeps are validated where tests have made them: runs/test_run,
# runs/test_check, cli/test_main, sweeps/test_sweep_result, bench/test_bench_run.


@each_row(
    "path",
    sorted((ROOT / "benchmarks" / "speed" / "results").glob("*.json")),
    ids=lambda path: path.stem,
)
def test_kept_benchmarks_are_valid(path):
    value = json.loads(path.read_text(encoding="utf-8"))
    assert problems(value) == []
    assert bench_from(value, path.name).to_json() == value


@each_row(
    "found",
    [
        bench_result(),
        noisy(0),
        bench_result(row("keras", 10.0, 11.0), row("torch", status=FAILED, reason="killed")),
    ],
    ids=["empty", "measured", "failed"],
)
def test_any_benchmark_is_valid(found):
    assert_valid({**found.to_json(), "spec": BenchSpec().to_dict()})


def test_a_diagnosis_without_accuracy_and_one_that_diverged_are_valid():
    for history in ({"loss": [1.0, 0.5]}, {"loss": [1.0, float("nan")], "val_loss": [1.0, 2.0]}):
        assert_valid(diagnosis.diagnose(history).to_json())


# --- and nothing else ----------------------------------------------------------------------------


@each_row("name", EXAMPLES)
def test_the_example_on_the_page_is_valid(name):
    assert problems(EXAMPLES[name]) == []


def test_the_examples_are_read_back():
    example = EXAMPLES[SCHEMA]
    assert result_from(example, "page").to_json()["first_divergence"] == example["first_divergence"]
    example = EXAMPLES[ALL_RESULTS]
    found = results_from(example, "page")
    assert [result.to_json() for result in found] == example["results"]
    example = EXAMPLES["parity.sweep/2"]
    assert sweep_from(example, "page").to_json() == example | {"rows": [], "environment": {}}
    for name, read in ((BENCH, bench_from), (diagnosis.SCHEMA, diagnosis_from)):
        assert read(EXAMPLES[name], "page").to_json() == EXAMPLES[name]


# Whose keys are the user's, and whose values may be anything.
OWN_KEYS = ("history", "sha256")
# Keys that files of older versions lack.
ADDED = {
    "module",
    "dtype",
    "divergences",
    "inherited",
    "proven",
    "incomplete",
    "not_compared",
    "tolerance",
    "role",
    "applies",
    "tried",
}
ANY_VALUE = [("settings", 0, "keras"), ("settings", 0, "torch"), ("environment", "keras")]


READERS = {
    SCHEMA: result_from,
    ALL_RESULTS: results_from,
    "parity.sweep/2": sweep_from,
    BENCH: bench_from,
    diagnosis.SCHEMA: diagnosis_from,
}


def refused(value, name):
    """Whether the schema has something against a value; the reader takes nothing else then."""
    found = problems(value, name)
    if found:
        with pytest.raises(InputError):
            READERS[name](value, "page")
    return bool(found)


def mappings(value, place=()):
    """(place, mapping) of all mappings in a value, but for environments, which are open."""
    if isinstance(value, dict):
        yield place, value
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if key != "environment" and isinstance(inner, dict | list):
            yield from mappings(inner, (*place, key))


def changed(value, place, change):
    """The value after a change of the mapping at a place."""
    value = copy.deepcopy(value)
    inner = value
    for key in place:
        inner = inner[key]
    change(inner)
    return value


# Keys that older files lack, by where they stand.
LATER = {
    "judgement": ("train_loss", "val_loss", "output_accuracies"),
    "collapses": ("num_torch",),
}


@each_row("name", EXAMPLES)
def test_an_example_without_a_key_or_with_one_misspelt_is_refused(name):
    count = 0
    for place, mapping in mappings(EXAMPLES[name]):
        for key in mapping:
            # A half may have no finished run; of verdicts those that came are counted.
            is_counted = key in VERDICTS
            if set(place[-2:]) & set(OWN_KEYS) or place[-1:] == ("wall_s",) or is_counted:
                continue
            missing = changed(EXAMPLES[name], place, lambda inner, key=key: inner.pop(key))
            is_new = name in (SCHEMA, ALL_RESULTS) and key in ADDED
            is_new = is_new and "scenario" not in mapping  # the spec of a run has told its dtype
            is_new |= (name, place, key) == ("parity.sweep/2", (), "seeds")
            is_new |= place != () and key in LATER.get(str(place[0]), ())
            assert refused(missing, name) is not is_new, (*place, key)
            misspelt = changed(
                EXAMPLES[name],
                place,
                lambda inner, key=key: inner.update({f"{key}x": inner.pop(key)}),
            )
            assert refused(misspelt, name), (*place, key)
            count += 1
    assert count > 20


@each_row("name", EXAMPLES)
def test_an_example_with_a_value_of_another_type_is_refused(name):
    for place, mapping in mappings(EXAMPLES[name]):
        for key in mapping:
            wrong = changed(
                EXAMPLES[name], place, lambda inner, key=key: inner.update({key: [{"a": {}}]})
            )
            is_right = not refused(wrong, name)
            assert is_right == ((*place, key) in ANY_VALUE), (*place, key)


@each_row(
    ("name", "place", "value"),
    [
        ("parity.result/1", ("verdict",), "passed"),
        ("parity.result/1", ("verdict",), "PASS"),
        ("parity.result/1", ("schema",), "parity.result/2"),
        ("parity.result/1", ("levels", 0, "status"), "ok"),
        ("parity.result/1", ("levels", 0, "worst"), "nan"),
        ("parity.result/1", ("levels", 0, "items", 0, "epoch_number"), 0),
        ("parity.result/1", ("levels", 0, "items", 0, "num_compared"), 1.5),
        ("parity.result/1", ("first_divergence", "causes", 0, "confidence"), 99),
        ("parity.result/1", ("spec", "seed"), -1),
        ("parity.results/1", ("results", 0, "verdict"), "inconclusive"),
        ("parity.sweep/2", ("verdict",), "error"),
        ("parity.sweep/2", ("comparisons", 0, "equivalence", "alpha"), 5),
        ("parity.bench/1", ("rows", 0, "values", 0), "NaN"),
        ("parity.bench/1", ("rows", 0, "unit"), "ms"),
        ("parity.diagnosis/2", ("verdict",), "good fit"),
        ("parity.diagnosis/2", ("history", "loss", 0), None),
    ],
)
def test_a_wrong_value_is_refused(name, place, value):
    *outer, last = place

    def change(inner):
        inner[last] = value

    assert refused(changed(EXAMPLES[name], outer, change), name)


def test_numbers_that_json_lacks_are_texts():
    content = copy.deepcopy(EXAMPLES["parity.result/1"])
    for value in ("NaN", "Infinity", "-Infinity"):
        content["levels"][0]["worst"] = value
        assert problems(content) == []


def test_rows_of_a_sweep_are_taken_and_checked():
    judged = Judgement("suspicious", "leak", "because", 20, val_accuracy=0.5)
    judgement = judged.to_json()
    run = {
        "scenario": "leak",
        "seed": 0,
        "half": "keras",
        "judgement": judgement | {"train_accuracy": "NaN"},
        "wall_s": 1.5,
        "key": "0" * 64,
    }
    name = "parity.sweep/2"
    found = sweeps.Row("leak", 0, "keras", replace(judged, train_accuracy=NAN), 1.5, "0" * 64)
    content = result_of(sweeps.Sweep([found]), mode="independent", is_whole=False).to_json()
    assert problems(content) == []
    assert sweep_from(content, "page").to_json()["rows"] == [run]
    for key in run:
        assert refused({**content, "rows": [{k: v for k, v in run.items() if k != key}]}, name)
        assert refused({**content, "rows": [{**run, key: []}]}, name)
    wrong = {**run, "judgement": {**judgement, "verdict": "good"}}
    assert refused({**content, "rows": [wrong]}, name)


def test_the_contract_holds():
    """Keys and values that were promised before there was a schema."""
    required = {"schema", "verdict", "spec", "environment", "levels", "first_divergence"}
    assert required | {"behaviour"} <= set(RESULT["required"])
    assert values_of(RESULT, "verdict") == {"pass", "fail", "error", "incomplete"}
    level, first = RESULT["$defs"]["level"], RESULT["$defs"]["first_divergence"]
    assert {"id", "status", "worst", "allowed", "unit", "tolerance_source", "items"} <= set(
        level["required"]
    )
    assert values_of(level, "status") == {"pass", "fail", "skipped", "not_reached"}
    assert {"abs", "rel", "ulp", "count"} < values_of(level, "unit")
    keys = {"level", "item", "epoch_number", "step", "keras", "torch", "causes"}
    assert keys <= set(first["required"])
    assert {"id", "title", "confidence", "fix"} <= set(RESULT["$defs"]["cause"]["required"])
    assert RESULT["properties"]["behaviour"]["propertyNames"] == {"enum": ["keras", "torch"]}
