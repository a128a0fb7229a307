"""The file of a benchmark, from anyone: what is right comes back, the rest is one paragraph."""

import json
import re
from dataclasses import asdict, replace

import pytest
from bench_results import MACHINE, SPEC, noisy, result, row
from changes import REMOVED, changed
from rows import each_row

from parity.bench.comparison import read_result
from parity.bench.result import FAILED, REFUSED, SECONDS, BenchResult
from parity.bench.statistics import with_ratios
from parity.cli.saved import write_json_file
from parity.errors import InputError


@pytest.fixture
def read(tmp_path):
    """Reads a result from a file with a content: bytes, or what JSON can hold."""

    def read(content):
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (tmp_path / "bench.json").write_bytes(text)
        return read_result(tmp_path / "bench.json")

    return read


def good():
    """A file with everything in it, as values."""
    return result(
        row("keras", 10.0, 11.0),
        row(
            "torch",
            20.0,
            33.0,
            warmup_s=3,
            seconds_to_accuracy=4.5,
            peak_memory_mb=100.5,
            parity="pass",
            parity_note="float64",
            environment={"threads": 2, "flags": [None, True]},
        ),
        row("torch-compiled", status=FAILED, reason="killed"),
        row("torch-own", 1.0, status=REFUSED, reason="accuracy", parity="fail"),
        row("keras", 1.5, part="startup", unit=SECONDS, batch_size=0),
    )


@each_row("found", [good(), noisy(0), result(), replace(noisy(0), is_finished=False)])
def test_what_was_written_comes_back(found, tmp_path):
    write_json_file(tmp_path / "bench.json", found.to_json())
    assert asdict(read_result(tmp_path / "bench.json")) == asdict(found)


NARROW = [row("keras", 10.0, 11.0), row("torch", 40.0, 66.0, precision="bf16")]
ACROSS = BenchResult(
    {**SPEC, "across_precision": True}, with_ratios(NARROW, "keras", across_precision=True), MACHINE
)
REFUSED_ROW = row("torch-own", 1.0, status=REFUSED, reason="accuracy", parity="fail")


@each_row(
    ("found", "place", "value"),
    [
        (good(), ("verdict",), "pass"),
        (noisy(0), ("verdict",), "fail"),
        (result(row("keras", 1.0), REFUSED_ROW), ("verdict",), "pass"),
        (result(row("keras", 1.0), REFUSED_ROW), ("rows", 1, "status"), "ok"),
        (result(row("keras", 1.0), REFUSED_ROW), ("rows", 1, "status"), "skipped"),
        (good(), ("rows", 1, "ratio", "median"), 2.6),
        (good(), ("rows", 1, "ratio", "n"), 3),
        (good(), ("rows", 1, "ratio"), None),
        (good(), ("rows", 1, "baseline"), "jax"),
        (good(), ("rows", 0, "median"), 5),
        (good(), ("rows", 2, "median"), 5),
        (ACROSS, ("rows", 1, "ratio", "median"), 5.5),
    ],
)
def test_what_follows_from_the_rounds_is_computed_whatever_the_file_says(found, place, value, read):
    assert read(changed(found.to_json(), place, value)).to_json() == found.to_json()


def test_a_row_whose_baseline_failed_has_no_ratio(read):
    found = read(changed(good().to_json(), ("rows", 0, "status"), FAILED))
    assert (found.rows[1].ratio, found.verdict) == (None, "incomplete")


