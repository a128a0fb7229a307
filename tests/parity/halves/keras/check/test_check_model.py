"""The weights of a model have names, whoever holds them."""

import keras
import numpy as np
import odd_nets as nets
import pytest
from own_classes import own_class
from rows import each_row
from small_keras import graph

from keras_impl import Reference
from parity.data.samples import Samples
from parity.halves.keras import versions
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.check.weights import build, get_weights, is_built, set_weights, trainable
from parity.halves.keras.factories import call_factory
from parity.programs.check_spec import CheckSpec

L = keras.layers


def prepared(factory):
    versions.use_dtype("float64")
    reference = call_factory(factory, 0)
    samples = Samples(CheckSpec(), inputs_of(reference, 4).each)
    build(reference, samples)
    return reference, samples


def cell(self, x, states):
    h = self.dense(x) + states[0]
    return h, [h]


# A recurrent cell without a `build`, which holds a layer.
Cell = own_class(cell, state_size=lambda: 3, dense=lambda: L.Dense(3))


def of_cells():
    return graph(lambda x: L.RNN(Cell(name="cell"), name="rnn")(x), (5, 2))


@pytest.mark.filterwarnings("ignore:`build\\(\\)` was called on layer:UserWarning")
def test_a_cell_without_a_build_has_the_weights_of_its_layers():
    """Keras makes them at the first call with numbers, and `built` is true before."""
    fresh = call_factory(of_cells, 0)
    before = fresh.model.built, is_built(fresh.model), get_weights(fresh.model)
    assert before == (True, False, {})
    build(fresh, prepared(of_cells)[1])
    names = [name.rpartition("/")[2] for name in get_weights(fresh.model)]
    assert (is_built(fresh.model), names) == (True, ["kernel", "bias"])
    set_weights(fresh.model, get_weights(fresh.model))


def tokens():
    model = nets.Tokens()
    model.compile("sgd", "mse")
    return Reference(model, input_shapes=[(3,)])


@each_row(
    "factory, names",
    [
        (
            tokens,
            {
                *("dense.kernel", "dense.bias", "dense_1.kernel", "dense_1.bias"),
                *("tokens.place", "tokens.part0", "tokens.part1", "block.gamma"),
            },
        ),
        (nets.chain(nets.Scale), {"scale.scale", "scale.variable"}),
        (
            nets.chain(nets.Block, nets.Block),
            {
                *("dense.kernel", "dense.bias", "block.gamma"),
                *("dense_1.kernel", "dense_1.bias", "block_1.gamma"),
            },
        ),
    ],
    ids=["model", "layer", "blocks"],
)
def test_every_weight_has_a_name_by_which_it_is_set_and_trained(factory, names):
    model = prepared(factory)[0].model
    found = get_weights(model)
    assert set(found) == names == set(trainable(model))
    assert sum(array.size for array in found.values()) == model.count_params()
    given = {name: np.full(array.shape, n + 0.5) for n, (name, array) in enumerate(found.items())}
    set_weights(model, given)
    np.testing.assert_equal(get_weights(model), given)
