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


def found(factory, **settings):
    """What is found out of the inputs of a model, by name."""
    versions.use_dtype("float64")
    inputs = inputs_of(call_factory(factory, 0), 4)
    return {each.name: each for each in inputs.each}


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
    given = {kind: keras.Input((3,), dtype=kind, name=kind) for kind in ("uint8", "int64", "bool")}
    cast = [keras.ops.cast(x, "float64") for x in given.values()]

    kinds = found(lambda: inputs_keras.compiled(list(given.values()), L.Concatenate()(cast)))
    assert {name: (each.kind, each.is_whole) for name, each in kinds.items()} == {
        "uint8": ("image", True),
        "int64": ("numbers", True),
        "bool": ("booleans", False),
    }


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
    encoded = nets.chain(lambda: L.CategoryEncoding(4, output_mode="multi_hot"), dtype="int32")
    assert [*tokens_of(encoded).values()] == [(Tokens(0, 3),)]
    looked_up = nets.chain(lambda: L.IntegerLookup(vocabulary=[12, 36, 7]), dtype="int64")
    assert [*tokens_of(looked_up).values()] == [(Tokens(7, 37, known=(12, 36, 7, 37)),)]


def both():
    """Tokens that are numbers as well."""
    x = keras.Input((3,), name="x")
    return inputs_keras.compiled(x, L.Concatenate()([L.Flatten()(L.Embedding(9, 2)(x)), x * 2]))


def test_what_is_not_drawn_is_said():
    versions.use_dtype("float64")
    (told,) = inputs_of(call_factory(both, 0), 4).left_out
    assert told["what"] == "other numbers in the input x"
    assert told["why"] == "it chooses rows of a table, too, and is drawn from 0 to 8"
    assert inputs_of(call_factory(inputs_keras.columns, 0), 4).left_out == ()


def recurrent(**told):
    def build():
        x = keras.Input((6,), dtype="int32", name="text")
        y = L.GRU(3)(L.Embedding(90, 4, mask_zero=True)(x))
        return model_of(x, y, inputs=Input(**told) if told else None)

    return build


def test_padding_is_at_the_end_for_recurrent_layers_unless_the_user_says_more():
    versions.use_dtype("float64")
    plain = inputs_of(call_factory(recurrent(), 0), 4)
    assert plain.each[0].tokens == (Tokens(0, 89, "post"),)
    assert plain.left_out[0]["what"] == "padding at the beginning of text"
    more = inputs_of(call_factory(recurrent(padding="any"), 0), 4)
    assert more.each[0].tokens == (Tokens(0, 89, "any"),)
    assert more.left_out == ()


def test_steps_that_masking_leaves_out_are_drawn():
    (given,) = found(nets.chain(lambda: L.Masking(-1.0), lambda: L.LSTM(2), shape=(5, 3))).values()
    assert given == ModelInput(given.name, (5, 3), filler=-1.0, padding="post")


def test_what_the_user_says_counts():
    def build(inputs):
        words, x = keras.Input((4,), dtype="int32", name="words"), keras.Input((3,), name="x")
        y = L.Concatenate()([L.Flatten()(L.Embedding(9, 2)(words)), x])
        return lambda: model_of([words, x], y, inputs=inputs)

    given = found(build([Input(kind="tokens", count=5), Input(kind="numbers", range=(0, 1))]))
    assert given["words"].tokens == (Tokens(0, 4),)
    assert given["x"].limits == (0, 1)
    given = found(build({"x": Input(kind="image")}))
    assert given["words"].tokens == (Tokens(0, 8),)
    assert given["x"].kind == "image"
    given = found(build((None, Input(kind="booleans"))))
    assert given["x"].kind == "booleans"


def test_a_subclassed_model_is_known_by_the_arrays_of_fit():
    def build():
        model = inputs_keras.Rated()
        model.compile("sgd", "mse")
        x = {"user": np.zeros(5, np.int32), "age": np.zeros((5, 4), np.int16)}
        return Reference(model, x=x, y=np.zeros((5, 2)))

    given = found(build)
    assert given["user"].tokens == (Tokens(0, 7),)
    assert given["age"] == ModelInput("age", (4,), is_whole=True)


@each_row(
    "inputs, told",
    [
        ([Input()], "it has 1 inputs; expected 2: text, numbers; give None for one"),
        ({"texts": Input()}, "it has texts; expected some of text, numbers, the inputs of the"),
        ([(6,), (4,)], "input 'text' is 6; expected keras_impl.Input"),
        ([Input(), 6], r"input 'numbers' is 6; expected keras_impl.Input"),
    ],
    ids=["number", "name", "shapes", "type"],
)
def test_inputs_that_are_not_those_of_the_model_are_refused(inputs, told):
    def build():
        return Reference(inputs_keras.text_and_numbers(), inputs=inputs)

    with pytest.raises(InputError, match=told):
        found(build)


def test_a_subclassed_model_needs_shapes():
    def build(**told):
        return lambda: Reference(inputs_keras.Rated(), **told)

    with pytest.raises(InputError, match=r"return keras_impl.Reference\(model, inputs=keras_impl"):
        found(build())
    with pytest.raises(InputError, match="input 'age' is Input"):
        found(build(inputs={"user": Input(()), "age": Input()}))


def test_text_is_refused_in_one_line():
    x = keras.Input((1,), dtype="string", name="city")
    y = L.Embedding(4, 2)(L.StringLookup(vocabulary=["a", "b"])(x))
    with pytest.raises(InputError, match="is fed texts, which string_lookup"):
        found(lambda: inputs_keras.compiled(x, y))
