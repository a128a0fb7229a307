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
from parity.files.floats import decode_floats, encode_floats
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


def strict_keys(directory):
    return read_json(directory / "trace.json")["keys"]


@pytest.fixture(scope="module")
def array_trace(tmp_path_factory):
    directory = tmp_path_factory.mktemp("arrays")
    return Parts(arrays=ARRAYS, spec={"seed": 3}).write(directory)


@each_row("name", ARRAYS)
def test_an_array_comes_back_with_every_bit(array_trace, name):
    assert_same_bits(array_trace[name], ARRAYS[name])


def test_a_list_and_a_number_are_kept_as_arrays(tmp_path):
    writer = TraceWriter()
    writer.put_all("group", {"list": [1.0, 2.0], "number": 7})
    assert_same_bits(writer.arrays["group/list"], np.array([1.0, 2.0]))
    assert_same_bits(writer.arrays["group/number"], np.array(7))


def test_what_is_put_is_a_copy():
    writer, array = TraceWriter(), np.zeros(3)
    writer.put("key", array)
    array[0] = 1
    assert writer.arrays["key"].tolist() == [0, 0, 0]


def test_a_key_is_written_once_only():
    writer = TraceWriter()
    writer.put("init/a", [1])
    with pytest.raises(ValueError, match="'init/a' is written twice"):
        writer.put_all("init", {"a": [1]})


def test_facts_history_spec_and_time_come_back(tmp_path):
    parts = Parts(
        arrays={"a": np.zeros(1)},
        facts={"text": "Straße × 2", "nested": {"list": [1, None, True, 2.5, math.inf]}},
        history={"loss": [1.0, 0.1]},
        spec={"seed": 4, "data": "NaN"},
    )
    trace = parts.write(tmp_path)
    assert trace.facts == parts.facts
    assert trace.history == parts.history
    assert trace.spec == parts.spec
    assert trace.environment == {}
    assert trace.wall_s == 1.5
    assert trace.directory == tmp_path


def test_a_diverged_history_is_strict_json_and_comes_back(tmp_path):
    losses = [1.0, math.inf, -math.inf, math.nan]
    result = RunResult({"loss": losses}, {}, 1.0)
    write_json(tmp_path / "spec.json", {})
    writer = TraceWriter({"training/loss": np.array(losses)}, {"worst": math.nan})
    writer.write(tmp_path, environment={"python": "3"}, result=result)
    for name in FILES[:-1]:
        strict(tmp_path / name)
    assert strict(tmp_path / "history.json")["loss"] == [1.0, "Infinity", "-Infinity", "NaN"]
    trace = Trace(tmp_path)
    assert_same_bits(np.array(trace.history["loss"]), np.array(losses))
    assert_same_bits(trace["training/loss"], np.array(losses))
    assert math.isnan(trace.facts["worst"])


def test_further_columns_stand_in_the_history_after_keras_own(tmp_path):
    write_json(tmp_path / "spec.json", {})
    writer = TraceWriter()
    for value in (0.5, 0.75):
        writer.columns.setdefault("eval_accuracy", []).append(value)
    writer.columns["eval_loss"] = [2.0, math.nan]
    result = RunResult({"loss": [1.0, 0.5], "accuracy": [0.25, 0.5]}, {}, 1.0)
    writer.write(tmp_path, environment={}, result=result)
    written = strict(tmp_path / "history.json")
    assert list(written) == ["loss", "accuracy", "eval_accuracy", "eval_loss"]
    assert written["eval_accuracy"] == [0.5, 0.75]
    assert written["eval_loss"] == [2.0, "NaN"]
    history = Trace(tmp_path).history
    assert history["eval_accuracy"] == [0.5, 0.75]
    assert math.isnan(history["eval_loss"][1])
    assert list(result.history) == ["loss", "accuracy"]  # the result is as it was


def test_without_further_columns_the_history_is_that_of_the_result(tmp_path):
    write_json(tmp_path / "spec.json", {})
    result = RunResult({"loss": [1.0], "accuracy": [0.25]}, {}, 1.0)
    TraceWriter().write(tmp_path, environment={}, result=result)
    assert strict(tmp_path / "history.json") == result.history


def test_a_further_column_of_another_length_is_damage(tmp_path):
    write_json(tmp_path / "spec.json", {})
    writer = TraceWriter(columns={"eval_loss": [1.0, 2.0]})
    writer.write(tmp_path, environment={}, result=RunResult({"loss": [1.0]}, {}, 1.0))
    with pytest.raises(RunError, match=r"history\.json are not equally long"):
        Trace(tmp_path)


