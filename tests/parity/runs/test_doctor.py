"""The doctor: every stream matches here, and one that does not is named."""

import sys

import pytest

from parity.cli.main import main
from parity.errors import ParityError
from parity.halves.job import ChildOptions
from parity.ladder.items import FAIL, PASS, Item, Level
from parity.ladder.result import Result
from parity.report.text.doctor import doctor_lines
from parity.runs import doctor

pytestmark = pytest.mark.usefixtures("warm_halves")


@pytest.mark.long
def test_on_this_machine_every_stream_matches_and_the_versions_are_told(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("sys.argv", ["parity", "doctor"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().out
    assert ended.value.code == 0, told
    for stream in doctor.STREAMS:
        assert any(stream.title in line and "PASS" in line for line in told.splitlines())
    for distribution in ("keras", "tensorflow", "torch", "torchvision"):
        assert f"  {distribution} " in told
    (loops,) = (line for line in told.splitlines() if line.startswith("  loops "))
    assert any(way in loops for way in ("from the wheel (", "compiled here (", "pure PyTorch, "))


def item(name, worst):
    return Item(name, worst=worst, allowed=0.0, unit="count", num_compared=10)


def test_a_stream_that_differs_or_is_missing_is_named_though_others_of_its_level_match():
    items = (item("samples of the batches", 0.0), item("theta", 4.0))
    level = Level("data", FAIL, "made for this test", items)
    result = Result(FAIL, {}, (Level("init", PASS, "made for this test"), level))
    order, parameters = (
        doctor._check(stream, result)
        for stream in doctor.STREAMS
        if stream.title in ("order of fit(datagen.flow)", "parameters of ImageDataGenerator")
    )
    assert (order["status"], parameters["status"]) == ("pass", "fail")
    assert parameters["found"] == "theta: differs by 4 (count)"
    missing = doctor._check(doctor.STREAMS[0], Result(PASS, {}, result.levels[:1]))
    assert (missing["status"], missing["found"][:16]) == ("fail", "was not compared")
    report = doctor.Report(checks=(order, parameters))
    assert (report.exit_code, report.to_json()["verdict"]) == (1, "fail")
    told = "\n".join("".join(text for text, _ in line) for line in doctor_lines(report))
    assert "FAIL" in told
    assert "install the tested versions" in told


def test_a_half_that_cannot_be_run_is_an_error_with_exit_code_3():
    report = doctor.Report(errors=("keras: not installed\ninstall it",))
    assert (report.exit_code, report.to_json()["verdict"]) == (3, "error")
    assert ["  install it"] in [[text for text, _ in line] for line in doctor_lines(report)]


def test_an_interpreter_that_is_not_there_is_refused():
    with pytest.raises(ParityError, match="no-such-python"):
        doctor.examine(ChildOptions("no-such-python", "no-such-python"))


def test_where_the_loops_come_from_is_told_once_if_it_is_the_same_for_all():
    lines = doctor_lines(doctor.Report(loops={"adam": "compiled here", "pool": "compiled here"}))
    assert lines == [[("  loops        compiled here", "")]]
    lines = doctor_lines(doctor.Report(loops={"adam": "here", "pool": "wheel", "affine": "here"}))
    assert [text for ((text, _),) in lines] == [
        "  loops        here: adam, affine",
        "  loops        wheel: pool",
    ]


@pytest.mark.long
def test_loops_are_those_of_the_interpreter_that_trains(monkeypatch):
    monkeypatch.setenv("PARITY_NATIVE", "0")
    loops = doctor._loops(sys.executable)
    assert set(loops) == {"adam", "affine", "conv_pool", "normals", "philox", "pool"}
    assert set(loops.values()) == {"pure PyTorch, because PARITY_NATIVE=0 is set"}
    assert doctor._loops("false") == {"all": "not known: exit code 1"}
