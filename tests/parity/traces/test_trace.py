"""A run directory is read as it was written, or refused as a whole."""

import json
import math
import os
import random
import shutil

import numpy as np
import pytest
from helpers import assert_same_bits
from rows import each_row
from traces import BIAS, HISTORY_KEYS, KERNEL, Parts, whole_parts

from parity.errors import InputError, RunError
from parity.files.json_io import read_json, write_json
from parity.traces.folder import SUCCESS
from parity.traces.trace import RunResult, Trace, TraceWriter

FILES = ("spec.json", "environment.json", "history.json", "trace.json", "trace.safetensors")

ARRAYS = {
    "scalar": np.array(3.5),
    "float32 scalar": np.float32(0.1),
    "empty": np.zeros((0, 3), np.float32),
    "bool": np.array([[True, False], [False, True]]),
    "int64": np.array([-(2**63), 2**63 - 1]),
    "float64": np.array([0.1, -0.0, 5e-324, math.nan, math.inf, -math.inf]),
    "float32": np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "reversed": np.arange(6.0)[::-1],
    "strided": np.arange(10)[::3],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished directory; copy it before changing it."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    parts = whole_parts()
    parts.facts["watched"] = [{"monitor": "val_loss"}]
    parts.write(directory)
    return directory


def strict(path):
    def refuse(name):
        raise AssertionError(f"{path.name} has a bare {name}")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_what_is_put_is_a_copy_and_put_once():
    writer, array = TraceWriter(), np.zeros(3)
    writer.put_all("group", {"a": array, "list": [1.0, 2.0], "number": 7})
    array[0] = 1
    assert writer.arrays["group/a"].tolist() == [0, 0, 0]
    assert_same_bits(writer.arrays["group/list"], np.array([1.0, 2.0]))
    assert_same_bits(writer.arrays["group/number"], np.array(7))
    with pytest.raises(ValueError, match="'group/a' is written twice"):
        writer.put("group/a", [1])


def test_a_trace_comes_back_and_its_json_is_strict(tmp_path, monkeypatch):
    """Also of a history that diverged, with further columns after it; `_SUCCESS` is last."""
    written, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (written.append(b.name), replace(a, b)))
    losses = [1.0, math.inf, -math.inf, math.nan]
    history = {"loss": losses, "accuracy": [0.25] * 4}
    result = RunResult(history, {}, 1.5)
    spec, facts = {"seed": 4, "data": "NaN"}, {"text": "Straße", "worst": [1, None, True, math.inf]}
    write_json(tmp_path / "spec.json", spec)
    writer = TraceWriter({"training/loss": np.array(losses)}, facts)
    writer.columns["eval_loss"] = [2.0, 1.0, 0.5, math.nan]
    writer.write(tmp_path, environment={"python": "3"}, result=result)
    assert written[-1] == SUCCESS
    assert sorted(written) == sorted([*FILES, SUCCESS])
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, SUCCESS}
    stored = strict(tmp_path / "history.json")
    assert list(stored) == ["loss", "accuracy", "eval_loss"]
    assert stored["loss"] == [1.0, "Infinity", "-Infinity", "NaN"]
    trace = Trace(tmp_path)
    assert (trace.spec, trace.environment, trace.wall_s) == (spec, {"python": "3"}, 1.5)
    assert trace.facts == facts
    assert_same_bits(np.array(trace.history["loss"]), np.array(losses))
    assert_same_bits(trace["training/loss"], np.array(losses))
    assert list(result.history) == ["loss", "accuracy"]  # the result is as it was


def test_names_below_a_prefix_may_be_numbers_which_are_ordered_as_such(whole, tmp_path):
    trace = Trace(whole)
    parts = ("training", "training/final", "training/fin", "training/loss")
    assert [trace.names(part) for part in parts] == [
        ["final", "loss", "rates", "weights"],
        [KERNEL, BIAS],
        [],
        [],
    ]
    assert trace.below("training/weights/2") == [KERNEL, BIAS]
    assert trace.below("training/weights")[:2] == [f"0/{KERNEL}", f"0/{BIAS}"]
    assert trace.below("training/weight") == []
    with pytest.raises(RunError, match=r"'training': .*'final'"):
        trace.numbers("training")
    keys = [f"training/weights/{step}/w" for step in (100, 20, 0, 3)]
    trace = Parts(arrays=dict.fromkeys(keys, np.zeros(1))).write(tmp_path)
    assert (trace.numbers("training/weights"), trace.numbers("nothing")) == ([0, 3, 20, 100], [])
    assert [key in trace for key in ("training/weights/3/w", "training/weights/3")] == [True, False]


@each_row(
    ("read", "name"),
    [
        (lambda trace: trace["training/final/other"], "no array 'training/final/other'"),
        (lambda trace: trace.facts["colour"], "trace.json has no 'colour'"),
        (lambda trace: trace.facts["watched"][0]["colour"], "trace.json has no 'colour'"),
        (lambda trace: trace.history["auc"], "history.json has no 'auc'"),
        (lambda trace: trace.spec["colour"], "spec.json has no 'colour'"),
        (lambda trace: trace.environment["colour"], "environment.json has no 'colour'"),
    ],
)
def test_a_value_that_is_not_there_is_an_error_that_names_its_file_or_source(whole, read, name):
    with pytest.raises(RunError, match=name) as told:
        read(Trace(whole))
    assert str(whole) in str(told.value)
    with pytest.raises(InputError, match=r"a\.parity: .*record it again"):
        read(Trace(whole, whole / "a.parity"))


