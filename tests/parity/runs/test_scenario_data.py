"""The data of a scenario are told, or refused, before anything is written."""

import pytest

from parity.data.load import run_data
from parity.errors import InputError
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import of_run
from parity.programs.scenarios import scenario
from parity.runs.run import data_record, run_all
from parity.runs.steps import RunOptions

RUN = scenario("dropout").replace(train_size=40, val_size=20)


def test_source_and_digests_are_those_of_the_arrays():
    told = data_record(of_run(RUN))
    assert told == {"source": RUN.data, "sha256": run_data(RUN).sha256}
    assert {"x_train", "y_train", "x_val", "y_val", "x_test", "y_test"} <= told["sha256"].keys()
    fewer = data_record(of_run(RUN.replace(train_size=39)))
    assert fewer["sha256"]["x_train"] != told["sha256"]["x_train"]


def test_a_program_of_the_users_has_its_own_data():
    assert data_record(ProgramSpec(keras="app:build", torch="port:build", data="no.npz")) == {}


BAD = {
    "independent": (RUN.replace(mode="independent"), "mode='independent': expected 'seeded'"),
    "nowhere": (RUN.replace(data="nowhere.npz"), "nowhere"),
    "too_many": (RUN.replace(train_size=10**6), "has 6000 images; expected at least"),
}


@pytest.mark.parametrize(("run", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_compared_is_refused_before_anything_is_written(run, message, tmp_path):
    with pytest.raises(InputError, match=message):
        data_record(of_run(run))
    out = tmp_path / "out"
    with pytest.raises(InputError, match=message):
        run_all([RUN.replace(seed=1), run], RunOptions(out=out))
    assert not out.exists()
