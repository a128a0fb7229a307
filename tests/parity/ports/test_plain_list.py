"""docs/port.md names what has no plain form, and nothing else: all settings of layers are tried."""

import json
import re

import keras
import pytest
import test_plain_operations
from paths import ROOT

from benchmarks.public_layers.models import around
from benchmarks.public_layers.table import SETTINGS
from parity.ports.graph import trace
from parity.ports.plain import as_plain, without_seeds
from parity.ports.plain_rules import as_rule, metric
from parity.ports.writer import program_of
from torch_impl import losses, metrics, optim
from torch_impl.keras_config import NoTwinError, from_keras_config
from torch_impl.keras_config.training import planned_metric

pytestmark = pytest.mark.long

# What a port without --plain has not either: code of the user's own, and causal masks that are
# arguments which are no tensors.
UNWRITTEN = {"Lambda_1", "Lambda_2", "Attention_4", "Attention_5"}
# Words of the docs -> settings that are refused of layers of which others are not.
OF_SETTINGS = {
    "`noise_shape` of dropouts": "AlphaDropout_2 Dropout_2",
    "`output_padding` of transposed convolutions": "Conv1DTranspose_4 Conv1DTranspose_5 "
    "Conv2DTranspose_4 Conv2DTranspose_5 Conv2DTranspose_7 Conv3DTranspose_4 Conv3DTranspose_5",
    '`padding="same"` of a `Conv3DTranspose`': "Conv3DTranspose_2",
    "another `interpolation` of `UpSampling2D`": "UpSampling2D_4 UpSampling2D_5 UpSampling2D_6",
    "`GroupNormalization` of another axis": "GroupNormalization_4",
    "without `center` or `scale`": "GroupNormalization_2 GroupNormalization_3",
    "`invert` of a `Normalization`": "Normalization_3",
    "`use_gate`": "MultiHeadAttention_3",
    "`output_shape`": "MultiHeadAttention_5",
    "`sliding_window`": "MultiHeadAttention_6",
    "`return_attention_scores`": "MultiHeadAttention_7",
    "`attention_axes`": "MultiHeadAttention_10",
    "`merge_mode=None` of a `Bidirectional`": "Bidirectional_5",
    "ConvLSTMs in a `Bidirectional`": "Bidirectional_11",
    "`dropout` and `recurrent_dropout` of ConvLSTMs": "ConvLSTM1D_5 ConvLSTM2D_5 ConvLSTM3D_5",
    "`BatchNormalization`, `Maximum`, `Minimum`, `Multiply`": "BatchNormalization_9 Maximum_2 "
    "Minimum_2 Multiply_2",
    "`GlobalAveragePooling1D` with `keepdims`": "GlobalAveragePooling1D_4",
    "`sparse_plus`": "Activation_25",
    "`sparsemax`": "Activation_26",
}
# Words of the docs -> cases of `test_plain_operations.WITHOUT`.
OF_OPERATIONS = {
    "the pools": "max_pool average_pool",
    "`image.resize`": "resize",
    "`sparsemax`": "sparsemax",
    "a softmax over all axes": "softmax_axis",
    "`max` and `min` with `initial`": "max_initial",
    "crossentropies in a network": "binary_crossentropy binary_of_logits categorical_crossentropy "
    "categorical_of_logits sparse_crossentropy sparse_of_logits",
}
NEEDED = {
    **{name: {"num_classes": 2, "target_class_ids": [0]} for name in ("IoU", "OneHotIoU")},
    **{name: {"num_classes": 2} for name in ("MeanIoU", "OneHotMeanIoU")},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
}


def row(name):
    """The second cell of a row of the tables."""
    text = (ROOT / "docs" / "port.md").read_text(encoding="utf-8")
    text = text[text.index("## In plain torch") :]
    return re.search(rf"^\| {re.escape(name)} \| (.*) \|$", text, re.MULTILINE).group(1)


def names_in(text):
    return set(re.findall(r"`(\w+)`", text))


@pytest.fixture(scope="module")
def refused():
    """Setting, or the name of what holds it -> class of a layer, of all that are refused.

    A cell is refused by its RNN, and a Pipeline by the layers in it.
    """
    inputs, outputs = [], []
    for name, setting in SETTINGS.items():
        if name not in UNWRITTEN:
            given, made = around(setting)
            inputs += given
            outputs += made
    config = json.loads(keras.Model(inputs, outputs).to_json())["config"]
    program = program_of(trace(from_keras_config(config), config))
    without_seeds(program)
    with pytest.raises(NoTwinError) as told:
        as_plain(program)
    lines = re.findall(r"- layer '(\w+)': (?:the activation )?(\w+)", str(told.value))
    assert len(lines) > 100
    return {name: SETTINGS[name].layer if name in SETTINGS else kind for name, kind in lines}


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
def test_layers_and_settings_that_are_refused_are_those_of_the_docs(refused):
    taken = {SETTINGS[name].layer for name in SETTINGS.keys() - refused.keys() - UNWRITTEN}
    taken -= {"LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells", "Pipeline"}
    assert names_in(row("layers")) == {kind for kind in refused.values() if kind not in taken}
    some = {name for name, kind in refused.items() if kind in taken}
    assert {name for names in OF_SETTINGS.values() for name in names.split()} == some


def test_each_setting_is_told_in_the_docs():
    told = "; ".join(map(row, ("layers", "settings of layers", "masked steps", "activations")))
    assert [words for words in OF_SETTINGS if words not in told] == []


def test_operations_that_are_refused_are_told_in_the_docs():
    cases = {name for names in OF_OPERATIONS.values() for name in names.split()}
    assert cases == test_plain_operations.WITHOUT.keys()
    assert [words for words in OF_OPERATIONS if words not in row("`keras.ops`")] == []


def without(write, names):
    found = {}
    for name in names:
        try:
            write(name)
        except ValueError as error:
            found[name] = str(error)
    assert all("has no plain form" in told for told in found.values())
    return set(found)


def metric_of(name):
    config = {"name": "measured", **NEEDED.get(name, {})}
    metric(planned_metric({"class_name": name, "config": config}))


# Row of the docs -> what writes a class, and the names of all that there are.
RULES = {
    "losses": (
        lambda name: as_rule(f"losses.{name}()"),
        {kind.__name__ for kind in losses.LOSSES.values()},
    ),
    "optimizers": (
        lambda name: as_rule(f"optim.{name}(model.parameters(), learning_rate=0.1)"),
        {name for name in optim.__all__ if name != "KerasOptimizer"},
    ),
    "metrics": (metric_of, {kind.__name__ for kind in metrics.METRICS.values()}),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_that_are_left_out_are_those_of_the_docs(name):
    write, kinds = RULES[name]
    found = without(write, kinds)
    # Whole classes stand before the first semicolon; settings of others behind it.
    assert names_in(row(name).partition(";")[0]) == found
    assert found < kinds
