"""Inputs are what the model does with them, or what the user says: tokens, numbers, booleans."""

import inputs_keras
import keras
import numpy as np
import odd_nets as nets
import pytest
from rows import each_row

from keras_impl import Input, Reference
from parity.data.samples import ModelInput, Tokens
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.factories import call_factory

L = keras.layers


def found_of(factory):
    versions.use_dtype("float64")
    return inputs_of(call_factory(factory, 0), 4)


def found(factory):
    """What is found out of the inputs of a model, by name."""
    return {each.name: each for each in found_of(factory).each}


def tokens_of(factory):
    return {name: each.tokens for name, each in found(factory).items()}


def model_of(tensors, output, inputs):
    return Reference(inputs_keras.compiled(tensors, output), inputs=inputs)


@each_row(
    "factory, tokens",
    [
        ("text_and_numbers", {"text": (Tokens(0, 10),), "numbers": ()}),
        ("columns", {"table": (Tokens(0, 6, axis=0, at=(0,)),)}),
        ("nested", {"text": (Tokens(0, 8),), "numbers": ()}),
        ("whole_numbers", {"counts": ()}),
        ("flags", {"numbers": (), "known": ()}),
        ("vocabularies", {"words": (Tokens(0, 39),), "kinds": (Tokens(0, 2),)}),
        ("one_based", {"months": (Tokens(1, 12),)}),
        ("one_hot", {"kind": (Tokens(0, 4),)}),
        ("masked", {"text": (Tokens(0, 4999, "any"),)}),
        ("not_masked", {"text": (Tokens(0, 4999),)}),
        ("subclassed", {"user": (Tokens(0, 7),), "age": ()}),
    ],
)
def test_tokens_are_what_reaches_a_table(factory, tokens):
    assert tokens_of(getattr(inputs_keras, factory)) == tokens


def test_an_input_has_the_kind_of_its_dtype():
    expected = {"uint8": ("image", True), "int64": ("numbers", True), "bool": ("booleans", False)}
    given = [keras.Input((3,), dtype=dtype, name=dtype) for dtype in expected]
    cast = [keras.ops.cast(x, "float64") for x in given]
    kinds = found(lambda: inputs_keras.compiled(given, L.Concatenate()(cast)))
    assert {name: (each.kind, each.is_whole) for name, each in kinds.items()} == expected


def through(*layers, **settings):
    """Tokens of one input that goes through layers."""
    (tokens,) = tokens_of(nets.chain(*layers, lambda: L.Embedding(7, 2), **settings)).values()
    return tokens


def moved(function):
    return lambda: L.Lambda(function)


ALL = (Tokens(0, 6),)
ops = keras.ops


def some(*places):
    return (Tokens(0, 6, axis=0, at=places),)


@each_row(
    "layers, settings, expected",
    [
        ((), {}, ALL),
        ((), {"dtype": "int32"}, ALL),
        ((lambda: L.Reshape((3, 2)),), {}, ALL),
        ((lambda: L.Permute((2, 1)),), {"shape": (3, 2)}, ALL),
        ((lambda: L.RepeatVector(2),), {}, ALL),
        ((moved(lambda x: ops.flip(x, 1)),), {}, ALL),
        ((moved(lambda x: ops.tile(x, (1, 2))),), {}, ALL),
        ((lambda: L.Cropping1D((1, 0)),), {"shape": (3, 2)}, some(1, 2)),
        ((moved(lambda x: x[:, ::2]),), {}, some(0, 2, 4)),
        ((moved(lambda x: ops.split(x, 2, 1)[1]),), {}, some(3, 4, 5)),
        ((moved(lambda x: ops.take(x, [1, 4], 1)),), {}, some(1, 4)),
        ((moved(lambda x: ops.stack(ops.unstack(x, axis=1)[:2], 1)),), {}, some(0, 1)),
        ((moved(lambda x: x + 2),), {}, (Tokens(-2, 4),)),
        ((lambda: L.Dense(2), lambda: L.Activation("sigmoid")), {}, ()),
    ],
    ids=[
        *("real", "whole", "reshape", "permute", "repeat", "flip", "tile", "crop", "stride"),
        *("split", "take", "stack", "offset", "computed"),
    ],
)
def test_tokens_are_followed_through_what_moves_them(layers, settings, expected):
    assert through(*layers, **settings) == expected


