"""Which back end of Keras a program asks for, and that another one than the half has is refused."""

import os

import pytest
from rows import each_row

from parity.errors import InputError
from parity.programs.backend import (
    check_surroundings,
    is_refusal,
    kept_backend,
    raise_refused,
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The folder of keras.json; nothing asks for a back end."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


@each_row("name", ["jax", "torch", "openvino", "numpy"])
def test_another_back_end_in_the_environment_is_refused(name, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", name)
    told = rf"'{name}' .KERAS_BACKEND in the environment.[^\n]* computes with 'tensorflow'[^\n]*\Z"
    with pytest.raises(InputError, match=told) as found:
        check_surroundings()
    assert is_refusal(f"custom-seed42 keras: {found.value}")


def test_another_back_end_in_keras_json_is_refused_unless_the_environment_has_this(
    home, monkeypatch
):
    (home / "keras.json").write_text('{"backend": "torch"}')
    with pytest.raises(InputError, match=r"'torch' \('backend' in .*keras\.json\)"):
        check_surroundings()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    check_surroundings()


@each_row("text", ["", "[]", "{}", '{"backend": "tensorflow"}', '{"backend": ""}'])
def test_a_file_that_asks_for_no_other_back_end_is_as_good_as_none(home, text, monkeypatch):
    (home / "keras.json").write_text(text)
    monkeypatch.setenv("KERAS_BACKEND", "")
    check_surroundings()


WAYS = {
    "assigned": lambda: os.environ.__setitem__("KERAS_BACKEND", "jax"),
    "default": lambda: os.environ.setdefault("KERAS_BACKEND", "jax"),
    "updated": lambda: os.environ.update(OTHER="1", KERAS_BACKEND="jax"),
}


@each_row("ask", WAYS.values(), ids=WAYS)
def test_code_that_asks_for_another_back_end_is_refused_with_its_line_also_if_it_goes_on(
    ask, monkeypatch
):
    monkeypatch.setenv("OTHER", "")
    with kept_backend():
        raise_refused()
        with pytest.raises(InputError, match=r"in test_backend\.py, line \d+"):
            ask()
        with pytest.raises(InputError, match="'jax'"):
            raise_refused()
    raise_refused()
    assert "KERAS_BACKEND" not in os.environ


def test_code_may_ask_for_the_back_end_that_it_has(monkeypatch):
    """Such as torch, which the benchmark of Keras on torch has."""
    with kept_backend():
        os.environ.update(KERAS_BACKEND="tensorflow")
        os.environ.update(KERAS_BACKEND="")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with kept_backend():
        os.environ.update(KERAS_BACKEND="torch")
