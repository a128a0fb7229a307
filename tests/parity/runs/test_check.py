"""Whole checks: both halves in processes of their own, and what comes back of any pair."""

import json
from dataclasses import dataclass
from pathlib import Path

import check_pairs
import hostile_bundles as hostile
import pytest
from fact_types import misfits
from paths import SUPPORT
from rows import each_row
from schemas import assert_valid

from parity import check
from parity.errors import InputError, RunError
from parity.halves.job import ChildOptions
from parity.ladder.result import Result
from parity.ladder.result_file import result_from
from parity.programs.check_spec import CheckSpec
from parity.report.pages.runs_page import result_page
from parity.report.text.page import page_lines
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions, plan_checks
from parity.traces.bundle import unpack

pytestmark = pytest.mark.usefixtures("warm_halves")

OWN = "check_factories.py:"


@dataclass
class Ran:
    """What came of all pairs, in one process for each half."""

    results: dict[str, Result]
    told: dict[str, dict | None]  # what a child wrote of its failure
    folder: Path


LIVE = {
    "right": ("keras_net", "torch_net"),
    "other_activation": ("keras_net", "torch_tanh"),
    "own_loss": ("keras_own_loss", "torch_module"),
    "two_outputs": ("keras_two_outputs", "torch_net"),
    "keras_raises": ("raises", "torch_net"),
    "keras_none": ("returns_none", "torch_net"),
}
AGAINST = {
    "module": "torch_module",
    "other_shapes": "torch_other_shapes",
    "raises_in_forward": "torch_raises_in_forward",
    "raises_in_loss": "torch_raises_in_loss",
    "torch_raises": "raises",
    "torch_none": "returns_none",
    "needs_arguments": "needs",
    "no_function": "nothing",
    "no_file": "no_such_module:build",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    recorded = check_pairs.recorded()
    whole = recorded.pack(folder / "whole.parity")
    specs = {
        name: CheckSpec(keras=OWN + keras, torch=OWN + torch, steps=2, seed=5, folder=str(SUPPORT))
        for name, (keras, torch) in LIVE.items()
    }
    for name, torch in AGAINST.items():
        reference = torch if ":" in torch else OWN + torch
        specs[name] = CheckSpec(torch=reference, against=str(whole), folder=str(SUPPORT))
    for name, changed in hostile.meant(recorded):
        path = folder / f"{name}.parity"
        path.write_bytes(hostile.forged(changed))
        unpack(path, tmp_path_factory.mktemp("forms") / name)  # it has the form of one
        specs[f"hostile {name}"] = CheckSpec(
            torch=OWN + "torch_net", against=str(path), folder=str(SUPPORT)
        )
    out = folder / "out"
    found = check_all(list(specs.values()), CheckOptions(out=out, children=ChildOptions(workers=1)))
    results, told = {}, {}
    for number, (name, result) in enumerate(zip(specs, found, strict=True)):
        results[name] = result
        paths = [out / f"{number:03d}" / half / "failure.json" for half in ("keras", "torch")]
        told[name] = next((json.loads(p.read_text()) for p in paths if p.exists()), None)
    return Ran(results, told, folder)


def statuses(result):
    return {level.id: level.status for level in result.levels}


def test_what_both_halves_say_has_the_types_that_are_described(ran):
    assert [*misfits(ran.folder)] == []


# --- pairs ---------------------------------------------------------------------------------------


def test_another_activation_is_found_with_its_place_and_cause(ran):
    result = ran.results["other_activation"]
    assert result.verdict == "fail"
    (found,) = result.divergences
    assert (found.level, found.item.name) == (
        "forward",
        "dense1.activation, with Keras's input (eval)",
    )
    assert found.place["torch"] == "1"
    assert found.causes[0]["id"] == "A16"
    assert found.causes[0]["detail"] == "the port computes tanh"
    # Everything else was compared, too, and differs only because of it.
    status = statuses(result)
    assert [name for name in status if status[name] == "fail"] == ["forward", "gradient"]
    assert {status[name] for name in ("data", "structure", "init")} == {"pass"}
    assert "not_reached" not in status.values()
    assert [level for level, _ in result.inherited] == ["forward", "gradient"]


def test_a_loss_of_the_users_own_is_asked_of_the_port(ran):
    result = ran.results["own_loss"]
    assert result.verdict == "pass"
    (gradient,) = (level for level in result.levels if level.id == "gradient")
    assert gradient.tolerance_source.startswith("give the port a loss, since Keras's is not known")


def test_what_the_port_raises_is_its_first_divergence(ran):
    level, item = ran.results["raises_in_loss"].first_divergence
    assert (level.id, item.name) == ("loss", "loss raises")
    assert "ArithmeticError: in the loss" in item.torch
    assert "check_factories.py:" in item.torch


@each_row(
    ("name", "is_input", "message"),
    [
        ("two_outputs", True, "the Keras model returns dense, dense_1: return a mapping by"),
        ("keras_none", True, "the Keras factory returned NoneType; expected a compiled keras.Mod"),
        ("torch_none", True, "the torch factory returned NoneType; expected a torch.nn.Module"),
        ("needs_arguments", True, "expected a function without arguments; it needs size, depth"),
        (
            "no_function",
            True,
            "check_factories.py has no 'nothing'; it has Nets, cubed, keras_images",
        ),
        ("no_file", True, "there is no module 'no_such_module'"),
        ("other_shapes", True, "cannot take the batch that Keras took, of shape (4, 5)"),
        ("keras_raises", False, "LookupError: the factory is broken in two lines"),
        ("torch_raises", False, "LookupError: the factory is broken in two lines"),
        ("raises_in_forward", True, "KeyError: 'in forward'"),
    ],
)
def test_what_cannot_be_checked_is_told_and_keeps_no_other_pair_from_its_turn(
    ran, name, is_input, message
):
    (error,) = ran.results[name].errors
    assert ran.results[name].verdict == "error"
    assert message in error
    assert ran.told[name]["is_input"] is is_input


@each_row("name", [*LIVE, *AGAINST])
def test_every_result_is_strict_json_and_can_be_reported(ran, name):
    result = ran.results[name]
    assert_valid(result.to_json())
    assert result_from(result.to_json(), name).to_json() == result.to_json()
    if result.verdict != "error":
        assert all(
            text.isprintable() for line in page_lines(result_page(result)) for text, _ in line
        )


def test_a_reference_is_computed_once_for_all_its_ports(ran):
    own = [path for path in (ran.folder / "out").glob("*/keras") if not path.is_symlink()]
    references = {keras for keras, _ in LIVE.values()}
    bundles = {"whole", *(name for name, _ in hostile.meant(check_pairs.recorded()))}
    assert len(own) == len(references) + len(bundles)
    first, second = (list(LIVE).index(name) for name in ("right", "other_activation"))
    link = ran.folder / "out" / f"{second:03d}" / "keras"
    assert link.readlink() == Path(f"../{first:03d}/keras")
    assert ran.results["other_activation"].spec["torch"] == OWN + "torch_tanh"
    log = (ran.folder / "out" / "000" / "keras.log").read_text()
    assert log.count("progress keras ") == len(references)


def test_a_reference_with_other_settings_is_another(tmp_path):
    spec = CheckSpec(keras="a:b", torch="c:d", folder=str(tmp_path))
    changes = [{"seed": 6}, {"steps": 3}, {"batch_size": 5}, {"data": "x"}, {"threads": 2}]
    others = [spec, spec.replace(torch="e:f", device="cuda"), *(spec.replace(**c) for c in changes)]
    assert plan_checks(others, tmp_path).leaders == [0, 0, 2, 3, 4, 5, 6]


@pytest.fixture
def waits(tmp_path_factory):
    """Stands in for the interpreter of a half that would not end by itself."""
    path = tmp_path_factory.mktemp("waits") / "python"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)
    return str(path)


