"""`parity convert`: wrong use ends with code 2 before anything is computed."""

import re

import pytest
from click.testing import CliRunner

from parity.cli.main import cli
from parity.errors import InputError
from parity.runs import convert


def called(*arguments):
    return CliRunner().invoke(cli, ["convert", *map(str, arguments)])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--to-keras"], "--to-keras and --like FILE belong together"),
        (["--like", "x.h5"], "--to-keras and --like FILE belong together"),
        (["--to-keras", "--like", "x.h5", "--optimizer"], "--optimizer is for the way"),
    ],
)
def test_options_that_do_not_belong_together(more, message, tmp_path):
    result = called("m.keras", "--torch", "a:b", "--out", tmp_path / "o.safetensors", *more)
    assert result.exit_code == 2
    assert message in result.output


def test_out_is_not_the_file_that_is_read(tmp_path):
    path = tmp_path / "m.keras"
    path.write_bytes(b"")
    result = called(path, "--torch", "a:b", "--out", path)
    assert isinstance(result.exception, InputError)
    assert "expected another file" in str(result.exception)


def test_what_the_next_steps_do_otherwise_is_printed(monkeypatch, tmp_path):
    note = "Keras's rate follows CosineDecay; the Port has that of the next step"
    told = {"steps": 2, "rate": 0.1, "slots": ["momentum"], "notes": [note]}
    done = convert.Converted(True, [], "proved", 0.0, [], 1, 1, [], told)
    monkeypatch.setattr(convert, "convert", lambda given: done)
    out = tmp_path / "o.safetensors"
    result = called("m.keras", "--torch", "a:b", "--out", out, "--optimizer")
    assert result.exit_code == 0
    assert f"o.optimizer.pt: 2 steps, momentum\nthe next steps differ: {note}" in result.output


def test_weights_in_several_parameters_are_counted_and_printed(monkeypatch, tmp_path):
    parts = {"gru.kernel": ["fw.a", "fw.b"]}
    done = convert.Converted(True, [], "proved", 0.0, [], 2, 2, [], in_parts=parts)
    monkeypatch.setattr(convert, "convert", lambda given: done)
    result = called("m.keras", "--torch", "a:b", "--out", tmp_path / "o.safetensors")
    assert result.exit_code == 0
    assert "2 of 2 weights" in result.output
    assert "in several parameters, by the Port's load: gru.kernel in fw.a, fw.b" in result.output


@pytest.mark.parametrize("name", ["o.pt", "o.pth", "o.bin", "o"])
def test_what_is_written_for_torch_has_the_ending_of_its_form(name, tmp_path):
    """torch.load takes no safetensors."""
    result = called("m.keras", "--torch", "a:b", "--out", tmp_path / name)
    assert isinstance(result.exception, InputError)
    assert re.search(r"the ending \.safetensors,.* write o\.safetensors,", str(result.exception))
