"""Which back end of Keras a program asks for, and that another one than the half has is refused."""

import json
import os
from contextlib import suppress

import pytest

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


def ask_in_file(home, text):
    (home / "keras.json").write_text(text)


@pytest.mark.parametrize("name", ["jax", "torch", "openvino", "numpy"])
def test_another_back_end_in_the_environment_is_refused(name, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", name)
    with pytest.raises(InputError, match=f"'{name}' .KERAS_BACKEND in the environment.") as found:
        check_surroundings()
    assert "computes with 'tensorflow'" in str(found.value)
    assert "\n" not in str(found.value)
    assert is_refusal(f"custom-seed42 keras: {found.value}")


def test_another_back_end_in_keras_json_is_refused_unless_the_environment_has_this(
    home, monkeypatch
):
    ask_in_file(home, json.dumps({"backend": "torch"}))
    with pytest.raises(InputError, match=r"'torch' \('backend' in .*keras\.json\)"):
        check_surroundings()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    check_surroundings()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"backend": "tensorflow"}', '{"backend": ""}'])
def test_a_file_that_asks_for_no_other_back_end_is_as_good_as_none(home, text, monkeypatch):
    ask_in_file(home, text)
    monkeypatch.setenv("KERAS_BACKEND", "")
    check_surroundings()


WAYS = {
    "assigned": lambda: os.environ.__setitem__("KERAS_BACKEND", "jax"),
    "default": lambda: os.environ.setdefault("KERAS_BACKEND", "jax"),
    "updated": lambda: os.environ.update(OTHER="1", KERAS_BACKEND="jax"),
}


@pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS)
def test_code_that_asks_for_another_back_end_is_refused_with_its_line(ask, monkeypatch):
    monkeypatch.setenv("OTHER", "")
    with kept_backend(), pytest.raises(InputError, match=r"in test_backend\.py, line \d+"):
        ask()
    assert "KERAS_BACKEND" not in os.environ


def test_a_refusal_that_the_code_has_caught_is_raised_again():
    with kept_backend():
        raise_refused()
        with suppress(ValueError):
            os.environ["KERAS_BACKEND"] = "jax"
        with pytest.raises(InputError, match="'jax'"):
            raise_refused()
    raise_refused()


def test_code_may_ask_for_the_back_end_that_it_has(monkeypatch):
    with kept_backend():
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ["KERAS_BACKEND"] = ""
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # as the benchmark of Keras on torch has it
    with kept_backend():
        os.environ["KERAS_BACKEND"] = "torch"
