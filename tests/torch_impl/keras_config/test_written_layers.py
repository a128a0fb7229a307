"""The source that is written of every Keras layer, in a model of one, computes what Keras does."""

import keras
import numpy as np
import pytest
from keras import layers as L
from rows import each_row
from test_twin_layers import BAR, CASES
from written import fed, outputs, written, written_plain

from torch_impl.keras_config import NoTwinError

pytestmark = pytest.mark.usefixtures("direct")

# Layers without a form in plain torch: `parity port --plain` names them.
WITHOUT_PLAIN = {
    *("Conv2DTranspose", "ConvLSTM1D", "Dropout_noise_shape"),
    *("GroupNormalization_instance", "LayerNormalization_rms", "Normalization_inverted"),
    *("RNN", "RNN_stacked", "SpectralNormalization", "SpectralNormalization_dense"),
}
DRAWING = ("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout")


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
@each_row("name", sorted(CASES))
def test_the_source_of_a_layer_computes_what_keras_computes(name, tmp_path):
    model, x = model_of(name)
    module, program, source = written(model, tmp_path)
    for training in (False, True):
        module.train(training)
        expected = keras.tree.flatten(model(x, training=training))
        found = outputs(module(*fed(program, [x])), program)
        for ours, theirs in zip(found, map(np.asarray, expected), strict=True):
            assert ours.shape == theirs.shape, source
            scale = max(np.abs(theirs).max(initial=0), 1e-30)
            assert np.abs(ours - theirs).max(initial=0) <= BAR * scale, source


@pytest.mark.filterwarnings("ignore:You passed .rms_scaling")
@each_row("name", sorted(CASES.keys() - WITHOUT_PLAIN))
def test_the_plain_source_of_a_layer_computes_what_the_other_one_does(name, tmp_path):
    """The other one is compared with Keras. What layers draw is not, and has the same law."""
    model, x = model_of(name)
    module, program, _ = written(model, tmp_path)
    plain, _ = written_plain(model, tmp_path, module)
    for training in (False,) if name.startswith(DRAWING) else (False, True):
        made = [m.train(training)(*fed(program, [x])) for m in (plain, module)]
        pairs = zip(*(outputs(each, program) for each in made), strict=True)
        for found, expected in pairs:
            scale = max(np.abs(expected).max(initial=0), 1e-30)
            assert found.shape == expected.shape
            assert np.abs(found - expected).max(initial=0) <= BAR * scale


@pytest.mark.filterwarnings("ignore:You passed .rms_scaling")
@each_row("name", sorted(WITHOUT_PLAIN))
def test_a_layer_without_a_plain_form_is_refused_by_name(name, tmp_path):
    with pytest.raises(NoTwinError, match="has no plain part, which --plain needs"):
        written_plain(model_of(name)[0], tmp_path, None)
