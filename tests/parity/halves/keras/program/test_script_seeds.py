"""The seeds that a script sets: its own, or one for all of them."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from rows import each_row

from parity.halves.keras.program.script import Script, seeded

WAYS = {
    "keras": "keras.utils.set_random_seed(5)",
    "tf_keras": "tf.keras.utils.set_random_seed(5)",
    "in a row": "tf.random.set_seed(5)\nnp.random.seed(5)\nrandom.seed(5)",
    "twice": "keras.utils.set_random_seed(3)\nkeras.utils.set_random_seed(5)",
    "imported": "from keras.utils import set_random_seed as s\ns(5)",
}


def script(tmp_path, way, *lines):
    """The path of a script that sets its seeds in a way, makes a model, and goes on."""
    path = tmp_path / "train.py"
    path.write_text(
        "import random, keras, numpy as np, tensorflow as tf\n"
        f"{way}\n"
        "model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])\n"
        "model.compile('sgd', 'mse')\n" + "".join(lines)
    )
    return path


def drawn(tmp_path, way, seed=None, begins=9, **options):
    """What a script draws after it has set its seeds: Python, NumPy, order of `fit`, weights."""
    path = script(
        tmp_path,
        way,
        "drawn = [random.random(), np.random.random(), tf.random.uniform(()).numpy()]\n",
        "model.fit(np.zeros((2, 2)), np.zeros((2, 1)), class_weight=dict(enumerate(drawn)))\n",
    )
    keras.utils.clear_session()
    keras.utils.set_random_seed(begins)
    found = Script(path, seed=seed, **options).reference()
    return [*found.class_weight.values(), *found.model.get_weights()[0].ravel()]


def of_program(tmp_path, seed):
    """What a script draws that sets no seed, and begins with that of the program."""
    return drawn(tmp_path, "", begins=seed)


def test_every_way_to_set_a_seed_keeps_it_or_gets_the_one_that_was_asked_for(tmp_path):
    """NumPy may keep that of the script: a port needs the data of the script, and other draws."""
    own, asked = of_program(tmp_path, 5), of_program(tmp_path, 7)
    assert own != asked
    of_numpy = np.random.RandomState(5).random_sample()
    for way in WAYS.values():
        assert drawn(tmp_path, way) == own
        assert drawn(tmp_path, way, seed=7) == asked
        assert drawn(tmp_path, way, seed=7, keeps_numpy=True) == [asked[0], of_numpy, *asked[2:]]
    # A generator that is not seeded goes on from that of the program, and so does a seed of None.
    assert drawn(tmp_path, "np.random.seed(5)", begins=7) == [asked[0], of_numpy, *asked[2:]]
    assert drawn(tmp_path, "random.seed()\nnp.random.seed()", seed=7, begins=7) == asked


@each_row(
    "way, sets_seed",
    [*((way, True) for way in WAYS.values()), ("", False), ("np.random.seed(5)", False)],
)
def test_it_is_known_whether_a_script_fixes_the_order_of_its_samples(way, sets_seed, tmp_path):
    """By the seed of TensorFlow; Keras itself sets none, though it calls these functions."""
    path = script(
        tmp_path,
        way,
        "model.fit(np.zeros((2, 2)), np.zeros((2, 1)))\n",
        "keras.utils.set_random_seed(3)\n",  # after the first fit
    )
    found = Script(path, seed=7, keeps_numpy=True)
    found.reference()
    assert found.sets_seed == sets_seed


def test_all_is_put_back_after_an_error():
    before = keras.utils.set_random_seed, tf.random.set_seed, np.random.seed, random.seed
    with pytest.raises(ZeroDivisionError), seeded(1):
        1 / 0  # noqa: B018
    assert (keras.utils.set_random_seed, tf.random.set_seed, np.random.seed, random.seed) == before