def test_a_keras_half_that_leaves_nothing_ends_the_half_that_waits(waits, tmp_path):
    spec = CheckSpec(keras=OWN + "keras_net", torch=OWN + "torch_net", folder=str(SUPPORT))
    children = ChildOptions(keras_python="/bin/false", torch_python=waits, workers=2)
    with pytest.raises(RunError, match=r"check keras: .*exit code 1"):
        check_all([spec], CheckOptions(out=tmp_path / "out", children=children))


def test_a_bundle_that_is_refused_when_it_is_read_ends_the_half_that_waits(waits, tmp_path):
    recorded = check_pairs.recorded()
    (tmp_path / "bad.parity").write_bytes(hostile.with_text(recorded, lambda _: b"{}"))
    against = str(tmp_path / "bad.parity")
    spec = CheckSpec(torch=OWN + "torch_net", against=against, folder=str(SUPPORT))
    options = CheckOptions(out=tmp_path / "out", children=ChildOptions(torch_python=waits))
    with pytest.raises(InputError, match="not a bundle that can be used: schema 'None'"):
        check_all([spec], options)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.parity"]


# --- bundles that mean harm ----------------------------------------------------------------------


@each_row("name", hostile.MEANT)
def test_no_hostile_bundle_lets_a_port_pass_or_breaks_a_half(ran, name):
    result, told = ran.results[f"hostile {name}"], ran.told[f"hostile {name}"]
    assert_valid(result.to_json())
    assert result_from(result.to_json(), name).to_json() == result.to_json()
    assert result.verdict in ("fail", "error") or name in hostile.HARMLESS
    if result.verdict == "pass":
        return
    if result.verdict == "error":
        assert told is None or told["is_input"], result.errors
    else:
        assert result.first_divergence is not None
        assert all(len(text) <= 200 for line in page_lines(result_page(result)) for text, _ in line)


# --- refusals before any child -------------------------------------------------------------------


@pytest.fixture
def no_children(monkeypatch):
    def run_jobs(*arguments, **options):
        raise AssertionError("a child was started")

    monkeypatch.setattr("parity.runs.check_halves.run_shown", run_jobs)


def test_a_bundle_that_is_refused_leaves_no_folder(no_children, tmp_path):
    (tmp_path / "bad.parity").write_text("no bundle")
    spec = CheckSpec(torch="a:b", against="bad.parity", folder=str(tmp_path))
    for out in (tmp_path / "out", None):
        with pytest.raises(InputError, match="not a bundle that can be used"):
            check_all([spec] * 2, CheckOptions(out=out))
    assert [path.name for path in tmp_path.iterdir()] == ["bad.parity"]


def test_a_device_that_torch_has_not_is_told(tmp_path):
    bundle = check_pairs.recorded().pack(tmp_path / "whole.parity")
    torch = CheckSpec(torch=OWN + "torch_net", against=str(bundle), folder=str(SUPPORT))
    with pytest.raises(InputError, match="device='cuda:99': torch sees "):
        check_all([torch.replace(device="cuda:99")], CheckOptions())


def test_a_function_without_a_name_is_refused(no_children):
    with pytest.raises(InputError, match="expected a function at the top level of a module"):
        check(lambda: None, "a:b")
