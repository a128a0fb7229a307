"""The names that code has for its tensors, without those of libraries that it calls."""

import keras
from keras import ops

from parity.halves.keras.check.custom_losses import Names, names_noted


def halved(a):
    half = a / 2
    return half


def code(x):
    twice = 2 * x
    small = halved(twice)
    return ops.tanh(small) + ops.relu(x)


def test_a_tensor_has_the_name_of_the_innermost_variable_and_others_have_none():
    x, names = keras.KerasTensor((None, 3)), Names()
    seen = []
    with names_noted(names):
        made = code(x)
        seen.append(2 * x)
    operations = keras.Function(x, made)._operations
    tensors = {type(each).__name__: each.output for each in operations if hasattr(each, "output")}
    told = {kind: names.of(tensor) for kind, tensor in tensors.items()}
    assert (told["Multiply"], told["TrueDivide"]) == ("a", "half")
    assert told["Tanh"] is told["Relu"] is told["Add"] is None
    assert names.of(seen[0]) is None
