"""Every public layer of Keras has settings in the table, or is refused with a reason.

`benchmarks/accuracy/public_layers.py` compares all settings. Here are those of the rows that no
other test has, and a check of one model of each kind.
"""

import keras
import pytest
from paths import ROOT

from benchmarks.public_layers.checks import checked, verdict
from benchmarks.public_layers.table import SETTINGS, left, of_layer, public_classes
from benchmarks.public_layers.twins import BAR, FLOAT32_BAR, differences
from torch_impl.keras_config import NoTwinError, from_keras_config
from torch_impl.keras_config.builders import BUILDERS, REFUSED

# Arguments that no setting gives another value, and why.
NOT_VARIED = {
    "data_format": "a twin has channels last, and says so",
    "lora_rank lora_alpha quantization_config gptq_unpacked_column_size": "of layers that change",
    "renorm renorm_clipping renorm_momentum synchronized": "refused, or of several devices",
    "sparse vocabulary_dtype idf_weights invert oov_method salt": "refused",
    "stateful": "of several calls: test_recurrent_rows.py",
    "use_cudnn weights": "changes nothing that is computed",
    "num_bins epsilon": "of adapting, which makes boundaries",
    "shape batch_size ragged batch_shape input_tensor optional": "of the input of every model",
    "mask": "test_twin_custom.py",
    "fill_mode": "Keras has one",
    "dilation_rate": "TensorFlow has no such transposed kernel on a CPU",
}
NEW = [
    *("AdaptiveMaxPooling1D_2", "AdaptiveMaxPooling2D_2", "AdaptiveMaxPooling3D_2"),
    *("AdaptiveAveragePooling1D_3", "AdaptiveAveragePooling2D_2", "AdaptiveAveragePooling3D_2"),
    *("STFTSpectrogram_2", "STFTSpectrogram_3", "STFTSpectrogram_4", "STFTSpectrogram_5"),
    *("STFTSpectrogram_7", "MelSpectrogram_2", "MelSpectrogram_4", "Hashing_2", "Hashing_4"),
    *("Hashing_7", "HashedCrossing_1", "Pipeline_1", "Pipeline_2", "Lambda_1", "UpSampling2D_5"),
    *("MultiHeadAttention_4", "GroupQueryAttention_4", "ReversibleEmbedding_2"),
    *("ReversibleEmbedding_3", "LSTMCell_4", "TimeDistributed_20", "TimeDistributed_21"),
    *("RandomShear_2", "RandomSharpness_1"),
]
# A model of each entry; its branches are compared in one check.
CHECKED = (
    "Conv1D_8 Conv2DTranspose_7 SeparableConv1D_2 MaxPooling1D_4 AdaptiveMaxPooling2D_2 "
    "AdaptiveAveragePooling3D_2 GlobalMaxPooling3D_1 UpSampling2D_5 Resizing_3",
    "BatchNormalization_2 LayerNormalization_2 GroupNormalization_4 UnitNormalization_2 PReLU_2 "
    "Normalization_3 RMSNormalization_2 EinsumDense_2 ZeroPadding2D_4 Dot_2 Concatenate_2",
    "LSTM_7 GRU_8 LSTMCell_2 StackedRNNCells_2 Bidirectional_3 TimeDistributed_21",
    "RandomRotation_1 RandomContrast_1 RandomShear_2 RandomInvert_2 Solarization_2",
    "Attention_2 AdditiveAttention_3 MultiHeadAttention_4 STFTSpectrogram_2 MelSpectrogram_1 "
    "STFTSpectrogram_7 Hashing_5 HashedCrossing_2 Pipeline_1 Lambda_1",
)


def test_every_public_class_is_in_the_table_or_refused_by_name():
    public = public_classes()
    unknown = [name for name in public if not of_layer(name) and name not in REFUSED]
    assert not unknown, (
        f"keras.layers has {unknown}: expected settings of each in benchmarks/public_layers and a "
        "row in torch_impl/keras_config/rows, or a reason in rows/refused.py"
    )
    assert set(public) >= REFUSED.keys()
    assert len(public) - len(REFUSED) >= 110


def test_every_class_with_settings_has_a_row_and_no_reason_to_be_refused():
    parts_of_the_model = {"InputLayer", "Lambda", "Pipeline"}
    parts_of_an_rnn = {"LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells"}
    settings = {setting.layer for setting in SETTINGS.values()}
    assert settings - parts_of_the_model - parts_of_an_rnn <= BUILDERS.keys()
    assert not (settings | BUILDERS.keys()) & REFUSED.keys()


def test_every_argument_is_once_off_its_default():
    known = {name for names in NOT_VARIED for name in names.split()}
    assert {where.partition(".")[2] for where in left()} <= known


def test_all_refused_classes_of_a_model_are_told_at_once_with_their_reasons():
    layers = [
        {"class_name": name, "config": {"name": f"layer_{number}"}}
        for number, name in enumerate(REFUSED)
    ]
    inputs = {"class_name": "InputLayer", "config": {"name": "in", "dtype": "float32"}}
    with pytest.raises(NoTwinError) as caught:
        from_keras_config({"layers": [inputs, *layers]})
    assert caught.value.problems == [
        f"layer 'layer_{number}' of class {name!r}: {reason}"
        for number, (name, reason) in enumerate(REFUSED.items())
    ]


@pytest.mark.long
@pytest.mark.usefixtures("direct")
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@pytest.mark.parametrize("name", NEW)
def test_the_twin_of_a_setting_is_the_layer(name):
    setting = SETTINGS[name]
    bar = FLOAT32_BAR if setting.is_rounded else BAR
    assert not {where: value for where, value in differences(setting).items() if not value <= bar}


@pytest.mark.long
@pytest.mark.usefixtures("warm_halves")
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
def test_checks_of_layers_of_all_kinds_pass():
    models = [[SETTINGS[name] for name in line.split()] for line in CHECKED]
    assert [verdict(result) for result in checked(models)] == [""] * len(models)


def test_the_page_names_all_classes():
    page = (ROOT / "docs" / "twin.md").read_text(encoding="utf-8")
    supported = [name for name in public_classes() if name not in REFUSED]
    assert ", ".join(f"`{name}`" for name in supported) in " ".join(page.split())
    assert [name for name in REFUSED if f"`{name}`" not in page] == []
    assert keras.__version__.rpartition(".")[0] in page
