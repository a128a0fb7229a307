"""Of the settings, those decide a run that change what its half computes."""

from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.sweeps.rows import deciding


def test_a_scenario_is_decided_by_all_but_its_name_and_keras_not_by_the_mode_of_torch():
    names = set(RunSpec().to_dict()) - {"scenario"}
    assert set(deciding(RunSpec(), "torch")) == names
    assert set(deciding(RunSpec(), "keras")) == names - {"mode"}


def test_a_program_is_decided_by_all_but_names_and_places_and_keras_not_by_its_port():
    spec = ProgramSpec(keras="k.py:build", torch="t.py:build")
    names = set(spec.to_dict()) - {"program", "folder", "max_feed"}
    assert set(deciding(spec, "torch")) == names
    assert set(deciding(spec, "keras")) == names - {"torch"}
