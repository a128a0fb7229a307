"""The nests in which a call takes and returns tensors."""

import keras

from parity.halves.keras.check.custom_layers import nest_of, nests_of

A, B = keras.KerasTensor((None, 3)), keras.KerasTensor((None, 5, 2))
OF_A, OF_B = {"shape": [None, 3]}, {"shape": [None, 5, 2]}


def call(x, others=None, scale=2.0):
    """As of a layer."""


def test_lists_and_dicts_are_told_with_shapes():
    assert nest_of(A) == OF_A
    assert nest_of([A, B]) == nest_of((A, B)) == {"list": [OF_A, OF_B]}
    assert nest_of({"b": B, "a": [A]}) == {"dict": [["b", OF_B], ["a", {"list": [OF_A]}]]}


def test_what_has_no_tensor_or_more_than_tensors_is_no_nest():
    for value in (None, 2.0, "a", [], {}, [A, None], {"a": A, "b": 1.0}):
        assert nest_of(value) is None


def test_arguments_have_their_names():
    given = nests_of(call, ([A, B],), {"others": {"a": A}, "scale": 3.0})
    assert given == {"x": {"list": [OF_A, OF_B]}, "others": {"dict": [["a", OF_A]]}}
    assert nests_of(call, (A, [B]), {}) == {"x": OF_A, "others": {"list": [OF_B]}}


def test_a_call_with_single_tensors_has_no_nests():
    assert nests_of(call, (A, B), {}) == {}
    assert nests_of(call, (A,), {"unknown": [B]}) == {}