def test_every_writer_has_columns_of_its_own():
    TraceWriter().columns["eval_loss"] = [1.0]
    assert TraceWriter().columns == {}


def test_floats_that_json_lacks_are_words_at_any_depth():
    value = {"a": [math.nan, {"b": (math.inf, -math.inf, 1.5, "text", None, 3)}]}
    words = {"a": ["NaN", {"b": ["Infinity", "-Infinity", 1.5, "text", None, 3]}]}
    assert encode_floats(value) == words
    assert math.isnan(decode_floats(words)["a"][0])
    assert decode_floats(words)["a"][1] == {"b": [math.inf, -math.inf, 1.5, "text", None, 3]}


def test_bare_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file.json", {"loss": math.nan})
    assert list(tmp_path.iterdir()) == []


def test_a_run_directory_holds_these_files_and_no_others(whole):
    assert {path.name for path in whole.iterdir()} == {*FILES, SUCCESS}
    assert (whole / SUCCESS).read_bytes() == b""
    assert strict_keys(whole) == sorted(strict_keys(whole))


def test_success_is_written_last(tmp_path, monkeypatch):
    written, replace = [], os.replace

    def put(source, target):
        written.append(target.name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", put)
    TraceWriter().write(tmp_path, environment={}, result=RunResult({}, {}, 0.0))
    assert written[-1] == SUCCESS
    assert sorted(written) == sorted([*FILES[1:], SUCCESS])  # the spec was there before


def test_names_are_what_stands_directly_below_a_prefix(whole):
    trace = Trace(whole)
    assert trace.names("training") == ["final", "loss", "rates", "weights"]
    assert trace.names("training/final") == [KERNEL, BIAS]
    assert trace.names("training/fin") == []
    assert trace.names("training/loss") == []


def test_what_follows_a_prefix_may_have_parts(whole):
    trace = Trace(whole)
    assert trace.below("training/weights/2") == [KERNEL, BIAS]
    assert trace.below("training/weights")[:2] == [f"0/{KERNEL}", f"0/{BIAS}"]
    assert trace.below("training/weight") == []


def test_the_largest_value_is_one_that_is_finite(array_trace, tmp_path):
    trace = Parts(arrays={"none": np.array([math.nan, -math.inf])}).write(tmp_path)
    assert trace.largest("none") == 0
    assert [array_trace.largest(name) for name in ("float64", "reversed")] == [0.1, 5.0]


def test_numbers_are_ordered_as_numbers(tmp_path):
    keys = [f"training/weights/{step}/w" for step in (100, 20, 0, 3)]
    trace = Parts(arrays={key: np.zeros(1) for key in keys}).write(tmp_path)
    assert trace.numbers("training/weights") == [0, 3, 20, 100]
    assert trace.numbers("nothing") == []
    assert "training/weights/3/w" in trace
    assert "training/weights/3" not in trace


def test_names_that_are_no_numbers_are_refused_as_numbers(whole):
    with pytest.raises(RunError, match=r"'training': .*'final'"):
        Trace(whole).numbers("training")


def test_a_key_that_is_not_there_is_a_run_error_that_names_it(whole):
    with pytest.raises(RunError, match=r"no array 'training/final/other'") as told:
        Trace(whole)["training/final/other"]
    assert str(whole) in str(told.value)


@each_row(
    ("read", "name"),
    [
        (lambda trace: trace.facts["colour"], "trace.json has no 'colour'"),
        (lambda trace: trace.facts["watched"][0]["colour"], "trace.json has no 'colour'"),
        (lambda trace: trace.history["auc"], "history.json has no 'auc'"),
        (lambda trace: trace.spec["colour"], "spec.json has no 'colour'"),
        (lambda trace: trace.environment["colour"], "environment.json has no 'colour'"),
    ],
    ids=["fact", "nested fact", "history", "spec", "environment"],
)
def test_a_value_that_is_not_there_is_a_run_error_that_names_its_file(whole, read, name):
    with pytest.raises(RunError, match=name) as told:
        read(Trace(whole))
    assert str(whole) in str(told.value)


def test_what_a_trace_from_elsewhere_lacks_is_an_input_error_that_names_its_source(whole, tmp_path):
    trace = Trace(whole, tmp_path / "a.parity")
    for read in (
        lambda: trace["training/final/other"],
        lambda: trace.facts["watched"][0]["colour"],
    ):
        with pytest.raises(InputError, match=r"a\.parity: .*record it again"):
            read()


def test_what_a_trace_holds_is_copied_as_any_mapping(whole):
    """As by `dataclasses.asdict`, which knows nothing of files."""
    facts = Trace(whole).facts
    copied = type(facts)(facts.items())
    assert copied == facts
    with pytest.raises(KeyError, match="colour"):
        copied["colour"]


def test_a_directory_that_is_missing_or_unfinished_says_so(tmp_path, whole):
    with pytest.raises(RunError, match="not a finished run"):
        Trace(tmp_path / "nowhere")
    copy = tmp_path / "run"
    shutil.copytree(whole, copy)
    (copy / SUCCESS).unlink()
    with pytest.raises(RunError, match="not a finished run") as told:
        Trace(copy)
    assert str(copy) in str(told.value)


@pytest.fixture
def copy(tmp_path, whole):
    """A finished run that a test may damage."""
    return shutil.copytree(whole, tmp_path / "run")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_a_damaged_directory(copy, name):
    (copy / name).unlink()
    with pytest.raises(RunError, match=r"damaged.*run it again") as told:
        Trace(copy)
    assert str(copy) in str(told.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"3", b"null", b'"text"', b"\xff\xfe", b"{", b'{"a": NaN', b"[" * 100_000],
    ids=lambda content: repr(content[:12]),
)
@pytest.mark.parametrize("name", FILES)
def test_a_file_with_something_else_in_it_is_a_damaged_directory(copy, name, content):
    (copy / name).write_bytes(content)
    with pytest.raises(RunError) as told:
        Trace(copy)
    assert str(copy) in str(told.value)


