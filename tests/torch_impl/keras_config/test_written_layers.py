"""The source that is written of every Keras layer, in a model of one, computes what Keras does."""

import keras
import numpy as np
import pytest
from keras import layers as L
from test_twin_layers import BAR, CASES
from written import fed, outputs, source_of, written

# Layers for which there is no source yet: each is refused, and the message says what it is.
WITHOUT_SOURCE = {"RNN", "RNN_stacked", "SpectralNormalization", "SpectralNormalization_dense"}


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def probe(shape):
    return np.random.default_rng(1).uniform(0.1, 1.9, size=(3, *shape))


def model_of(name):
    shape, make = CASES[name]
    inputs = L.Input(shape)
    return keras.Model(inputs, make()(inputs)), probe(shape)


@pytest.mark.filterwarnings("ignore:You passed .rms_scaling")
@pytest.mark.parametrize("name", sorted(CASES.keys() - WITHOUT_SOURCE))
def test_the_source_of_a_layer_computes_what_keras_computes(name, tmp_path):
    model, x = model_of(name)
    module, program, source = written(model, tmp_path)
    for training in (False, True):
        module.train(training)
        expected = keras.tree.flatten(model(x, training=training))
        found = outputs(module(*fed(program, [x])))
        for ours, theirs in zip(found, map(np.asarray, expected), strict=True):
            assert ours.shape == theirs.shape, source
            scale = max(np.abs(theirs).max(initial=0), 1e-30)
            assert np.abs(ours - theirs).max(initial=0) <= BAR * scale, source


@pytest.mark.parametrize("name", sorted(WITHOUT_SOURCE))
def test_a_layer_without_source_is_refused_by_name(name):
    with pytest.raises(ValueError, match=r"no source|not written"):
        source_of(model_of(name)[0])