def refused(directory, message=None):
    with pytest.raises(RunError, match=message) as told:
        Trace(directory)
    assert str(directory) in str(told.value)


INDEX = {"wall_s": 1.0, "facts": {}, "keys": []}


TEXTS = (b"", b"[]", b"3", b"null", b'"text"', b"\xff\xfe", b"{", b'{"a": NaN', b"[" * 100_000)


WRONG = {
    "history.json": [
        *({"loss": loss} for loss in (1.0, ["1.0"], [None], {"0": 1.0})),
        {"loss": [1.0, 2.0], "accuracy": [1.0]},
    ],
    "trace.json": [
        INDEX,
        *({key: INDEX[key] for key in INDEX if key != name} for name in INDEX),
        {**INDEX, "wall_s": "soon"},
        {**INDEX, "facts": []},
        *({"same": same} for same in ({"b": "no"}, {"i/a": "i/a"}, {"x": "y", "y": "x"}, [3])),
    ],
}


def damaged(name, whole):
    """Contents of a file that are none, with something else in it or cut, and what is told."""
    yield from ((text, None) for text in TEXTS)
    told = r"history\.json" if name == "history.json" else None
    for content in WRONG.get(name, ()):
        content = {**json.loads(whole), **content} if "same" in content else content
        yield json.dumps(content).encode(), told
    # The last byte of JSON is the end of the line, without which it is whole.
    end = len(whole) - (1 if name.endswith(".json") else 0)
    some = random.Random(1).sample(range(end), min(20, end))
    for length in {0, 1, 7, 8, 9, end - 1, *some} & {*range(end)}:
        yield whole[:length], None
    yield None, r"damaged.*run it again"


@each_row("name", FILES)
def test_a_file_with_something_else_in_it_or_none_is_a_damaged_directory(copy, name):
    whole = (copy / name).read_bytes()
    for content, told in damaged(name, whole):
        (copy / name).unlink()
        if content is not None:
            (copy / name).write_bytes(content)
        refused(copy, told)
    (copy / name).write_bytes(whole)
    Trace(copy)


def test_a_directory_that_is_missing_or_unfinished_says_so(tmp_path, copy):
    refused(tmp_path / "nowhere", "not a finished run")
    (copy / SUCCESS).unlink()
    refused(copy, "not a finished run")


@each_row("name", FILES)
def test_a_flipped_byte_is_refused_or_another_value(copy, name):
    content = (copy / name).read_bytes()
    keys, generator, errors = read_json(copy / "trace.json")["keys"], random.Random(1), []
    places = [*range(min(64, len(content))), *generator.choices(range(len(content)), k=60)]
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << generator.randrange(8)
        (copy / name).write_bytes(flipped)
        try:
            trace = Trace(copy)
            for key in keys:
                trace[key]
            for column in HISTORY_KEYS:
                assert all(isinstance(value, float | int) for value in trace.history[column])
        except RunError as error:
            errors.append(str(error))
    assert errors
    assert all(message.startswith(str(copy)) for message in errors)
    (copy / name).write_bytes(content)


@pytest.fixture(scope="module")
def array_trace(tmp_path_factory):
    directory = tmp_path_factory.mktemp("arrays")
    return Parts(arrays=ARRAYS, spec={"seed": 3}).write(directory)


@each_row("name", ARRAYS)
def test_an_array_comes_back_with_every_bit(array_trace, name):
    assert_same_bits(array_trace[name], ARRAYS[name])


def test_the_largest_value_is_one_that_is_finite(array_trace, tmp_path):
    trace = Parts(arrays={"none": np.array([math.nan, -math.inf])}).write(tmp_path)
    assert trace.largest("none") == 0
    assert [array_trace.largest(name) for name in ("float64", "reversed")] == [0.1, 5.0]


@pytest.fixture
def copy(tmp_path, whole):
    """A finished run that a test may damage."""
    return shutil.copytree(whole, tmp_path / "run")


def test_an_array_under_several_keys_is_stored_once(tmp_path):
    made = np.arange(4096.0).reshape(64, 64)
    arrays = {
        "forward/a/output": made,
        "forward/b/input/0": made.copy(),
        "forward/c/input/0": made.T,  # the same numbers in another order
        "forward/d/input/0": made.reshape(4096),  # in another shape
    }
    trace = Parts(arrays=arrays).write(tmp_path / "run")
    for key, array in arrays.items():
        np.testing.assert_array_equal(trace[key], array)
    assert trace.names("forward") == ["a", "b", "c", "d"]
    assert trace.same == {"forward/b/input/0": "forward/a/output"}
    size = (trace.directory / "trace.safetensors").stat().st_size
    assert 3 * made.nbytes < size < 3.1 * made.nbytes