WRONG = [
    (("schema",), REMOVED, "the file has no 'schema'"),
    (("schema",), "parity.bench/2", "schema is 'parity.bench/2'; expected 'parity.bench/1'"),
    (("spec",), [], r"spec is \[\]; expected object"),
    (("environment",), None, "environment is None; expected object"),
    (("rows",), REMOVED, "the file has no 'rows'"),
    (("rows",), {}, "rows is {}; expected array"),
    (("rows",), [{}] * 10_001, "expected array of length <= 10000"),
    (("rows", 1), 5, r"rows\[1\] is 5; expected object"),
    (("rows", 1, "part"), REMOVED, r"rows\[1\] has no 'part'"),
    (("rows", 1, "part"), "", r"rows\[1\].part is ''; expected 'train' or 'step'"),
    (
        ("rows", 1, "variant"),
        "x" * 201,
        r"variant is 'xxx.*\.\.\.; expected str of length <= 200",
    ),
    (("rows", 1, "variant"), "", r"rows\[1\].variant is ''; expected str of length >= 1"),
    (("rows", 1, "variant"), 7, r"rows\[1\].variant is 7"),
    (("rows", 1, "batch_size"), -1, r"rows\[1\].batch_size is -1; expected int >= 0"),
    (("rows", 1, "batch_size"), True, r"rows\[1\].batch_size is True"),
    (("rows", 1, "batch_size"), 32.0, r"rows\[1\].batch_size is 32.0"),
    (("rows", 1, "status"), "fine", "expected 'ok' or 'failed' or 'refused'"),
    (("rows", 1, "status"), ["ok"], r"status is \['ok'\]; expected str, got array"),
    (("rows", 1, "reason"), None, "reason is None; expected str"),
    (("rows", 1, "reason"), "x" * 100_001, "expected str of length <= 100000"),
    (("rows", 1, "unit"), "images", "expected 'images/s' or 'samples/s' or 's'"),
    (("rows", 1, "values"), "20", "values is '20'; expected array"),
    (("rows", 1, "values"), [1.0] * 10_001, "expected array of length <= 10000"),
    (("rows", 1, "values", 1), "3", r"rows\[1\].values\[1\] is '3'; expected float"),
    (("rows", 1, "values", 1), "NaN", r"rows\[1\].values\[1\] is 'NaN'"),
    (("rows", 1, "values", 1), None, r"rows\[1\].values\[1\] is None"),
    (("rows", 1, "values", 1), True, r"rows\[1\].values\[1\] is True"),
    (("rows", 1, "values", 1), 0, r"rows\[1\].values\[1\] is 0; expected float >= 1e-100"),
    (("rows", 1, "values", 1), -3.0, r"rows\[1\].values\[1\] is -3.0"),
    (("rows", 1, "values", 1), 5e-324, r"rows\[1\].values\[1\] is 5e-324"),
    (
        ("rows", 1, "values", 1),
        1e308,
        r"values\[1\] is 1e\+308; expected float <= 1e\+100",
    ),
    (("rows", 1, "values"), [1.0], "1 values and 2 of the baseline: expected pairs"),
    (("rows", 0, "unit"), SECONDS, "is in images/s, its baseline in s"),
    (("rows", 1, "ratio"), 2.5, r"rows\[1\].ratio is 2.5; expected object \| null"),
    (("rows", 1, "ratio"), {}, r"rows\[1\].ratio has no 'median'"),
    (("rows", 1, "ratio", "low"), 0, r"rows\[1\].ratio.low is 0"),
    (("rows", 1, "ratio", "confidence"), 95, r"confidence is 95; expected float <= 1.0"),
    (("rows", 1, "ratio", "n"), 2.0, r"rows\[1\].ratio.n is 2.0"),
    (("rows", 1, "warmup_s"), -1, "warmup_s is -1; expected float >= 0"),
    (("rows", 1, "peak_memory_mb"), "1 MB", "peak_memory_mb is '1 MB'"),
    (("rows", 1, "seconds_to_accuracy"), False, "seconds_to_accuracy is False"),
    (("rows", 1, "parity"), "ok", "expected 'pass' or 'fail' or 'unchecked'"),
    (("rows", 1, "parity_note"), {}, "parity_note is {}"),
    (("rows", 1, "environment"), "cpu", "environment is 'cpu'; expected object"),
]


def refusal(read, content):
    """The one paragraph that a content is refused with."""
    with pytest.raises(InputError, match=r"\A.{1,499}\Z") as caught:
        read(content)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    WRONG,
    ids=[f"{n}-{'.'.join(map(str, place))}" for n, (place, _, _) in enumerate(WRONG)],
)
def test_a_wrong_value_is_named_with_its_place(place, value, message, read):
    text = refusal(read, changed(good().to_json(), place, value))
    assert re.search(rf"bench.json is not what `parity bench --json` writes: .*{message}", text)


def test_every_value_of_a_file_is_checked(read):
    """A rule that nobody wrote would let anything through, to fail later in a place of its own."""
    content = good().to_json()
    whole = {(): content, ("rows", 1): content["rows"][1]}
    whole["rows", 1, "ratio"] = content["rows"][1]["ratio"]
    for place in [(*outer, key) for outer, inner in whole.items() for key in inner]:
        for wrong in (REMOVED, {"a": 1.5} if "environment" not in place[-1:] else [1]):
            assert place[-1] in refusal(read, changed(content, place, wrong)), place


def test_two_rows_for_the_same_are_refused(read):
    content = good().to_json()
    message = "rows[5] stands for what a row before it stands for"
    assert message in refusal(read, {**content, "rows": [*content["rows"], content["rows"][1]]})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"schema": "parity.bench/1", "schema": "parity.bench/1"}',
        b'{"schema": NaN}',
        b'{"schema": 1e999}',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"schema": "\\ud800"}',
        b'{"schema": ' + b"9" * 5000 + b"}",
        b"\x80\x04\x95",  # a pickle
        b'{"schema": "a\\nb"}',
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_such_json_is_one_paragraph(content, read):
    refusal(read, content)
