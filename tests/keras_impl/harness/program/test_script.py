"""A training script runs as it stands until it calls `fit`, and goes on as it would."""

import random
import sys

import keras
import pytest

from keras_impl.harness.program.script import Script
from parity.errors import InputError

MODEL = """
import sys, random, keras, numpy as np
keras.utils.set_random_seed(5)
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x, y = np.zeros((4, 2)), np.zeros((4, 1))
"""


def script_of(tmp_path, rest, *arguments, **given):
    path = tmp_path / "train.py"
    path.write_text(MODEL + rest)
    return Script(path, arguments, **given)


def test_the_first_fit_is_taken_with_all_that_it_gets(tmp_path):
    rest = "model.fit(x, y, 3, epochs=7, verbose=2, callbacks=[keras.callbacks.TerminateOnNaN()])"
    found = script_of(tmp_path, rest).reference()
    assert found.x.shape == (4, 2)
    assert (found.batch_size, found.epochs) == (3, 7)
    assert [type(each).__name__ for each in found.callbacks] == ["TerminateOnNaN"]
    assert found.shuffle is True


def test_it_is_the_main_program_with_its_own_command_line(tmp_path, capsys):
    rest = "h = model.fit(x, y)\nprint(__name__, sys.argv[1:], h)\n"
    before = list(sys.argv), list(sys.path)
    script_of(tmp_path, rest, "--fast", "3").run(lambda reference: "the history")
    assert capsys.readouterr().out == "__main__ ['--fast', '3'] the history\n"
    assert (sys.argv, sys.path) == before


def test_a_later_fit_is_that_of_keras(tmp_path):
    script = script_of(tmp_path, "model.fit(x, y, verbose=0)\nmodel.fit(x, y, verbose=0)\n")
    taken = []
    script.run(taken.append)
    assert len(taken) == 1
    assert script.num_fits == 2


def test_no_handler_of_the_script_keeps_it_from_ending_at_fit(tmp_path):
    rest = "try:\n    model.fit(x, y)\nexcept Exception:\n    raise SystemExit(3)\n"
    assert script_of(tmp_path, rest).reference().epochs == 1


def test_another_seed_takes_the_place_of_its_own(tmp_path):
    def drawn(seed):
        found = []
        script = script_of(tmp_path, "model.fit(x, y)", seed=seed)
        script.run(lambda reference: found.append(random.random()))
        return found

    assert drawn(None) == drawn(5)
    assert drawn(6) != drawn(5)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("", "train.py ended without a call of model.fit; expected a script"),
        ("sys.exit(2)", "train.py ended with exit code 2; run it by itself"),
        ("sys.exit()", "ended without a call of model.fit"),
    ],
)
def test_a_script_that_does_not_train_is_told(rest, message, tmp_path):
    with pytest.raises(InputError, match=message):
        script_of(tmp_path, rest).reference()


def test_an_error_of_the_script_is_its_own(tmp_path):
    before = keras.Model.fit
    with pytest.raises(ZeroDivisionError):
        script_of(tmp_path, "1 / 0").reference()
    assert keras.Model.fit is before
