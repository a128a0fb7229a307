"""A check as an assertion: what it asks for, what it raises, what it tells."""

import contextlib
import dataclasses
import subprocess
import sys
import sysconfig
from pathlib import Path

import check_pairs
import pytest
from checked import level, result_of
from result_samples import accepted_check, incomplete_check

from parity import assert_parity
from parity.errors import InputError, RunError
from parity.testing.assertion import Settings, failure_text, import_paths, properties, settings

pytestmark = pytest.mark.usefixtures("warm_halves")

CAUSE = {
    "id": "F2",
    "title": "another padding",
    "detail": "",
    "confidence": 0.99,
    "keras": "same",
    "torch": "padding=1",
    "fix": "torch_impl.layers.Conv2D",
}


def build():
    """A factory, for its name."""


@pytest.fixture
def check_all(monkeypatch):
    """Replaces the check: gives `answer`, and keeps what it was asked."""

    def fake(specs, options):
        fake.specs += specs
        fake.options.append(options)
        if isinstance(fake.answer, Exception):
            raise fake.answer
        return [fake.answer]

    fake.specs, fake.options, fake.answer = [], [], result_of(level("loss"))
    monkeypatch.setattr("parity.runs.check.check_all", fake)
    return fake


@pytest.mark.parametrize(
    "answer", [result_of(level("loss"), level("gradient", worst=0.5)), incomplete_check()]
)
def test_one_that_fails_or_is_open_raises_its_report(check_all, answer):
    check_all.answer = answer
    with pytest.raises(AssertionError) as caught:
        assert_parity(keras="k:f", torch="m:f")
    assert str(caught.value) == failure_text(answer)


@pytest.mark.parametrize("kind", [InputError, RunError])
def test_an_error_is_raised_as_it_is_without_what_led_to_it(check_all, kind):
    check_all.answer = kind("the port: why")
    with pytest.raises(kind, match=r"^the port: why$") as caught:
        assert_parity(keras="k:f", torch="m:f")
    assert caught.value.__suppress_context__


def test_the_text_begins_with_the_cause_and_the_fix():
    result = result_of(level("loss"), level("gradient", worst=0.5), causes=(CAUSE,))
    first, *report = failure_text(result, Path("out")).splitlines()
    assert first == (
        "no parity: gradient: conv.kernel: F2 another padding; fix: torch_impl.layers.Conv2D"
    )
    assert report[0] == "model.py:build  seed 0  float64  replayed  FAIL"
    assert "    keras 1.5" in report
    assert "    fix   torch_impl.layers.Conv2D" in report
    assert report[-1] == "  results in out"
    assert "" not in report


def test_the_text_lists_all_divergences_with_their_fixes_before_the_report():
    levels = (level("loss", worst=0.25), level("gradient", worst=0.5), level("schedule", worst=1.0))
    result = result_of(*levels, causes=(CAUSE,))
    accepted = dataclasses.replace(result.divergences[2], is_accepted=True)
    result = dataclasses.replace(result, divergences=(*result.divergences[:2], accepted))
    assert failure_text(result).splitlines()[:4] == [
        "no parity in 2 places",
        "  loss: conv.kernel: F2 another padding; fix: torch_impl.layers.Conv2D",
        "  gradient: conv.kernel",
        "model.py:build  seed 0  float64  replayed  FAIL",
    ]


def test_a_check_that_is_not_decided_says_what_to_do():
    first, *report = failure_text(incomplete_check()).splitlines()
    assert first == "not decided: could not be compared: noise: replay noise"
    assert report[0].endswith("INCOMPLETE")
    assert properties(incomplete_check())["incomplete"] == "noise"


def test_a_check_of_which_something_is_accepted_passes(check_all):
    check_all.answer = accepted_check()
    assert assert_parity(keras="k:f", torch="m:f").verdict == "pass"
    found = properties(check_all.answer)
    assert (found["verdict"], found["accepted"], "cause" in found) == ("pass", "A5", False)


def test_properties_are_plain_values_by_name():
    result = result_of(level("loss"), level("gradient", worst=0.5), causes=(CAUSE,))
    assert properties(result) == {
        "verdict": "fail",
        "level": "gradient",
        "item": "conv.kernel",
        "cause": "F2",
        "causes": "F2",
        "loss.status": "pass",
        "loss.worst": 0.0,
        "loss.allowed": 1e-12,
        "gradient.status": "fail",
        "gradient.worst": 0.5,
        "gradient.allowed": 1e-12,
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (result_of(level("loss")), properties(result_of(level("loss")))),
        (InputError("why"), {"verdict": "error", "error": "why"}),
    ],
)
def test_every_outcome_is_told(check_all, answer, expected):
    check_all.answer, told = answer, []
    with settings(Settings(tell=told.append)), contextlib.suppress(InputError):
        assert_parity(keras="k:f", torch="m:f")
    assert told == [expected]


