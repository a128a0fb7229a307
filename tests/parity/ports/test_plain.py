"""Programs in plain torch: whole models, and what is refused or left out."""

from functools import partial

import keras
import numpy as np
import plain_keras
import pytest
import torch
from keras import layers as L
from rows import each_row
from written import compared, written, written_plain

from parity.ports.plain_rules import as_rule, callback, metric
from torch_impl.keras_config import NoTwinError
from torch_impl.keras_config.training import planned_callback, planned_metric
from torch_impl.plain.losses import MeanSquaredError, OutputLosses


@each_row("name", ["images", "words", "transformer", "branches"])
def test_a_plain_network_computes_what_keras_computes(name, tmp_path):
    built = getattr(plain_keras, name)()
    model = getattr(built, "model", built)
    generator = np.random.default_rng(0)
    arrays = [
        generator.integers(0, 11, (4, *x.shape[1:]))
        if x.dtype == "int32"
        else generator.normal(size=(4, *x.shape[1:]))
        for x in model.inputs
    ]
    if name == "words":
        arrays[0][:, 5:] = 0  # masked
    compared(model, tmp_path, arrays, plain=True)


def test_plain_dropouts_of_steps_drop_channels_of_them_or_single_values(tmp_path):
    x = inputs = L.Input((40, 30))
    x = L.SpatialDropout1D(0.5, name="channels")(x)
    model = keras.Model(inputs, [x, L.Dropout(0.5, name="values")(inputs)])
    full, _, _ = written(model, tmp_path)
    plain, _ = written_plain(model, tmp_path, full)
    channels, values = plain.train()(torch.ones(8, 40, 30, dtype=torch.float64))
    assert torch.equal(channels, channels[:, :1].expand_as(channels))
    assert {0.0, 2.0} == set(channels.unique().tolist()) == set(values.unique().tolist())
    assert not torch.equal(values, values[:, :1].expand_as(values))


def test_images_that_are_enlarged_between_their_pixels_have_a_plain_form(tmp_path):
    """TensorFlow computes them in float32. Other weights of pixels are refused."""

    def model_of(interpolation):
        images = L.Input((5, 4, 3))
        x = L.UpSampling2D((2, 3), interpolation=interpolation, name="up")(images)
        return keras.Model(images, x)

    compared(model_of("bilinear"), tmp_path, plain=True, bar=1e-6)
    with pytest.raises(NoTwinError, match="layer 'up': UpSampling with interpolation='bicubic'"):
        written_plain(model_of("bicubic"), tmp_path, None)


def test_a_plain_layer_is_told_the_mask_of_each_step(tmp_path):
    words = L.Input((2, 5), dtype="int32")
    x = L.TimeDistributed(L.LSTM(3))(L.Embedding(6, 4, mask_zero=True)(words))
    given = np.random.default_rng(1).integers(0, 3, (4, 2, 5))
    compared(keras.Model(words, L.Dense(2)(x)), tmp_path, [given], plain=True)


def test_all_layers_without_a_plain_form_are_named_at_once(tmp_path):
    x = inputs = L.Input((6, 5, 4, 2))
    x = L.ConvLSTM2D(4, 2, dropout=0.3, name="moving")(x)
    x = L.Activation("glu", name="gated")(x)
    x = L.Activation("sparsemax", name="sparse")(x)
    x = L.Dropout(0.5, noise_shape=(None, 1, 1, 2), name="columns")(x)
    with pytest.raises(NoTwinError) as refused:
        written_plain(keras.Model(inputs, x), tmp_path, None)
    told = str(refused.value)
    named = [
        "3 parts of the model have no plain form, which --plain needs:\n",
        "layer 'moving': ConvLSTM2D with dropout=0.3 has no plain part",
        "layer 'sparse': the activation sparsemax has no plain function",
        "layer 'columns': Dropout with {'noise_shape'",
    ]
    assert [text for text in named if text not in told] == []
    assert told.startswith(named[0])
    assert "gated" not in told