def test_a_table_of_columns_and_of_known_words_counts_too():
    for layer, tokens in (
        (lambda: L.CategoryEncoding(4, output_mode="multi_hot"), Tokens(0, 3)),
        (lambda: L.IntegerLookup(vocabulary=[12, 36, 7]), Tokens(7, 37, known=(12, 36, 7, 37))),
    ):
        assert [*tokens_of(nets.chain(layer, dtype="int64")).values()] == [(tokens,)]


def both():
    """Tokens that are numbers as well."""
    x = keras.Input((3,), name="x")
    return inputs_keras.compiled(x, L.Concatenate()([L.Flatten()(L.Embedding(9, 2)(x)), x * 2]))


def test_what_is_not_drawn_is_said():
    (told,) = found_of(both).left_out
    why = "it chooses rows of a table, too, and is drawn from 0 to 8"
    assert (told["what"], told["why"]) == ("other numbers in the input x", why)
    assert found_of(inputs_keras.columns).left_out == ()


@each_row(
    "inputs, padding, left_out",
    [(None, "post", ["padding at the beginning of text"]), (Input(padding="any"), "any", [])],
)
def test_padding_is_at_the_end_for_recurrent_layers_unless_the_user_says_more(
    inputs, padding, left_out
):
    x = keras.Input((6,), dtype="int32", name="text")
    y = L.GRU(3)(L.Embedding(90, 4, mask_zero=True)(x))
    told = found_of(lambda: model_of(x, y, inputs=inputs))
    assert told.each[0].tokens == (Tokens(0, 89, padding),)
    assert [entry["what"] for entry in told.left_out] == left_out


def test_steps_that_masking_leaves_out_are_drawn():
    (given,) = found(nets.chain(lambda: L.Masking(-1.0), lambda: L.LSTM(2), shape=(5, 3))).values()
    assert given == ModelInput(given.name, (5, 3), filler=-1.0, padding="post")


@each_row(
    "inputs, largest, limits, kind",
    [
        (
            [Input(kind="tokens", count=5), Input(kind="numbers", range=(0, 1))],
            4,
            (0, 1),
            "numbers",
        ),
        ({"x": Input(kind="image")}, 8, None, "image"),
        ((None, Input(kind="booleans")), 8, None, "booleans"),
    ],
)
def test_what_the_user_says_counts(inputs, largest, limits, kind):
    words, x = keras.Input((4,), dtype="int32", name="words"), keras.Input((3,), name="x")
    y = L.Concatenate()([L.Flatten()(L.Embedding(9, 2)(words)), x])
    given = found(lambda: model_of([words, x], y, inputs=inputs))
    assert given["words"].tokens == (Tokens(0, largest),)
    assert (given["x"].limits, given["x"].kind) == (limits, kind)


def test_a_subclassed_model_is_known_by_the_arrays_of_fit():
    x = {"user": np.zeros(5, np.int32), "age": np.zeros((5, 4), np.int16)}
    given = found(lambda: Reference(inputs_keras.Rated(), x=x, y=np.zeros((5, 2))))
    assert given["user"].tokens == (Tokens(0, 7),)
    assert given["age"] == ModelInput("age", (4,), is_whole=True)


TWO, NO_SHAPES = inputs_keras.text_and_numbers, inputs_keras.Rated


@each_row(
    "model, given, told",
    [
        (
            TWO,
            {"inputs": [Input()]},
            "it has 1 inputs; expected 2: text, numbers; give None for one",
        ),
        (
            *(TWO, {"inputs": {"texts": Input()}}),
            "it has texts; expected some of text, numbers, the inputs of the",
        ),
        (TWO, {"inputs": [(6,), (4,)]}, "input 'text' is 6; expected keras_impl.Input"),
        (TWO, {"inputs": [Input(), 6]}, r"input 'numbers' is 6; expected keras_impl.Input"),
        # A subclassed model needs shapes.
        (NO_SHAPES, {}, r"return keras_impl.Reference\(model, inputs=keras_impl"),
        (NO_SHAPES, {"inputs": {"user": Input(()), "age": Input()}}, "input 'age' is Input"),
    ],
)
def test_inputs_that_are_not_those_of_the_model_are_refused(model, given, told):
    with pytest.raises(InputError, match=told):
        found(lambda: Reference(model(), **given))


def test_text_is_refused_in_one_line():
    x = keras.Input((1,), dtype="string", name="city")
    y = L.Embedding(4, 2)(L.StringLookup(vocabulary=["a", "b"])(x))
    with pytest.raises(InputError, match="is fed texts, which string_lookup"):
        found(lambda: inputs_keras.compiled(x, y))
