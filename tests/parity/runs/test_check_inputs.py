"""A port that changes what it is fed fails, whatever the inputs are; a right one passes."""

from itertools import groupby

import inputs_torch
import numpy as np
import pytest
from paths import SUPPORT

from parity import record
from parity.halves.job import ChildOptions
from parity.ladder.items import LEVEL_IDS
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions

pytestmark = pytest.mark.long

# Torch's own initial weights are not Keras's, and no port here draws Keras's.
LEVELS = [name for name in LEVEL_IDS if name != "init"]
# Masks of sequences are not compared in full.
LEFT_OPEN = {"masked", "recurrent", "masking"}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """The result of every port, in one process for each half."""
    names = sorted([*inputs_torch.RIGHT, *inputs_torch.WRONG])
    specs = [
        CheckSpec(
            keras=f"inputs_keras.py:{model}",
            torch=f"inputs_torch.py:{name}",
            steps=2,
            folder=str(SUPPORT),
        )
        for model, ports in groupby(names, lambda name: name.partition("__")[0])
        for name in ports
    ]
    options = CheckOptions(
        out=tmp_path_factory.mktemp("inputs") / "out",
        children=ChildOptions(workers=1),
        levels=LEVELS,
    )
    return dict(zip(names, check_all(specs, options), strict=True))


@pytest.mark.parametrize("name", inputs_torch.RIGHT)
def test_a_right_port_passes_with_inputs_of_every_form(name, verdicts):
    expected = {"pass", "incomplete"} if name in LEFT_OPEN else {"pass"}
    assert verdicts[name].verdict in expected, verdicts[name].divergences


@pytest.mark.parametrize("name", inputs_torch.WRONG)
def test_a_port_that_changes_an_input_fails(name, verdicts):
    assert verdicts[name].verdict == "fail"


def checked(folder, *specs):
    options = CheckOptions(out=folder / "out", children=ChildOptions(workers=1), levels=LEVELS)
    return [result.verdict for result in check_all(list(specs), options)]


@pytest.mark.parametrize("model", ["dictionary", "stateful"])
def test_a_bundle_feeds_a_port_as_keras_does(model, tmp_path):
    bundle = tmp_path / "model.parity"
    record(f"{SUPPORT}/inputs_keras.py:{model}", bundle, steps=2)
    wrong = {"dictionary": "dictionary__relu", "stateful": "stateful__forgets"}[model]
    specs = [
        CheckSpec(torch=f"inputs_torch.py:{name}", against=str(bundle), folder=str(SUPPORT))
        for name in (model, wrong)
    ]
    assert checked(tmp_path, *specs) == ["pass", "fail"]


def test_a_file_of_samples_has_an_array_for_each_input(tmp_path):
    draw = np.random.default_rng(0)
    x = {"x_user": draw.integers(0, 8, (30, 3)), "x_age": draw.normal(size=(30, 4))}
    np.savez(tmp_path / "samples.npz", **x, y=draw.normal(size=(30, 2)))
    specs = [
        CheckSpec(
            keras="inputs_keras.py:dictionary",
            torch=f"inputs_torch.py:{name}",
            data=str(tmp_path / "samples.npz"),
            steps=2,
            folder=str(SUPPORT),
        )
        for name in ("dictionary", "dictionary__relu")
    ]
    assert checked(tmp_path, *specs) == ["pass", "fail"]
