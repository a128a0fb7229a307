"""A bundle is what was written, or it is refused: nothing in between, whatever the file says."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import check_pairs
import hostile_bundles as hostile
import numpy as np
import pytest
from helpers import assert_same_bits
from paths import ROOT
from rows import each_row
from trace_changes import both, fact, gone, put

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.traces.bundle import pack, unpack
from parity.traces.bundle_facts import PARTS, check_array
from parity.traces.bundle_spec import ARRAYS, FACTS
from parity.traces.trace import Trace


@pytest.fixture(scope="module")
def whole(recorded, tmp_path_factory):
    return recorded.pack(tmp_path_factory.mktemp("whole") / "a.parity").read_bytes()


@pytest.fixture
def sandbox(tmp_path, monkeypatch):
    """A folder that holds the temporary files, too; nothing may appear anywhere in it."""
    for name in ("deep/er/work", "deep/er/temporary"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "deep/er/temporary"))
    monkeypatch.chdir(tmp_path / "deep/er/work")
    return tmp_path


def opened(content):
    """What some bytes are as a bundle: (facts, spec, arrays by key); or why they are none."""
    path, folder = Path("x.parity"), Path("trace")
    path.write_bytes(content)
    try:
        unpack(path, folder)
    except InputError as error:
        return hostile.why_refused(error, path)
    trace = Trace(folder)
    found = trace.facts, trace.spec, {key: trace[key] for key in keys(trace)}
    shutil.rmtree(folder)
    return found


def keys(trace):
    return [f"{part}/{name}" for part in PARTS for name in trace.below(part)]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def is_same(found, recorded):
    facts, spec, arrays = found
    same_keys = set(arrays) == set(recorded.arrays)
    return (
        same_keys
        and facts == recorded.facts
        and all(spec[name] == value for name, value in recorded.spec.items())
        and all(np.array_equal(arrays[key], a) for key, a in recorded.arrays.items())
    )


# --- whole ---------------------------------------------------------------------------------------


def test_what_is_written_is_read_to_the_bit_and_nothing_else_is_left(recorded, whole, sandbox):
    before = [*files(sandbox), "deep/er/work/x.parity"]
    Path("x.parity").write_bytes(whole)
    unpack(Path("x.parity"), Path("keras"))
    names = ("spec.json", "environment.json", "history.json", "trace.json", "trace.safetensors")
    written = ["keras", *(f"keras/{name}" for name in (*names, "_SUCCESS"))]
    assert files(sandbox) == sorted([*before, *(f"deep/er/work/{name}" for name in written)])
    trace = Trace(Path("keras"))
    assert (trace.facts, trace.environment) == (recorded.facts, recorded.environment)
    assert {name: trace.spec[name] for name in recorded.spec} == recorded.spec
    assert (trace.history, trace.wall_s) == ({}, 0.0)
    assert sorted(keys(trace)) == sorted(recorded.arrays)
    for key, array in recorded.arrays.items():
        assert key in trace
        assert_same_bits(trace[key], array)


def test_a_trace_is_the_same_after_a_journey_and_says_nothing_of_the_port(recorded, tmp_path):
    """A bundle is written in the place of an older one."""
    sent = recorded.copy()
    sent.spec = CheckSpec(**recorded.spec).to_dict()
    before = sent.pack(tmp_path / "bundles" / "a.parity").read_bytes()
    sent.spec |= {"torch": "a:b", "against": "/home/me/a.parity", "folder": "/home/me"}
    path = sent.pack(tmp_path / "bundles" / "a.parity")
    assert path.read_bytes() == before
    unpack(path, tmp_path / "keras")
    spec = Trace(tmp_path / "keras").spec
    assert (spec["torch"], spec["against"], spec["folder"]) == (None, None, ".")
    pack(tmp_path / "keras", tmp_path / "b.parity")
    assert (tmp_path / "b.parity").read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["a.parity"]
    with pytest.raises(InputError, match=r"a\.parity: cannot be written"):
        recorded.pack(path / "a.parity")


@each_row("name", ["no.parity", ".", "/dev/zero", "a\0b"])
def test_what_is_no_file_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = "there is no such bundle; write one with `parity record`"
    with pytest.raises(InputError, match=told):
        unpack(Path(name), tmp_path / "keras")
    assert files(tmp_path) == []


def drop(key):
    return both(gone(key), lambda r: r.facts["noise"].pop(key, None))


def setting(**values):
    return lambda r: r.spec.update(values)


REFUSALS = {
    "no_weight": (drop("weights/dense1.bias"), "the array 'weights/dense1.bias' is missing"),
    "no_init": (drop("init/dense1.bias"), "the array 'init/dense1.bias' is missing"),
    "no_forward": (drop("forward/eval/dropout/output"), "eval/dropout/output' is missing"),
    "no_input": (drop("input/probe/0"), "the array 'input/probe/0' is missing"),
    "no_target": (drop("target/step2"), "the array 'target/step2' is missing"),
    "no_confident": (drop("loss/confident/target"), "'loss/confident/target' is missing"),
    "no_losses": (drop("trajectory/losses"), r"'trajectory/losses' has the shape None"),
    "no_rates": (drop("optimizer/learning_rate"), "'optimizer/learning_rate' has the shape None"),
    "no_gradient": (drop("gradient/dense2.bias"), "the array 'gradient/dense2.bias' is missing"),
    "shape": (
        put({"weights/dense1.bias": np.zeros(5)}),
        r"'weights/dense1.bias' has the shape \(5,\); expected \(4,\)",
    ),
    "losses": (put({"trajectory/losses": np.zeros(3)}), r"has the shape \(3,\); expected \(2,\)"),
    "loss": (put({"loss/value": np.zeros(1)}), r"'loss/value' has the shape \(1,\); expected \(\)"),
    "draws": (put({"init/dense1.bias": np.zeros(4)}), "expected 1 to 100 draws"),
    "entries": (
        put({"init/dense1.bias": np.zeros((5, 3))}),
        "and their 4 entries or the first 1,000",
    ),
    "many_draws": (
        put({f"init/{name}": np.zeros((101, 1)) for name in check_pairs.SHAPES}),
        "expected 1 to 100 draws",
    ),
    "epochs": (
        put({"schedule/epochs": np.zeros((2, 2))}),
        "'schedule/epochs' has not up to",
    ),
    "stopped": (
        put({"schedule/stopped": np.array(0.0)}),
        "'schedule/stopped' is 'F64'; expected I64",
    ),
    "steps": (put({"schedule/steps": np.zeros(3)}), r"'schedule/steps' has the shape \(3,\)"),
    "float32": (put({"weights/dense1.bias": np.zeros(4, np.float32)}), "is 'F32'; expected F64"),
    "mask": (
        put({"mask/train/dropout": np.zeros((4, 4), np.int64)}),
        "is 'I64'; expected BOOL or F64",
    ),
    "part": (put({"code/x": np.zeros(1)}), "'code/x' is none that this version knows"),
    "empty": (put({"forward/eval/x/input/0": np.zeros((0, 3))}), "expected integers of at least 1"),
    "scalar": (
        put({"forward/eval/output": np.array(1.0)}),
        r"'forward/eval/output' has the shape \(\)",
    ),
    "axes": (put({"forward/eval/x/input/0": np.zeros([1] * 9)}), "has 9 axes; expected at most 8"),
    "noise_nan": (fact(float("nan"), "noise", "loss/value"), "facts.noise.loss/value is nan"),
    "noise_unknown": (fact(1.0, "noise", "loss/other"), "'loss/other', which is not there"),
    "two_nodes": (fact("dense1", "nodes", 3, "name"), "two nodes have the name 'dense1'"),
    "source_after": (fact([3], "nodes", 1, "sources"), "has the source 3; expected one before"),
    "source_far": (fact([10**12], "nodes", 1, "sources"), "expected one before"),
    "no_weight_fact": (fact(["x.y"], "nodes", 0, "weights"), "has the weight 'x.y', which is not"),
    "not_compared": (fact(7, "schedule", "not_compared"), "not_compared is 7; expected array"),
    "structure": (fact([0, 0], "input_structure"), r"has \[0, 0\]; expected each input from 0 to"),
    "structure_text": (fact("x", "input_structure"), r"facts.input_structure: it has \['x'\]"),
    "structure_no_number": (fact({}, "input_structure"), "expected each input from 0 to 0 once"),
    "seed": (setting(seed=-1), r"its spec: seed=-1: expected an integer in \[0, 2\*\*32 - 1\]"),
    "seed_large": (setting(seed=2**32), r"its spec: seed=4294967296"),
    "seed_text": (setting(seed="0"), "its spec: seed='0'"),
    "unknown": (setting(shell="rm"), "its spec: unknown setting 'shell'"),
    "device": (setting(device="tpu"), "its spec: device='tpu'"),
    "steps_spec": (setting(steps=10**15), r"'trajectory/losses' has the shape \(2,\)"),
    "keras": (setting(keras=7), "its spec: keras=7"),
}


@each_row(("change", "message"), REFUSALS.values(), ids=REFUSALS)
def test_contents_that_do_not_fit_are_refused_with_a_reason(change, message, recorded, sandbox):
    changed = recorded.copy()
    change(changed)
    assert re.search(message, opened(hostile.forged(changed)))


def damaged(family, recorded, whole):
    """Bundles by name, each with what it may be read as; of changed facts every third."""
    if family == "facts":
        changes = hostile.facts(recorded, np.random.default_rng(7))
        every_third = itertools.islice(changes, 0, None, 3)
        return [(name, hostile.forged(changed), changed) for name, changed in every_third]
    is_of_bytes = family in ("truncated", "flipped", "archives")
    given = (whole, np.random.default_rng(20_240)) if is_of_bytes else (recorded,)
    return [(name, content, recorded) for name, content in getattr(hostile, family)(*given)]


@each_row(
    ("family", "least"),
    [
        *((family, 1) for family in ("truncated", "texts", "headers", "codes")),
        # A flipped bit in a date or in the attributes of an entry changes nothing that is read.
        *(("flipped", 0.5), ("archives", 0.5), ("facts", 0.485)),
    ],
)
def test_a_damaged_bundle_is_refused_or_still_the_same(family, least, recorded, whole, sandbox):
    before = sorted({*files(sandbox), "deep/er/work/x.parity"})
    is_refused = []
    for name, content, changed in damaged(family, recorded, whole):
        found = opened(content)
        is_refused.append(isinstance(found, str))
        assert is_refused[-1] or is_same(found, changed) or "NaN" in name, name
        assert files(sandbox) == before, name
    assert len(is_refused) >= 24
    assert np.mean(is_refused) >= least


def test_the_same_contents_are_the_same_bytes(recorded, whole, tmp_path):
    other = recorded.copy()
    other.arrays = dict(reversed(other.arrays.items()))
    other.facts = dict(reversed(other.facts.items()))
    assert other.pack(tmp_path / "b.parity").read_bytes() == whole
    other.arrays["loss/value"] = np.nextafter(other.arrays["loss/value"], 2)
    assert other.pack(tmp_path / "c.parity").read_bytes() != whole


def test_an_archive_of_4_gib_and_more_would_be_read(recorded, whole, tmp_path):
    """As zipfile writes it then: with the records of zip64, which can be asked for earlier."""
    path = tmp_path / "a.parity"
    with zipfile.ZipFile(tmp_path / "whole", "w") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", 100)
        arrays = hostile.arrays_of(recorded)
        for name, content in ((FACTS, hostile.facts_of(recorded, arrays)), (ARRAYS, arrays)):
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        file.close()
    (tmp_path / "whole").rename(path)
    assert b"PK\6\6" in path.read_bytes()
    unpack(path, tmp_path / "keras")
    assert Trace(tmp_path / "keras").facts == recorded.facts


# --- refusals ------------------------------------------------------------------------------------


def test_what_could_not_be_read_is_not_written(recorded, tmp_path):
    changed = recorded.copy()
    changed.arrays["gradient/dense1.bias"] = np.zeros(4, np.float32)
    message = "this Keras model cannot be recorded: the array 'gradient/dense1.bias' is 'F32'"
    with pytest.raises(InputError, match=message):
        changed.pack(tmp_path / "a.parity")
    assert files(tmp_path) == []


def test_what_a_terminal_would_obey_is_not_repeated(recorded, sandbox):
    weights = {"\x1b[2J\nall is well": {"shape": "x", "trainable": True}}
    for path, value in ((("weights",), weights), (("nodes", 0, "name"), "\x1b[2J")):
        changed = recorded.copy()
        fact(value, *path)(changed)
        assert opened(hostile.forged(changed)).isprintable()
    assert opened(hostile.zipped(("\x1b[2J", b""), ("b", b""))).isprintable()
    text = hostile.with_text(recorded, lambda t: t.replace(b"parity.bundle/2", b"\\u001b[2J"))
    assert opened(text).isprintable()


# --- anything ------------------------------------------------------------------------------------


WORST = """
import resource, sys
from pathlib import Path
from parity.traces.bundle import unpack
from parity.errors import InputError
import numpy, safetensors
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        unpack(path, path.parent.with_name("traces") / path.name)
        print(path.name, "read")
    except InputError:
        print(path.name, "refused")
