"""What a script trains beside its first call of `fit` is told from its source, and not run."""

from rows import each_row

from parity.halves.keras.program.script import Script

HEAD = """\
import keras, numpy as np
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x, y = np.zeros((4, 2)), np.zeros((4, 1))
"""
FIRST = HEAD + "model.fit(x, y)\n"


def later_of(tmp_path, source, name="train.py"):
    path = tmp_path / name
    path.write_text(source, encoding="utf-8")
    script = Script(path)
    script.reference()
    return script.later


def lines(places):
    return [place["line"] for place in places]


def test_a_second_fit_is_told_with_what_the_script_changes_before_it(tmp_path):
    source = FIRST + (
        "model.layers[0].trainable = False\n"
        'model.compile("adam", "mae")\n'
        "model.fit(x, y,\n    epochs=2)\n"
        'raise AssertionError("it is not run")\n'
    )
    assert later_of(tmp_path, source) == {
        "first": {"file": "train.py", "line": 5, "text": "model.fit(x, y)"},
        "loops": [],
        "calls": [
            {
                "file": "train.py",
                "line": 8,
                "text": "model.fit(x, y, epochs=2)",
                "changes": [
                    {"file": "train.py", "line": 6, "text": "model.layers[0].trainable = False"},
                    {"file": "train.py", "line": 7, "text": 'model.compile("adam", "mae")'},
                ],
            }
        ],
    }


def test_each_later_call_has_the_changes_behind_the_one_before(tmp_path):
    source = FIRST + (
        "model.fit(x, y, initial_epoch=1, epochs=2)\n"
        'model.compile("adam", "mse")\n'
        "history = model.fit(x, y).history\n"
    )
    calls = later_of(tmp_path, source)["calls"]
    assert lines(calls) == [6, 8]
    assert [lines(call["changes"]) for call in calls] == [[], [7]]


@each_row(
    "source",
    [
        FIRST,
        FIRST + "model.evaluate(x, y)\n",
        HEAD + "for name in ('a', 'b'):\n    x += 1\nhistory = model.fit(x, y)\n",
        HEAD + "if x.ndim > 2:\n    model.fit(x[0], y)\nelse:\n    model.fit(x, y)\n",
        HEAD + "def other():\n    model.fit(y, y)\n\nmodel.fit(x, y)\n",  # nobody calls it
        "class Scaler:\n    def fit(self, x):\n        return self\n\n"
        + FIRST
        + "scaler = Scaler()\nscaler.fit(x)\nScaler().fit(y)\n",
        HEAD + "for epoch in [model.fit(x, y)]:\n    print(epoch)\n",
        FIRST + "import re\nfits = [re.compile('fit').search('fit')]\n",
    ],
    ids=["one", "evaluated", "after_a_loop", "branches", "unused", "scaler", "in_a_head", "regex"],
)
def test_a_script_with_one_training_tells_nothing(tmp_path, source):
    assert later_of(tmp_path, source) is None


@each_row(
    "source, line, text",
    [
        ("for fold in range(3):\n    model.fit(x, y)\n", 5, "for fold in range(3)"),
        ("while True:\n    if 1:\n        model.fit(x, y)\n", 5, "while True"),
        (
            "def train(fold):\n    model.fit(x, y)\n\nfor fold in range(3):\n    train(fold)\n",
            8,
            "for fold in range(3)",
        ),
    ],
    ids=["for", "while", "around_its_function"],
)
def test_a_loop_around_the_first_call_is_told(tmp_path, source, line, text):
    found = later_of(tmp_path, HEAD + source)
    assert found["loops"] == [{"file": "train.py", "line": line, "text": text}]
    assert found["calls"] == []


def test_another_call_of_the_function_that_trains_is_told(tmp_path):
    source = (
        "def train(epochs):\n    model.fit(x, y, epochs=epochs)\n\n"
        "train(1)\nmodel.trainable = False\ntrain(2)\n"
    )
    found = later_of(tmp_path, HEAD + source)
    assert found["first"]["line"] == 6
    assert [(call["line"], call["text"]) for call in found["calls"]] == [(10, "train(2)")]
    assert lines(found["calls"][0]["changes"]) == [9]


def test_calls_in_a_module_beside_the_script_are_told_with_its_name(tmp_path):
    (tmp_path / "phases_beside.py").write_text(
        "def first(model, x, y):\n    model.fit(x, y)\n\n"
        "def second(model, x, y):\n    model.trainable = False\n    model.fit(x, y)\n",
        encoding="utf-8",
    )
    source = HEAD + "import phases_beside as p\np.first(model, x, y)\np.second(model, x, y)\n"
    found = later_of(tmp_path, source)
    assert found["first"] == {"file": "phases_beside.py", "line": 2, "text": "model.fit(x, y)"}
    assert [(call["file"], call["line"]) for call in found["calls"]] == [("phases_beside.py", 6)]
