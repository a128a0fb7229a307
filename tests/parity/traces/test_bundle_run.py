"""A bundle of a run is what the Keras half left, or it is refused with a sentence."""

import contextlib
import itertools
import shutil

import hostile_bundles as hostile
import numpy as np
import pytest
import recorded_runs
from changes import REMOVED, changed
from helpers import assert_same_bits
from programs_here import FOLDER
from recorded_runs import archived, entries_of, forged, with_text
from rows import each_row

from parity.errors import InputError
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.bundle_run import pack_run, unpack_run
from parity.traces.bundle_spec import ARRAYS, FACTS, RUN_ARRAYS, RUN_FACTS, read_run
from parity.traces.feed_file import form_of, read_feed
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

KINDS = {
    "float64": {},
    "float32": {"dtype": "float32"},
    "flow": {"keras": "flow_keras.py:validated_on_a_flow", "torch": "flow_torch.py:build"},
    "stream": {"keras": "keras_side.py:stream"},
    "outputs": {"keras": "outputs_keras.py:build", "torch": "outputs_torch.py:build"},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run folder and bundle by kind, recorded when they are asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield lambda kind: recorded_runs.shared(tmp_path_factory, **KINDS[kind])


def contents(half):
    """All that a half leaves: what JSON has, and the arrays by their places."""
    found, arrays = [], {}
    for place in (half, half.training):
        trace = Trace(place.path)
        found.append((trace.facts, list(trace.history.items()), trace.wall_s))
        arrays |= {f"{place.path.name}/{key}": trace[key] for key in trace._sorted}
    nests, settings = read_feed(half.feed)
    found.append((settings, {name: form_of(name, nest, arrays) for name, nest in nests.items()}))
    anchors = AnchorFolder(half.training, pytest.fail)
    found.append(anchors.plan())
    for step in trace.facts.get("anchors", []):
        of_step, form = anchors.content(step)
        found.append(form)
        arrays |= {f"anchors/{step}/{key}": array for key, array in of_step.items()}
    return found, arrays


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:`shuffle=True`", "ignore:Your input ran out")
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_keras_half_left_is_read_to_the_bit(kind, runs, tmp_path):
    run, bundle = runs(kind)
    unpack_run(bundle, RunFolder(tmp_path).half("keras"))
    (found, ours), (expected, theirs) = (
        contents(each.half("keras")) for each in (RunFolder(tmp_path), run)
    )
    assert found == expected
    assert set(ours) == set(theirs)
    for key, array in theirs.items():
        assert_same_bits(ours[key], array)
    assert any(key.startswith("anchors/") for key in ours) == (kind == "float32")


PHANTOM = ("feed", "settings", "phantom_steps", "0")


def array(key, values):
    """Another array under a key, which is stored as it is."""

    def change(content, stored):
        values_ = np.array(values, np.float64)
        content["arrays"][key] = {"dtype": "F64", "shape": [*values_.shape], "as": "bytes"}
        flat = values_.reshape(-1)
        stored[key] = np.ascontiguousarray(flat.view(np.uint8).reshape(flat.size, 8).T)

    return change


def at(*place, to):
    """Another value at a place of run.json."""
    return lambda content, stored: content.update(changed(content, place, to))


def without(*place):
    return at(*place, to=REMOVED)


FED = {
    "count": ("stream", at(*PHANTOM, "count", to=0), "count is 0; expected int >= 1"),
    "masks": ("stream", at(*PHANTOM, "masks", to={"x": [1, 2]}), "not those of the layers"),
    "no_steps": ("stream", without("feed", "settings", "phantom_steps"), "has no 'phantom_steps'"),
    "index": ("flow", array("training/flow/index", np.zeros((2, 2))), "expected ()"),
    "drawn": ("flow", array("training/flow/drawn/code", np.zeros(3)), "/drawn/code' has the shape"),
}


def dropped(key):
    def change(content, stored):
        del content["arrays"][key]
        stored.pop(key, None)

    return change


FLOWS = {
    "index": (array("feed/train_flow/index", np.zeros(200)), "no rows of integers"),
    "sizes": (
        at("arrays", "feed/train_flow/sizes", "shape", to=[2, 14]),
        "no rows of integers",
    ),
    "sums": (array("feed/train_flow/sums", np.zeros(3)), "has other sums than batches"),
    "drawn": (array("feed/train_flow/drawn/tx", np.zeros(3)), "for another number of images"),
    "draws": (
        array("feed/train_flow/drawn/tx", np.full(200, np.inf)),
        "draws of tx that are not finite",
    ),
    "mean": (
        at("feed", "settings", "flows", "train_flow", "arguments", "featurewise_center", to=True),
        "has not the mean that its generator uses",
    ),
    "no_flow": (without("feed", "settings", "flows", "val_flow"), "flows has no 'val_flow'"),
    "ends": (at("feed", "settings", "epoch_ends", to=[7]), "are not those of the training"),
    "val_ends": (at("feed", "settings", "val_ends", to=[3]), "1 validations for 4 epochs"),
    "no_sums": (dropped("training/image_sums"), "has no images of a step"),
}


STEPS = 60  # of the training in float64, in twelve epochs


def renamed(key, to):
    def change(content, stored):
        content["arrays"][to] = content["arrays"].pop(key)
        stored[to] = stored.pop(key)

    return change


def nested(depth):
    """The form of an array in so many lists."""
    return {"parts": [nested(depth - 1)]} if depth else "array"


WRONG = {
    "schema": (at("schema", to="parity.run_bundle/0"), "record it again"),
    "spec": (at("spec", "epochs", to=0), "its spec: epochs=0"),
    "no_keras": (at("spec", "keras", to=None), "its spec has no keras"),
    "files": (at("files", to={"a": 3}), "run.json.files.a is 3; expected str"),
    "wall": (at("wall_s", to=-1.0), "wall_s is -1.0"),
    "history_short": (at("history", "loss", to=[1.0]), "history.loss has 1 numbers for 12 epochs"),
    "history_empty": (at("history", to={}), "history has no 'loss'"),
    "ends": (at("facts", "epoch_ends", to=[5, 5]), "facts.epoch_ends are no numbers of steps"),
    "batch_size": (at("facts", "fit", "batch_size", to=-3), "facts.fit.batch_size is -3"),
    "anchors": (at("facts", "anchors", to=[0]), "facts has no 'anchors_measured'"),
    "other_states": (at("anchors", to={}), "the recorded states of which its facts speak"),
    "steps": (array("training/loss", np.zeros(STEPS - 1)), "'training/loss' has the shape (59,)"),
    "rates": (array("training/rates", np.full(STEPS, np.nan)), "values that are not finite"),
    "no_rates": (dropped("training/rates"), "'training/rates' has the shape None"),
    "final": (array("training/final/dense.bias", np.zeros(9)), "has the shape (9,); expected (8,)"),
    "no_final": (dropped("training/final/dense.bias"), "has the shape None; expected (8,)"),
    "weight": (dropped("training/weights/5/dense.bias"), "some weights of step 5 are missing"),
    "of_no_step": (
        renamed("training/weights/5/dense.bias", "training/weights/61/dense.bias"),
        "is of no step and weight",
    ),
    "no_number": (
        renamed("training/weights/5/dense.bias", "training/weights/../../x"),
        "is of no step and weight",
    ),
    "images": (array("training/images/1", np.zeros((1, 2, 2, 1))), "has no images of a step"),
    "part": (array("code/x", np.zeros(3)), "'code/x' of F64 is of no training"),
    "state": (array("anchor/0/rates", np.zeros(3)), "of which its facts do not speak"),
    "anchored": (array("anchored/0/loss", np.zeros(3)), "is none that a training leaves"),
    "feed_name": (at("feed", "forms", "code", to=None), "feed has 'code'; expected some of x, y"),
    "feed_form": (at("feed", "forms", "x", to="pickle"), "feed/x has the form pickle"),
    "feed_deep": (
        at("feed", "forms", "weight", to=nested(10)),
        "is nested deeper than 8",
    ),
    "feed_other": (at("feed", "forms", "weight", to="array"), "speak of other arrays than there"),
    "feed_less": (at("feed", "forms", "y", to=None), "speak of other arrays than there are"),
    "feed_none": (without("feed", "forms"), "feed has no 'forms'"),
    "feed_kinds": (
        at("feed", "forms", "train_batches", to={"parts": []}),
        "no samples of training, or several kinds",
    ),
    "feed_val": (
        at("feed", "forms", "val_batches", to={"parts": []}),
        "several kinds of samples of validation",
    ),
    "feed_settings": (at("feed", "settings", "a", to=1), "feed.settings is not empty"),
    "feed_rows": (array("feed/x", np.zeros((69, 6))), "have [69, 70] samples; expected one number"),
    "feed_scalar": (array("feed/x", 0.0), "have [0, 70] samples; expected one number"),
    "code": (at("arrays", "feed/x", to=[]), "has no dtype, shape and as"),
    "dtype": (at("arrays", "feed/x", "dtype", to="OBJECT"), "'feed/x' is 'OBJECT'"),
    "empty": (at("arrays", "feed/x", "shape", to=[0, 6]), "expected integers of at least 1"),
    "huge": (at("arrays", "feed/x", "shape", to=[2**50, 6]), "its arrays claim "),
    "not_stored": (lambda content, stored: stored.pop("feed/x"), "has other arrays than run.json"),
    "more_stored": (
        lambda content, stored: stored.update(x=np.zeros((8, 1), np.uint8)),
        "has other arrays than run.json speaks of",
    ),
}


STATES = {
    "no_states": (at("anchors", to=None), "the recorded states of which its facts speak"),
    "steps": (at("facts", "anchors", to=[3, 2]), "facts.anchors are no numbers of steps"),
    "behind": (at("facts", "anchors", -1, to=10**6), "facts.anchors are no numbers of steps"),
    "measured": (at("facts", "anchors_measured", to=[3]), "not some of facts.anchors"),
    "plan": (at("anchors", "plan", "measured", to=[3]), "other steps in its parts than in all"),
    "plan_text": (at("anchors", "plan", "steps", to="all"), "steps is 'all'; expected array"),
    "batches": (without("anchors", "batches", "0"), "not those of the recorded states"),
    "batch": (at("anchors", "batches", "0", to=None), "has not the batches of 3 steps"),
    "triple": (at("anchors", "batches", "0", "parts", 0, to="array"), "is no (x, y, weight)"),
    "no_rates": (dropped("anchor/0/rates"), "'anchor/0/rates' has the shape None"),
    "weights": (dropped("anchor/0/weights/dense.bias"), "has the shape None; expected (8,)"),
    "integers": (
        at("arrays", "anchor/0/masks/dropout", "dtype", to="F64"),
        "'anchor/0/masks/dropout' is F64; expected ('I64',)",
    ),
    "moved": (dropped("anchored/0/moved/1/dense.bias"), "has the shape None; expected (8,)"),
    "scalar": (array("anchored/0/running/loss", [1.0]), "has the shape (1,); expected ()"),
    "of_no_state": (array("anchored/3/running/loss", 1.0), "is of no recorded state"),
    "kind": (array("anchored/0/code/loss", 1.0), "none that steps from a recorded state leave"),
    "noise": (array("anchor_noise/loss", [1.0]), "has the shape (1,); expected (8,)"),
    "epoch": (array("anchor/0/images/0", [1.0]), "'anchor/0/images/0' is of no recorded state"),
}


ALL = [
    *(("float64", change, message) for change, message in WRONG.values()),
    *(("float32", change, message) for change, message in STATES.values()),
    *(("flow", change, message) for change, message in FLOWS.values()),
    *FED.values(),
]


@pytest.mark.filterwarnings("ignore:`shuffle=True`", "ignore:Your input ran out")
@each_row(("kind", "change", "message"), ALL, ids=[*WRONG, *STATES, *FLOWS, *FED])
def test_a_run_that_no_keras_half_leaves_is_refused(kind, change, message, runs, tmp_path):
    assert message in refusal(forged(runs(kind)[1], change), tmp_path)


def test_damage_is_refused(runs, tmp_path):
    whole, draw = runs("float64")[1].read_bytes(), np.random.default_rng(1)
    for _, content in hostile.truncated(whole, draw):
        assert refusal(content, tmp_path)
    num_read = 0
    for _, content in itertools.islice(hostile.flipped(whole, draw), 20):
        with contextlib.suppress(InputError):
            (tmp_path / "x.parity").write_bytes(content)
            unpack_run(tmp_path / "x.parity", RunFolder(tmp_path).half("keras"))
            num_read += 1  # such as the time of an entry
            shutil.rmtree(tmp_path / "keras")
    assert num_read < 4


def test_other_entries_are_refused(runs, tmp_path):
    entries = entries_of(runs("float64")[1])
    for name in ("../escaped", "a" * 300):
        others = {name if key == RUN_FACTS else key: value for key, value in entries.items()}
        assert "expected bundle.json" in refusal(archived(others), tmp_path)
        assert "entries; expected" in refusal(archived({**entries, name: b"x"}), tmp_path)
    less = {key: value for key, value in entries.items() if key != RUN_ARRAYS}
    assert "it has 3 entries" in refusal(archived(less), tmp_path)
    bomb = {**entries, RUN_FACTS: b" " * (2**24 + 1)}
    assert "run.json claims" in refusal(archived(bomb), tmp_path)


def test_a_training_that_could_not_be_read_again_is_not_written(runs, tmp_path):
    run = recorded_runs.copied(runs("float64")[0], tmp_path / "run")
    history = run.half("keras").training.history
    history.write_text(history.read_text().replace('"loss"', '"other"'))
    with pytest.raises(InputError, match="this training cannot be recorded: history has no 'loss'"):
        pack_run(run.half("keras"), tmp_path / "a.parity", {})
    assert not (tmp_path / "a.parity").exists()


def test_it_says_how_it_was_recorded_and_nothing_of_the_port(runs, tmp_path):
    run, _ = runs("float64")
    size = pack_run(run.half("keras"), tmp_path / "a.parity", {"keras_side.py": "0f"})
    record = read_run(tmp_path / "a.parity")
    assert (record.spec.keras, record.spec.seed) == ("keras_side.py:build", 42)
    assert (record.spec.torch, record.spec.folder) == (None, ".")
    assert record.files == {"keras_side.py": "0f"}
    assert size.probes + size.training < (tmp_path / "a.parity").stat().st_size
    # 70 and 23 samples of 6 features and a label, and the order of the first.
    assert size.fed == 8 * (93 * 7 + 70)


def test_a_bundle_of_a_check_is_no_run(runs, tmp_path):
    _, bundle = runs("float64")
    entries = entries_of(bundle)
    path = tmp_path / "check.parity"
    path.write_bytes(archived({name: entries[name] for name in (FACTS, ARRAYS)}))
    for read in (read_run, lambda path: unpack_run(path, RunFolder(tmp_path / "keras"))):
        with pytest.raises(InputError, match="it holds a check alone, and no whole run; record"):
            read(path)
    assert [each.name for each in tmp_path.iterdir()] == ["check.parity"]


# --- refusals ------------------------------------------------------------------------------------


def refusal(content, folder):
    """Why bytes are refused as a bundle of a run; nothing else is left."""
    path = folder / "x.parity"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        unpack_run(path, RunFolder(folder).half("keras"))
    assert [each.name for each in folder.iterdir()] == ["x.parity"]
    return hostile.why_refused(caught.value, path)


def test_numbers_that_no_json_has_are_refused(runs, tmp_path):
    _, bundle = runs("float64")
    for number in (b"NaN", b"1e999", b"1" * 400):
        content = with_text(
            bundle, RUN_FACTS, lambda text, n=number: text.replace(b'"seed": 42', b'"seed": ' + n)
        )
        assert refusal(content, tmp_path)
