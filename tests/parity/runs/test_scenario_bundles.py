"""A scenario trained against a recorded run of it has the result of both halves."""

import pytest
from pairs import compared_with, shared_run
from recorded_runs import against, forged, told

from parity.errors import InputError
from parity.programs.scenario_spec import of_run
from parity.programs.scenarios import scenario
from parity.traces.bundle_run import pack_run, unpack_run
from parity.traces.bundle_spec import read_run
from parity.traces.folder import RunFolder

pytestmark = pytest.mark.long


# A flow with recorded states, and masks without them; masks with them are in test_bundle_run.py.
SMALL = {"epochs": 2, "train_size": 70, "val_size": 20}
RUNS = {
    "augmentation": scenario("augmentation").replace(**SMALL),
    "dropout": scenario("dropout").replace(dtype="float64", **SMALL),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Folder of the run and bundle, by scenario, recorded when they are asked for."""
    known = {}

    def get(name):
        if name not in known:
            folder = shared_run(tmp_path_factory, RUNS[name])
            bundle = tmp_path_factory.mktemp(name) / "run.parity"
            pack_run(RunFolder(folder).half("keras"), bundle, {})
            known[name] = folder, bundle
        return known[name]

    return get


@pytest.mark.parametrize("name", RUNS)
def test_the_result_is_that_of_both_halves(recorded, tmp_path, name):
    folder, bundle = recorded(name)
    both = compared_with(folder, tmp_path / "both")
    result = against(bundle, of_run(scenario(name)), tmp_path / "against")
    assert told(result) == told(both)
    assert (result.verdict, result.incomplete) == ("pass", ())
    assert result.spec == RUNS[name].to_dict()
    assert {"eval_accuracy", "val_accuracy"} <= result.history["torch"].keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: facts.pop("num_classes"), "num_classes"),
        (lambda facts: facts.update(num_classes=7), "'predictions/val' is missing, or of other"),
        (lambda facts: facts.update(num_val=None), "of other samples or classes"),
    ],
    ids=["no classes", "other classes", "no samples"],
)
def test_a_forged_bundle_of_a_scenario_is_refused(recorded, tmp_path, change, message):
    _, bundle = recorded("dropout")
    wrong = tmp_path / "forged.parity"
    wrong.write_bytes(forged(bundle, lambda content, stored: change(content["facts"])))
    with pytest.raises(InputError, match=message):
        unpack_run(wrong, RunFolder(tmp_path / "keras"))
    assert read_run(bundle).spec.run.scenario == "dropout"
