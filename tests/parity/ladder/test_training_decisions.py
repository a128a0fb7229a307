"""Two right trainings in float32 that decide otherwise: told with the margin, and no fault."""

import numpy as np
import pytest

from parity.files.json_io import write_json
from parity.ladder.comparers.training_anchors import decisions
from parity.ladder.items import FAIL, PASS
from parity.traces.folder import RunFolder
from parity.traces.trace import CheckWriter, RunResult, Trace

# Of four epochs of two steps. The second epoch improves on 0.5 by 0.0001 in Keras, and by no more
# than min_delta in torch, so that torch cuts its rate an epoch earlier.
WATCHED = {"monitor": "val_loss", "is_max": False, "min_delta": 1e-4, "start": 0}
KERAS, TORCH = [0.5, 0.4998, 0.6, 0.6], [0.5, 0.49995, 0.6, 0.6]
CUT_LATE, CUT_EARLY = [1.0, 1.0, 1.0, 0.1], [1.0, 1.0, 0.1, 0.1]


@pytest.fixture
def halves(tmp_path):
    """The traces of both halves, with rates and losses of epochs."""

    def written(name, rates, losses, **facts):
        writer = CheckWriter()
        by_step = np.repeat(rates, 2)
        writer.put("training/rates", by_step)
        writer.facts |= {"epoch_ends": [2 * (n + 1) for n in range(len(rates))], **facts}
        for half in ("keras", "torch"):
            # What the port's rule says of either history; both halves did as it says.
            own = CUT_LATE if half == "keras" else CUT_EARLY
            writer.put(f"rules/{half}/rates", np.repeat(own[: len(rates)], 2))
            writer.put(f"rules/{half}/epochs", np.array(4))
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        write_json(folder.spec, {})
        history = {"val_loss": losses, "val_accuracy": [1 - loss for loss in losses]}
        writer.write(folder.path, environment={}, result=RunResult(history, {}, 0.0))
        return Trace(folder.path)

    def make(watched=WATCHED, ours=(CUT_EARLY, TORCH)):
        keras = written("keras", CUT_LATE, KERAS, watched=[watched])
        return keras, written("torch", *ours)

    return make


def test_halves_that_decide_otherwise_are_told_with_the_margin_and_pass(halves):
    outcome = decisions(*halves())
    assert outcome.status == PASS
    told = "from epoch 3 on the halves decide otherwise: the val_loss of the halves differ by up to"
    assert f"{told} 0.00015" in outcome.tolerance_source
    assert outcome.tolerance_source.endswith("decided on an improvement by 0.0001 in epoch 2")


def test_a_rule_that_watches_a_maximum_has_the_same_margin(halves):
    watched = {**WATCHED, "monitor": "val_accuracy", "is_max": True}
    assert decisions(*halves(watched)).tolerance_source.endswith("improvement by 0.0001 in epoch 2")


def test_halves_that_decide_alike_are_not_told(halves):
    keras, _ = halves()
    outcome = decisions(keras, keras)
    assert "otherwise" not in outcome.tolerance_source


def test_a_half_that_did_not_do_what_its_rule_says_fails_all_the_same(halves):
    outcome = decisions(*halves(ours=(CUT_LATE, TORCH)))
    assert outcome.status == FAIL
    failed = [item.name for item in outcome.items if item.status == FAIL]
    assert failed == ["learning rates of torch by its rules"]


def test_rates_that_differ_from_the_start_were_not_decided(halves):
    outcome = decisions(*halves(ours=([0.5, 0.5, 0.1, 0.1], TORCH)))
    assert outcome.status == FAIL
    assert "otherwise" not in outcome.tolerance_source


def test_a_column_that_is_not_in_both_histories_has_no_margin(halves):
    outcome = decisions(*halves({**WATCHED, "monitor": "val_auc"}))
    assert outcome.status == PASS
    assert "otherwise" not in outcome.tolerance_source
