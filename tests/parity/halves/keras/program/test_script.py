"""A training script runs as it stands until it calls `fit`, and goes on as it would."""

import random
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from rows import each_row

from parity.errors import InputError
from parity.halves.keras.program.script import Script

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


def test_it_is_the_main_program_with_its_own_command_line(tmp_path, capsys):
    rest = "h = model.fit(x, y)\nprint(__name__, sys.argv[1:], h)\n"
    before = list(sys.argv), list(sys.path)
    script_of(tmp_path, rest, "--fast", "3").run(lambda reference: "the history")
    assert capsys.readouterr().out == "__main__ ['--fast', '3'] the history\n"
    assert (sys.argv, sys.path) == before


def test_a_later_fit_is_that_of_keras(tmp_path):
    """One by whoever takes the first is no call of the script."""
    script = script_of(tmp_path, "model.fit(x, y, verbose=0)\nmodel.fit(x, y, verbose=0)\n")
    taken = []

    def train(reference):
        taken.append(reference.model.fit(reference.x, reference.y, verbose=0))

    script.run(train)
    assert (len(taken), script.num_fits) == (1, 2)


@each_row(
    "handler",
    [
        "except Exception:\n    raise SystemExit(3)",
        "except BaseException:\n    raise SystemExit(3)",
        "except BaseException:\n    model.fit(x, y, epochs=9)",
        "except:\n    pass",
        "finally:\n    raise ValueError('no history')",
    ],
)
def test_no_handler_of_the_script_keeps_it_from_ending_at_fit(handler, tmp_path):
    script = script_of(tmp_path, f"try:\n    model.fit(x, y)\n{handler}\n")
    assert script.reference().epochs == 1
    assert (script.num_fits, script.broke_off) == (1, None)


LOOP = "for _ in range(3):\n    model.train_on_batch(x, y)\n"
OWN_FIT = """
class Mine(keras.Sequential):
    def fit(self, x, y):
        return "trained"

model = Mine([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, y)
"""


@each_row(
    "rest, message",
    [
        ("", "train.py ended without a call of model.fit; expected a script"),
        ("sys.exit(2)", r"exit code 2; its command line was .. \(arguments of the program\)"),
        ("sys.exit('no data')", "has not come to model.fit: no data; its command line was"),
        ("sys.exit()", "ended without a call of model.fit"),
        ("1 / 0", r"ZeroDivisionError: division by zero \(train.py, line 7\)"),
        (
            "import matplotlob.pyplot",
            "No module named 'matplotlob'.*; install matplotlob, or import it after",
        ),
        ("open('no/x.csv')", "No such file or directory: 'no/x.csv'.*; it runs in "),
        (LOOP, "train.py trains with train_on_batch and never calls model.fit; expected model.fit"),
        (OWN_FIT, r"trains with Mine.fit, which never calls that of keras.Model; expected super"),
        ("model.fit(x, y, workers=4)", "TypeError: .*unexpected keyword argument 'workers'"),
    ],
)
def test_a_script_that_does_not_train_is_told_in_one_line(rest, message, tmp_path):
    before = keras.Model.fit, keras.Model.train_on_batch, keras.Model.compile
    with pytest.raises(InputError, match=message) as caught:
        script_of(tmp_path, rest).reference()
    assert "\n" not in str(caught.value)
    assert (keras.Model.fit, keras.Model.train_on_batch, keras.Model.compile) == before


@each_row(
    "rest, given",
    [
        (
            "model.fit(x, y, 3, epochs=7, callbacks=[keras.callbacks.TerminateOnNaN()])",
            (3, 7, ["TerminateOnNaN"]),
        ),
        ("def main():\n    model.fit(x, y, epochs=7)\nmain()\n", (None, 7, [])),
        ("if __name__ == '__main__':\n    model.fit(x, y, epochs=7)\n", (None, 7, [])),
        ("history = model.fit(x, y, epochs=7)\nsys.exit(history)\n", (None, 7, [])),
        # A class of its own says what Keras gets.
        (OWN_FIT.replace('"trained"', "super().fit(x, y, batch_size=2, epochs=3)"), (2, 3, [])),
    ],
)
def test_the_first_fit_is_taken_with_all_that_it_gets_wherever_it_is(rest, given, tmp_path):
    found = script_of(tmp_path, rest).reference()
    names = [type(each).__name__ for each in found.callbacks]
    assert (found.x.shape, found.batch_size, found.epochs, names) == ((4, 2), *given)


@each_row(
    "rest, told",
    [
        ("sys.exit(0)", None),
        ("sys.exit(1)", "exit code 1"),
        (
            "import matplotlob",
            "No module named 'matplotlob' (train.py, line 8); install matplotlob",
        ),
    ],
)
def test_what_follows_a_training_does_not_undo_it(rest, told, tmp_path):
    script = script_of(tmp_path, f"model.fit(x, y)\n{rest}\n")
    taken = []
    script.run(taken.append)
    assert len(taken) == 1
    assert script.broke_off is told or told in script.broke_off


def test_an_error_of_the_training_is_not_hidden_by_the_script(tmp_path):
    def fails(reference):
        raise InputError("too much")

    rest = "try:\n    model.fit(x, y)\nexcept Exception:\n    print('never mind')\n"
    with pytest.raises(InputError, match=r"^too much$"):
        script_of(tmp_path, rest).run(fails)


def test_it_runs_in_the_folder_of_its_program(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "x.txt").write_text("1\n2\n")
    path = tmp_path / "inner" / "train.py"
    path.write_text(MODEL + "model.fit(x, y, epochs=len(np.loadtxt('x.txt')))")
    before = Path.cwd()
    assert Script(path, folder=tmp_path).reference().epochs == 2
    assert Path.cwd() == before


def test_a_module_beside_it_draws_anew_in_every_run(tmp_path):
    (tmp_path / "drawing.py").write_text("import random\nvalue = random.random()\n")
    path = tmp_path / "train.py"
    path.write_text(MODEL.replace("keras.utils", "import drawing\nkeras.utils"))
    with path.open("a") as file:
        file.write("model.fit(x, y, class_weight={0: drawing.value})\n")
    script = Script(path)
    found = []
    for _ in range(2):
        keras.utils.clear_session()  # so that layers have the same names, as in a check
        random.seed(4)
        np.random.seed(4)
        found.append(script.reference().class_weight[0])
    assert found == [random.Random(4).random()] * 2
    assert "drawing" not in sys.modules


CLOCK = """
import time
model.layers[0].set_weights([np.full((2, 1), float(time.perf_counter())), np.zeros(1)])
model.fit(x, y)
"""
SYSTEM = """
import os
model.compile(keras.optimizers.SGD(int.from_bytes(os.urandom(6), "big") / 2**48), "mse")
model.fit(x, y)
"""
UNSEEDED = """
random.seed()
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, y)
"""


@each_row(
    "rest, what",
    [
        (CLOCK, "the weight sequential/dense/kernel"),
        (SYSTEM, "learning_rate of the optimizer"),
        (UNSEEDED, "the weight sequential_1/dense_1/kernel"),
    ],
)
def test_a_model_that_differs_from_run_to_run_is_told(rest, what, tmp_path):
    script = script_of(tmp_path, rest)

    def reference():
        keras.utils.clear_session()
        keras.utils.set_random_seed(5)
        return script.reference()

    reference()
    with pytest.raises(InputError, match=f"builds another model each time it runs: {what}"):
        reference()