@pytest.mark.parametrize(
    "history",
    [
        {"loss": 1.0},
        {"loss": ["1.0"]},
        {"loss": [None]},
        {"loss": [1.0, 2.0], "accuracy": [1.0]},
        {"loss": {"0": 1.0}},
    ],
    ids=["a number", "text", "null", "unequal lengths", "a mapping"],
)
def test_a_history_that_is_no_table_of_numbers_is_damage(copy, history):
    write_json(copy / "history.json", history)
    with pytest.raises(RunError, match=r"history\.json"):
        Trace(copy)


@pytest.mark.parametrize(
    "index",
    [
        {"wall_s": 1.0, "facts": {}, "keys": []},
        {"wall_s": 1.0, "facts": {}},
        {"wall_s": "soon", "facts": {}, "keys": []},
        {"wall_s": 1.0, "facts": [], "keys": []},
        {"facts": {}, "keys": []},
    ],
    ids=["no keys", "keys missing", "time is text", "facts are a list", "time missing"],
)
def test_an_index_that_does_not_fit_is_damage(copy, index):
    write_json(copy / "trace.json", index)
    with pytest.raises(RunError) as told:
        Trace(copy)
    assert str(copy) in str(told.value)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused_wherever_it_ends(copy, name):
    content = (copy / name).read_bytes()
    # The last byte of JSON is the end of the line, without which it is whole.
    end = len(content) - (1 if name.endswith(".json") else 0)
    lengths = {0, 1, 7, 8, 9, end - 1, *random.Random(0).sample(range(end), min(40, end))}
    for length in sorted(length for length in lengths if length < end):
        (copy / name).write_bytes(content[:length])
        with pytest.raises(RunError) as told:
            Trace(copy)
        assert str(copy) in str(told.value)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_a_run_error_or_another_value_and_nothing_else(copy, whole, name):
    content = (copy / name).read_bytes()
    generator = random.Random(1)
    keys = strict_keys(whole)
    refused = []
    places = [*range(min(64, len(content))), *generator.choices(range(len(content)), k=150)]
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
            refused.append(str(error))
    assert refused
    assert all(message.startswith(str(copy)) for message in refused)


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


@pytest.mark.parametrize("same", [{"b": "nobody"}, {"init/a": "init/a"}, {"x": "y", "y": "x"}, [3]])
def test_an_index_that_shares_what_is_not_there_is_damage(copy, same):
    write_json(copy / "trace.json", {**read_json(copy / "trace.json"), "same": same})
    with pytest.raises(RunError, match="damaged run directory"):
        Trace(copy)
