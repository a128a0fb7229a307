"""Of the settings, those decide a run that change what its half computes."""

from rows import each_row

from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.sweeps.rows import deciding

PROGRAM = ProgramSpec(keras="k.py:build", torch="t.py:build")


@each_row(
    ("spec", "half", "left_out"),
    [
        (RunSpec(), "torch", {"scenario"}),
        (RunSpec(), "keras", {"scenario", "mode"}),
        (PROGRAM, "torch", {"program", "folder", "max_feed"}),
        (PROGRAM, "keras", {"program", "folder", "max_feed", "torch"}),
    ],
)
def test_all_decides_but_names_and_places_and_what_is_the_other_halfs(spec, half, left_out):
    assert set(deciding(spec, half)) == set(spec.to_dict()) - left_out