def test_an_attention_whose_size_is_an_argument_of_a_block_is_refused_by_name(tmp_path):
    x = inputs = L.Input((5, 6))
    for width in (6, 4):
        x = L.Dense(width)(x)
        for _ in range(2):
            x = L.LayerNormalization()(x)
            y = L.MultiHeadAttention(2, width)(x, x)
            x = L.Dense(width, activation="relu")(L.LayerNormalization()(L.Add()([x, y])))
    model = keras.Model(inputs, x)
    full, _, _ = written(model, tmp_path)
    with pytest.raises(NoTwinError, match="MultiHeadAttention of several sizes in one block has"):
        written_plain(model, tmp_path, full)


def of_config(class_name, **config):
    return metric(planned_metric({"class_name": class_name, "config": config}))


def of_callback(name, **settings):
    return callback(planned_callback(name, settings))


AUC = partial(of_config, "AUC", name="auc_1", num_thresholds=50)
STOP = partial(of_callback, "EarlyStopping", patience=3, mode="auto")
DECAY = {"initial_learning_rate": 0.1, "decay_steps": 5}
SCHEDULE = {"class_name": "CosineDecay", "config": DECAY}


@each_row(
    "write, expected",
    [
        (
            partial(as_rule, "optim.SGD(model.parameters(), learning_rate=0.01)"),
            "torch.optim.SGD(model.parameters(), lr=0.01)",
        ),
        (
            partial(
                as_rule,
                "optim.SGD(model.parameters(), learning_rate=0.01, momentum=0.9, clipnorm=1.0)",
            ),
            "rules.SGD(model.parameters(), learning_rate=0.01, momentum=0.9, "
            "clip=rules.clip_norm(1.0))",
        ),
        (
            partial(
                as_rule,
                "optim.Adam(model.parameters(), learning_rate=schedule.CosineDecay(0.1, 10))",
            ),
            "rules.Adam(model.parameters(), learning_rate=rules.CosineDecay(0.1, 10))",
        ),
        (
            partial(as_rule, 'losses.Huber(delta=0.5, reduction="sum")'),
            'rules.Huber(delta=0.5, reduction="sum")',
        ),
        (AUC, 'rules.AUC("auc_1", num_thresholds=50)'),
        (
            partial(metric, "mae"),
            'rules.Average("mae", rules.MeanAbsoluteError().per_sample)',
        ),
        # Whether more is better is told.
        (
            partial(STOP, monitor="val_accuracy"),
            'rules.EarlyStopping(model, patience=3, mode="max", monitor="val_accuracy")',
        ),
    ],
)
def test_rules_are_torchs_or_written_beside(write, expected):
    assert write() == expected


@each_row(
    "write, named",
    [
        *[
            (partial(as_rule, text), named)
            for text, named in (
                (
                    "optim.Adam(model.parameters(), learning_rate=0.1, use_ema=True)",
                    "Adam with use_ema",
                ),
                ("losses.Dice()", "Dice has no plain form"),
                ('losses.Huber(reduction="mean_with_sample_weight")', "Huber with reduction"),
                ("losses.SparseCategoricalCrossentropy(ignore_class=0)", "with ignore_class=0"),
                (
                    "optim.Ftrl(model.parameters(), "
                    "learning_rate=schedule.CosineDecayRestarts(0.1, 10))",
                    "Ftrl has no plain form",
                ),
            )
        ],
        (partial(AUC, curve="PR"), "the metric 'auc_1': AUC with curve has no plain form"),
        (partial(metric, "R2Score"), "R2Score has no plain form"),
        (
            partial(of_callback, "EarlyStopping", monitor="val_score"),
            r"the callback EarlyStopping: .* does not tell",
        ),
        (
            partial(of_callback, "LearningRateScheduler", schedule=SCHEDULE),
            "LearningRateScheduler: it has no plain form",
        ),
    ],
)
def test_a_rule_without_a_plain_form_is_named(write, named):
    with pytest.raises(ValueError, match=named):
        write()


def test_the_loss_of_the_only_output_may_have_a_weight():
    loss = OutputLosses({"output": MeanSquaredError()}, {"output": 0.5})
    outputs, targets = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [0.0]])
    assert float(loss(outputs, targets)) == 2.5  # half of the mean of 1 and 9
    assert float(loss({"output": outputs}, {"output": targets})) == 2.5
