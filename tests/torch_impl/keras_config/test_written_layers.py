"""The source that is written of every Keras layer, in a model of one, computes what Keras does."""

import keras
import numpy as np
import pytest
from keras import layers as L
from rows import each_row
from test_twin_layers import BAR, CASES
from written import fed, outputs, written, written_plain

from torch_impl.keras_config import NoTwinError

pytestmark = pytest.mark.usefixtures("direct", "float64")


# Layers without a form in plain torch: `parity port --plain` names them.
WITHOUT_PLAIN = {
    *("Conv2DTranspose", "ConvLSTM1D", "Dropout_noise_shape"),
    *("GroupNormalization_instance", "LayerNormalization_rms", "Normalization_inverted"),
    *("RNN", "RNN_stacked", "SpectralNormalization", "SpectralNormalization_dense"),
}
DRAWING = ("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout")


def model_of(name):
    shape, make = CASES[name]
    inputs = L.Input(shape)
    x = np.random.default_rng(1).uniform(0.1, 1.9, size=(3, *shape))
    return keras.Model(inputs, make()(inputs)), x


def assert_same(found, expected, source):
    for ours, theirs in zip(found, map(np.asarray, expected), strict=True):
        assert ours.shape == theirs.shape, source
        scale = max(np.abs(theirs).max(initial=0), 1e-30)
        assert np.abs(ours - theirs).max(initial=0) <= BAR * scale, source


@pytest.mark.filterwarnings("ignore:You passed .rms_scaling")
@each_row("name", sorted(CASES))
def test_the_source_of_a_layer_computes_what_keras_computes_and_the_plain_one_what_it_does(
    name, tmp_path
):
    """What plain layers draw is not compared: it has the same law."""
    model, x = model_of(name)
    module, program, source = written(model, tmp_path)
    plain = None if name in WITHOUT_PLAIN else written_plain(model, tmp_path, module)[0]
    for training in (False, True):
        made = outputs(module.train(training)(*fed(program, [x])), program)
        assert_same(made, keras.tree.flatten(model(x, training=training)), source)
        if plain is not None and not (training and name.startswith(DRAWING)):
            assert_same(outputs(plain.train(training)(*fed(program, [x])), program), made, source)


@pytest.mark.filterwarnings("ignore:You passed .rms_scaling")
@each_row("name", sorted(WITHOUT_PLAIN))
def test_a_layer_without_a_plain_form_is_refused_by_name(name, tmp_path):
    with pytest.raises(NoTwinError, match="has no plain part, which --plain needs"):
        written_plain(model_of(name)[0], tmp_path, None)