"""


def test_no_bundle_takes_more_memory_than_1_gib(recorded, whole, tmp_path):
    arrays = hostile.arrays_of(recorded)
    bundles = {
        "brackets": hostile.zipped((FACTS, b"[" * 2**24), (ARRAYS, arrays)),
        "lists": hostile.zipped((FACTS, b"[" + b"[]," * 2**20 + b"[]]"), (ARRAYS, arrays)),
        "larger": hostile.zipped((FACTS, b" " * (2**24 + 1)), (ARRAYS, arrays)),
        "bomb": hostile.zipped((FACTS, bytes(2**28)), (ARRAYS, arrays)),
        "arrays": hostile.zipped(
            (FACTS, hostile.facts_of(recorded, arrays)), (ARRAYS, bytes(2**28))
        ),
        "header": hostile.with_arrays(recorded, (2**24).to_bytes(8, "little") + b"[" * 2**24),
        "entries": hostile.with_directory(whole, 500_000),
        "claims": whole.replace(len(arrays).to_bytes(4, "little"), (2**31).to_bytes(4, "little")),
        "whole": whole,
    }
    for name, content in bundles.items():
        (tmp_path / name).write_bytes(content)
    ended = subprocess.run(
        [sys.executable, "-c", WORST, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 0, ended.stderr[-2_000:]
    found = dict(line.split() for line in ended.stdout.splitlines())
    assert found == {name: "read" if name == "whole" else "refused" for name in bundles}


@each_row(
    ("key", "dtype"),
    [
        ("draw/eval/0/uniform", "F64"),
        ("augmented/train/random_flip/output", "F64"),
        ("image_state/train/random_flip", "I64"),
        ("image_changes/conv2d/0", "F64"),
        ("input/probe/1", "BOOL"),
    ],
)
def test_what_a_model_draws_and_truth_values_may_be_in_a_bundle(key, dtype):
    assert check_array(key, dtype, [2, 3]) == ""
    assert "expected" in check_array(key, "F32", [2, 3])
