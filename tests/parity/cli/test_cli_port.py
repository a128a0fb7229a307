"""`parity port`: what it prints of a package, and its exit code."""

import dataclasses
from pathlib import Path

import pytest
from checked import level, result_of
from click.testing import CliRunner

from parity.cli.main import cli
from parity.errors import UNFINISHED
from parity.ladder.result import ERROR
from parity.runs import port


@pytest.fixture
def called(monkeypatch, tmp_path):
    """Calls the command for a package that lacks some parts, and has this result."""

    def call(left_out, result, open_=()):
        made = port.Ported(Path("made"), ("model.py",), left_out, open_, (), result)
        monkeypatch.setattr(port, "port_spec", lambda *_, **__: made)
        given = ["port", "a:b", "--out", str(tmp_path / "made")]
        return CliRunner().invoke(cli, given, standalone_mode=False)

    return call


def failed(error):
    """The result of a check of which a half has not come to an end."""
    return dataclasses.replace(result_of(), verdict=ERROR, errors=(error,))


LACKS = ("constraints.MaxNorm(max_value=2) of 'dense.kernel': it has no plain form",)


def test_a_package_that_lacks_a_part_is_not_called_right_without_more(called):
    done = called(LACKS, result_of(level("data"), level("loss")))
    assert f"not ported: {LACKS[0]}" in done.output
    told = " ".join(done.output.split())
    assert "The port is right as far as it was ported: all 2 levels agree; 1 part" in told
    assert done.return_value == 0  # that of the check


def test_the_exit_code_of_a_package_that_differs_is_1(called):
    done = called(LACKS, result_of(level("data"), level("loss", worst=1.0)))
    assert done.return_value == 1
    assert "right" not in done.output


OPEN = ("train.py, line 42: own, the loss, is to be written",)


def test_a_package_with_code_to_write_says_where_and_that_the_check_waits(called, tmp_path):
    told = f"{UNFINISHED}: own, the loss, is to be written (train.py:42)"
    done = called((), failed(told), OPEN)
    lines = [line for line in done.output.splitlines() if line.strip()]
    folder = tmp_path / "made"
    assert f"to be written: {folder}/train.py, line 42: own, the loss, is to be written" in lines
    assert "NOT FINISHED" in done.output
    assert "the check waits for code that is to be written" in " ".join(done.output.split())
    assert lines[-1] == f"Write it, then run: pytest {folder}/test_parity.py"
    assert not {"error", "failed", "half"} & set(done.output.lower().split())
    assert done.return_value == 3


def test_a_half_that_crashes_is_told_as_before(called):
    done = called((), failed("killed"), OPEN)
    assert "ERROR" in done.output
    assert done.output.rstrip().endswith("a half failed, or its files are missing")
    assert done.return_value == 3