GIVEN = {"seed": 7, "steps": 8, "levels": ["init"], "out": lambda: Path("a")}
# Settings, a call, and what of the spec and of the options follows.
CALLS = {
    "settings": (GIVEN, {}, {"seed": 7, "steps": 8}, {"levels": ["init"], "out": Path("a")}),
    "what a call says comes before": (
        GIVEN, {"seed": 0, "steps": 1, "levels": [], "out": Path("b")}, {"seed": 0, "steps": 1},
        {"levels": [], "out": Path("b")}),
    "a function is named by its file": (
        {"folder": Path(__file__).parent}, {"keras": build}, {"keras": "test_assertion.py:build"},
        {}),
}  # fmt: skip


@pytest.mark.parametrize(("given", "call", "spec", "options"), CALLS.values(), ids=CALLS)
def test_what_a_call_asks_for(check_all, given, call, spec, options):
    with settings(Settings(**given)):
        assert_parity(**{"keras": "k:f", "torch": "m:f", **call})
    for asked, expected in ((check_all.specs, spec), (check_all.options, options)):
        (found,) = asked
        assert {name: getattr(found, name) for name in expected} == expected


def test_names_of_files_are_looked_for_beside_the_test_and_then_in_the_working_folder(
    check_all, tmp_path, monkeypatch
):
    beside, working = tmp_path / "tests", tmp_path / "working"
    for path in (beside / "keras_model.py", working / "torch_model.py", working / "keras_model.py"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(working)
    with settings(Settings(folder=beside)):
        assert_parity(keras="keras_model.py:f", torch="torch_model.py:f", data="torch_model.py")
    (spec,) = check_all.specs
    elsewhere = str(working / "torch_model.py")
    assert (spec.folder, spec.keras) == (str(beside), "keras_model.py:f")
    assert (spec.torch, spec.data) == (f"{elsewhere}:f", elsewhere)


def test_a_folder_of_bundles_stands_for_keras(check_all, tmp_path):
    recorded = check_pairs.recorded()
    recorded.spec |= {"keras": "k:f", "data": "/elsewhere/digits.npz", "seed": 0}
    bundle = recorded.pack(tmp_path / "below" / "any_name.parity")
    with settings(Settings(against=tmp_path)):
        # The data need not be there.
        assert_parity(keras="k:f", torch="m:f", data="digits.npz", steps=check_pairs.STEPS)
        (spec,) = check_all.specs
        assert (spec.keras, spec.data, spec.against) == (None, None, str(bundle))
        with pytest.raises(InputError, match="recorded with seed 0, and seed 5 is asked for"):
            assert_parity(keras="k:f", torch="m:f", seed=5)
    with settings(Settings(against=Path("/bundles"))):  # a bundle of the call comes first
        assert_parity(torch="m:f", against=bundle)
    assert check_all.specs[0].against == str(bundle)


def test_a_bundle_is_recorded_whatever_becomes_of_the_port(check_all, tmp_path, monkeypatch):
    def check(specs, options):
        check_pairs.recorded().write(options.out / "keras")
        raise InputError("the port cannot be built")

    monkeypatch.setattr("parity.runs.check.check_all", check)
    with settings(Settings(record=tmp_path / "a" / "b")), pytest.raises(InputError):
        assert_parity(keras="k:f", torch="m:f")
    recorded = tmp_path / "a" / "b" / "k.f-seed0.parity"
    assert recorded.read_bytes() == check_pairs.recorded().pack(tmp_path / "same").read_bytes()


def test_children_find_modules_where_this_process_does(check_all, tmp_path, monkeypatch):
    folder, site = tmp_path / "src", Path(sysconfig.get_path("purelib"))
    folder.mkdir()
    monkeypatch.setattr(sys, "path", ["/nowhere", str(site), str(folder), *sys.path, str(folder)])
    paths = import_paths()
    assert paths[0] == folder
    assert paths.count(folder) == 1
    assert site not in paths
    assert not {Path(p) for p in sysconfig.get_paths().values()} & set(paths)
    assert_parity(keras="k:f", torch="m:f")
    assert check_all.options[0].paths == paths


def test_it_can_be_used_without_pytest():
    code = (
        "import sys; from parity import assert_parity\n"
        "try: assert_parity(torch='m:f')\n"
        "except ValueError as error: print(error, 'pytest' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "expected either the factory of a Keras model" in run.stdout
    assert run.stdout.split()[-1] == "False"


def test_what_the_user_allows_comes_from_the_project_the_options_and_the_call(check_all, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.parity]\naccept = ['C3']\n[tool.parity.tolerance]\nforward = 1e-9\n"
    )
    with settings(Settings(root=tmp_path)):
        assert_parity(keras="k:f", torch="m:f")
        assert_parity(keras="k:f", torch="m:f", accept=["batch-norm-momentum"], tolerance=1e-6)
    with settings(Settings(root=tmp_path, tolerance={"loss": 1e-8}, accept=["F2"])):
        assert_parity(keras="k:f", torch="m:f")
        assert_parity(keras="k:f", torch="m:f", accept=[], tolerance={"loss": 1e-7})
    found = [(dict(options.tolerance), options.accept) for options in check_all.options]
    assert found == [
        ({"forward": 1e-9}, ("C3",)),
        ({"": 1e-6}, ("C3", "C2")),
        ({"forward": 1e-9, "loss": 1e-8}, ("C3", "F2")),
        ({"forward": 1e-9, "loss": 1e-7}, ("C3",)),
    ]
