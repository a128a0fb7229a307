"""Ports of programs whose losses are code of the user's own that only calls Keras."""

import re
import runpy
from pathlib import Path

import pytest

from parity.programs.check_spec import CheckSpec
from parity.runs.check_halves import CheckOptions
from parity.runs.port import port_spec

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

SUPPORT = Path(__file__).resolve().parents[2] / "support"


def ported(name, folder, *, plain=False):
    spec = CheckSpec(keras=f"ported_keras:{name}", folder=str(SUPPORT))
    return port_spec(spec, folder / f"port_of_{name}", CheckOptions(), plain=plain)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        *(("own_losses", False), ("own_losses", True), ("own_losses_without_weights", False)),
        *(("own_losses_without_weights", True), ("masked_loss", False)),
        *(("cast_loss", False), ("cast_loss", True)),
    ],
)
def test_they_are_written_and_pass(name, plain, tmp_path):
    done = ported(name, tmp_path, plain=plain)
    assert (done.open, done.left_out) == ((), ())
    assert done.result.verdict == "pass"
    source = (done.folder / "train.py").read_text(encoding="utf-8")
    assert "TO WRITE" not in source
    assert ("mask_of(y_pred)" in source) == (name == "masked_loss")
    assert ("LearningRateScheduler(optimizer, stepped)" in source) == (name == "masked_loss")
    assert source.count("sample_weight: torch.Tensor | None") == 2 * (name == "own_losses")


def failure_of(name, folder, change, monkeypatch):
    """What the test of a package says of a change of its train.py.

    It is to have another length, or Python takes what it compiled of the file in the same second.
    """
    done = ported(name, folder)
    train = done.folder / "train.py"
    text = train.read_text(encoding="utf-8")
    changed = change(text)
    assert len(changed) != len(text)
    train.write_text(changed, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    test = runpy.run_path(str(done.folder / "test_parity.py"))
    with pytest.raises(AssertionError) as failure:
        test["test_the_port_trains_as_keras_does"]()
    return str(failure.value)


def test_a_loss_without_its_mean_is_told_as_such(tmp_path, monkeypatch):
    """What a person forgets who writes Keras's code line by line."""

    def change(text):
        return re.sub(r"return reduce_weighted\(.*\)", "return values * sample_weight", text)

    told = " ".join(failure_of("own_losses", tmp_path, change, monkeypatch).split())
    assert "cause D21 the port's loss is a value for each sample" in told
    assert "a tensor of shape (" in told
    assert "expected one, the mean over all samples" in told
    assert "fix return losses.mean() at the end of the loss" in told
    assert "Port(target=...)" not in told


def test_a_plain_one_with_a_mask_stays_a_stub(tmp_path):
    done = ported("masked_loss", tmp_path, plain=True)
    (sentence,) = done.open
    assert "squares, the loss, is to be written" in sentence
    assert done.left_out == (
        "the callback LearningRateScheduler: its function is code of the program",
    )
    assert done.result.verdict == "error"
