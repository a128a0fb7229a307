"""Settings of real layers of both halves: what differs is told, other spellings are not."""

import itertools

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from parity.divergences import arithmetic
from parity.divergences.evidence import settings_differ
from parity.divergences.layer_settings import rows_of
from parity.halves.keras.kinds import kind_of, plain_config
from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.check.facts import _settings
from parity.halves.torch.port.paired_layer import node_of
from torch_impl import layers as ported

K = keras.layers
IMAGE = (2, 9, 7, 4)  # sides that no stride divides


class Called(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function if not isinstance(function, nn.Module) else None
        self.inner = function if isinstance(function, nn.Module) else None

    def forward(self, x):
        return (self.inner or self.function)(x)


def told(layer, port, shape=IMAGE, around=(), is_wrong=False):
    """Setting -> (Keras's, the port's) that differ, of a layer and a module or function."""
    output = layer(np.zeros(shape))
    node = {
        "name": layer.name,
        "kind": kind_of(layer),
        "config": plain_config(layer),
        "input_shapes": [list(shape)],
        "output_shape": list(output.shape),
        "weights": [f"{layer.name}.{weight.name}" for weight in layer.weights],
        "sources": [-1],
    }
    x = torch.zeros(shape)
    x = x.movedim(-1, 1).contiguous() if len(shape) == 4 else x
    root = Called(port)
    with recorded_calls(root, lambda number, y, rate: y) as calls, torch.no_grad():
        root.eval()(x)
    if not calls:  # a class of the user that does nothing parity knows
        return {}
    (call,) = [call for call in calls if call.kind == node["kind"]] or calls
    rows = list(rows_of(node, node_of(call), _settings(call), around, is_wrong))
    return {name: (theirs, ours) for name, theirs, ours, _ in rows if settings_differ(theirs, ours)}


class Fixed(nn.BatchNorm2d):
    """Torch's momentum, and a forward pass of its own."""

    def forward(self, x):
        return super().forward(x)


class Unknown(nn.Module):
    def __init__(self):
        super().__init__()
        self.momentum, self.eps = 0.4, 1e-3

    def forward(self, x):
        return x


EQUAL = {
    "conv_valid": (lambda: K.Conv2D(6, 3), nn.Conv2d(4, 6, 3)),
    "conv_valid_word": (lambda: K.Conv2D(6, 3), nn.Conv2d(4, 6, 3, padding="valid")),
    "conv_same_number": (lambda: K.Conv2D(6, 3, padding="same"), nn.Conv2d(4, 6, 3, padding=1)),
    "conv_same_word": (lambda: K.Conv2D(6, 5, padding="same"), nn.Conv2d(4, 6, 5, padding="same")),
    "conv_same_dilated": (
        lambda: K.Conv2D(6, 3, padding="same", dilation_rate=2),
        nn.Conv2d(4, 6, 3, padding=2, dilation=2),
    ),
    "conv_same_stride_of_odd_sides": (
        lambda: K.Conv2D(6, 3, 2, padding="same"),
        nn.Conv2d(4, 6, 3, 2, padding=1),
    ),
    "conv_function": (
        lambda: K.Conv2D(6, 3, padding="same"),
        lambda x: F.conv2d(x, torch.zeros(6, 4, 3, 3), None, 1, 1),
    ),
    "conv_no_bias": (lambda: K.Conv2D(6, 3, use_bias=False), nn.Conv2d(4, 6, 3, bias=False)),
    "transposed_valid": (lambda: K.Conv2DTranspose(6, 3, 2), nn.ConvTranspose2d(4, 6, 3, 2)),
    "transposed_same": (
        lambda: K.Conv2DTranspose(6, 4, 2, padding="same"),
        nn.ConvTranspose2d(4, 6, 4, 2, padding=1),
    ),
    "pool_valid": (lambda: K.MaxPooling2D(2), nn.MaxPool2d(2)),
    "pool_stride": (lambda: K.MaxPooling2D(3, 2), nn.MaxPool2d((3, 3), (2, 2))),
    "pool_same_is_ceil": (
        lambda: K.MaxPooling2D(2, padding="same"),
        lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    ),
    "pool_same_odd": (lambda: K.MaxPooling2D(3, 2, padding="same"), nn.MaxPool2d(3, 2, padding=1)),
    "average_same": (
        lambda: K.AveragePooling2D(3, 2, padding="same"),
        nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
    ),
    "norm": (
        lambda: K.BatchNormalization(),
        nn.BatchNorm2d(4, eps=1e-3, momentum=0.01),
    ),
    "norm_subclass": (
        lambda: K.BatchNormalization(momentum=0.9),
        Fixed(4, eps=1e-3, momentum=0.1),
    ),
    "norm_of_this_package": (lambda: K.BatchNormalization(), ported.BatchNormalization(4)),
    "norm_function": (
        lambda: K.BatchNormalization(momentum=0.9),
        lambda x: F.batch_norm(x, torch.zeros(4), torch.ones(4), eps=1e-3),
    ),
    "norm_plain": (
        lambda: K.BatchNormalization(scale=False, center=False),
        nn.BatchNorm2d(4, 1e-3, 0.01, affine=False),
    ),
    "layer_norm": (lambda: K.LayerNormalization(), nn.LayerNorm(5, eps=1e-3), (2, 3, 5)),
    "group_norm": (lambda: K.GroupNormalization(2), nn.GroupNorm(2, 4, eps=1e-3)),
    "leaky": (lambda: K.LeakyReLU(0.2), lambda x: F.leaky_relu(x, 0.2)),
    "leaky_word": (lambda: K.Activation("leaky_relu"), nn.LeakyReLU(0.2)),
    "elu": (lambda: K.ELU(), nn.ELU()),
    "elu_function": (lambda: K.ELU(0.5), lambda x: F.elu(x, alpha=0.5)),
    "gelu": (lambda: K.Activation("gelu"), F.gelu),
    "softmax": (lambda: K.Softmax(), nn.Softmax(dim=1)),
    "softmax_method": (lambda: K.Softmax(), lambda x: x.softmax(-1), (2, 3, 5)),
    "nearest": (lambda: K.UpSampling2D(2), nn.Upsample(scale_factor=2)),
    "bilinear": (
        lambda: K.UpSampling2D(2, interpolation="bilinear"),
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    ),
    "lstm": (lambda: K.LSTM(3), nn.LSTM(5, 3, batch_first=True), (2, 4, 5)),
    "gru": (lambda: K.GRU(3), nn.GRU(5, 3, batch_first=True), (2, 4, 5)),
    "rnn_relu": (
        lambda: K.SimpleRNN(3, activation="relu"),
        nn.RNN(5, 3, nonlinearity="relu", batch_first=True),
        (2, 4, 5),
    ),
    "bidirectional": (
        lambda: K.Bidirectional(K.LSTM(3)),
        nn.LSTM(5, 3, batch_first=True, bidirectional=True),
        (2, 4, 5),
    ),
    "dropout": (lambda: K.Dropout(0.3), nn.Dropout(0.3)),
    "dense": (lambda: K.Dense(3), nn.Linear(5, 3), (2, 5)),
    # What nobody can know is not told.
    "class_of_the_user": (lambda: K.BatchNormalization(epsilon=1e-3), Unknown()),
}


@pytest.mark.parametrize("case", EQUAL)
def test_what_is_equal_is_not_told(case):
    layer, port, *rest = EQUAL[case]
    assert told(layer(), port, *rest) == {}


OTHER = {
    "padding": (
        lambda: K.Conv2D(6, 3, padding="same"),
        nn.Conv2d(4, 6, 3),
        {"padding": ("same", [0, 0])},
    ),
    "padding_valid": (
        lambda: K.Conv2D(6, 3),
        nn.Conv2d(4, 6, 3, padding="same"),
        {"padding": ("valid", "same")},
    ),
    "padding_of_a_stride": (
        lambda: K.Conv2D(6, 2, 2, padding="same"),
        nn.Conv2d(4, 6, 2, 2, padding=1),
        {"padding": ("same", [1, 1])},
    ),
    "padding_mode": (
        lambda: K.Conv2D(6, 3, padding="same"),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
        {"padding_mode": ("zeros", "reflect")},
    ),
    "dilation": (
        lambda: K.Conv2D(6, 3, dilation_rate=2, padding="same"),
        nn.Conv2d(4, 6, 3, padding=2),
        {"dilation_rate": ([2, 2], [1, 1])},
    ),
    "stride": (
        lambda: K.Conv2D(6, 3, 2),
        lambda x: F.conv2d(x, torch.zeros(6, 4, 3, 3), stride=1),
        {"strides": ([2, 2], 1)},
    ),
    "groups": (
        lambda: K.Conv2D(6, 3),
        nn.Conv2d(4, 6, 3, groups=2),
        {"groups": (1, 2)},
    ),
    "use_bias": (
        lambda: K.Conv2D(6, 3),
        nn.Conv2d(4, 6, 3, bias=False),
        {"use_bias": (True, False)},
    ),
    "transposed": (
        lambda: K.Conv2DTranspose(6, 4, 2, padding="same"),
        nn.ConvTranspose2d(4, 6, 4, 2, padding=0),
        {"padding": ("same", "[0, 0], output_padding [0, 0]")},
    ),
    "pool_size": (
        lambda: K.MaxPooling2D(3),
        nn.MaxPool2d(2),
        {"pool_size": ([3, 3], 2), "strides": ([3, 3], 2)},
    ),
    "ceil_mode": (
        lambda: K.MaxPooling2D(2),
        lambda x: F.max_pool2d(x, 2, ceil_mode=True),
        {"padding": ("valid", "0 with ceil_mode")},
    ),
    "count_include_pad": (
        lambda: K.AveragePooling2D(3, 2, padding="same"),
        lambda x: F.avg_pool2d(x, 3, 2, padding=1),
        {"count_include_pad": (False, True)},
    ),
    "norm": (
        lambda: K.BatchNormalization(),
        nn.BatchNorm2d(4),
        {"epsilon": (1e-3, 1e-5), "momentum": (0.99, 0.9)},
    ),
    "norm_subclass": (
        lambda: K.BatchNormalization(),
        Fixed(4, eps=1e-3, momentum=0.99),
        {"momentum": (0.99, 0.01)},
    ),
    "norm_of_this_package": (
        lambda: K.BatchNormalization(),
        ported.BatchNormalization(4, momentum=0.01),
        {"momentum": (0.99, 0.01)},
    ),
    "scale": (
        lambda: K.BatchNormalization(scale=False),
        nn.BatchNorm2d(4, 1e-3, 0.01),
        {"scale": (False, True)},
    ),
    "center": (
        lambda: K.LayerNormalization(),
        nn.LayerNorm(5, 1e-3, bias=False),
        {"center": (True, False)},
        (2, 3, 5),
    ),
    "axes": (
        lambda: K.LayerNormalization(axis=(1, 2)),
        nn.LayerNorm(5, eps=1e-3),
        {"number of axes": (2, 1)},
        (2, 3, 5),
    ),
    "norm_groups": (
        lambda: K.GroupNormalization(2),
        lambda x: F.group_norm(x, 4, eps=1e-3),
        {"groups": (2, 4)},
    ),
    "slope": (
        lambda: K.LeakyReLU(),
        lambda x: F.leaky_relu(x, 0.2),
        {"negative_slope": (0.3, 0.2)},
    ),
    "slope_of_a_word": (
        lambda: K.Activation("leaky_relu"),
        nn.LeakyReLU(),
        {"negative_slope": (0.2, 0.01)},
    ),
    "alpha": (lambda: K.ELU(), lambda x: F.elu(x, 0.5), {"alpha": (1.0, 0.5)}),
    "gelu": (
        lambda: K.Activation("gelu"),
        nn.GELU(approximate="tanh"),
        {"approximate": (False, True)},
    ),
    "activation": (lambda: K.Activation("relu"), nn.Tanh(), {"activation": ("relu", "tanh")}),
    "softmax": (lambda: K.Softmax(), lambda x: F.softmax(x, 2), {"axis": (3, 1)}),
    "softmax_of_a_sequence": (
        lambda: K.Softmax(),
        nn.Softmax(dim=1),
        {"axis": (2, 1)},
        (2, 3, 5),
    ),
    "interpolation": (
        lambda: K.UpSampling2D(2, interpolation="bilinear"),
        nn.Upsample(scale_factor=2),
        {"interpolation": ("bilinear", "nearest")},
    ),
    "align_corners": (
        lambda: K.UpSampling2D(2, interpolation="bilinear"),
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
        {"align_corners": (False, True)},
    ),
    "size": (
        lambda: K.UpSampling2D(2),
        nn.Upsample(scale_factor=3),
        {"size": ([2, 2], 3.0)},
    ),
    "recurrent_activation": (
        lambda: K.LSTM(3, recurrent_activation="hard_sigmoid", activation="relu"),
        nn.LSTM(5, 3, batch_first=True),
        {"recurrent_activation": ("hard_sigmoid", "sigmoid"), "activation": ("relu", "tanh")},
        (2, 4, 5),
    ),
    "recurrent_dropout": (
        lambda: K.LSTM(3, dropout=0.2),
        nn.LSTM(5, 3, batch_first=True),
        {"dropout": (0.2, "none")},
        (2, 4, 5),
    ),
    "reset_after": (
        lambda: K.GRU(3, reset_after=False),
        nn.GRU(5, 3, batch_first=True),
        {"reset_after": (False, True)},
        (2, 4, 5),
    ),
    "inside_of_bidirectional": (
        lambda: K.Bidirectional(K.LSTM(3, activation="relu")),
        nn.LSTM(5, 3, batch_first=True, bidirectional=True),
        {"activation": ("relu", "tanh")},
        (2, 4, 5),
    ),
    "rate": (lambda: K.Dropout(0.3), nn.Dropout(0.7), {"rate": (0.3, 0.7)}),
    "rate_of_a_function": (
        lambda: K.Dropout(0.3),
        lambda x: F.dropout(x, 0.5, training=False),
        {"rate": (0.3, 0.5)},
    ),
}


def plain(value):
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("case", OTHER)
def test_what_differs_is_told(case):
    layer, port, expected, *rest = OTHER[case]
    found = told(layer(), port, *rest)
    assert {k: tuple(map(plain, v)) for k, v in found.items()} == expected


def test_padding_beside_the_layer_is_not_held_against_it():
    conv = nn.Conv2d(4, 6, 3, 2)
    assert "padding" in told(K.Conv2D(6, 3, 2, padding="same"), conv)
    for around in (["zero_padding"], ["add", "cropping"]):
        assert told(K.Conv2D(6, 3, 2, padding="same"), conv, around=around) == {}


def test_a_turned_sequence_is_told_only_if_the_values_differ():
    layer, port = K.LSTM(3, go_backwards=True), nn.LSTM(5, 3, batch_first=True)
    assert told(layer, port, (2, 4, 5)) == {}
    assert told(layer, port, (2, 4, 5), is_wrong=True) == {"go_backwards": (True, False)}


@pytest.mark.parametrize("is_same", [False, True], ids=["valid", "same"])
def test_the_arithmetic_of_padding_is_that_of_the_values(is_same):
    """Every window of 1 to 4 on 5 to 8 pixels: told exactly if the maxima differ."""
    draw = np.random.default_rng(0)
    for side, k, s, d, p, ceiled in itertools.product(
        (5, 6, 7, 8), (1, 2, 3, 4), (1, 2, 3), (1, 2), (0, 1, 2), (False, True)
    ):
        span = (k - 1) * d + 1
        if span > side or 2 * p > k or (s > 1 and d > 1):
            continue
        x = draw.normal(size=(30, side))  # so many that no two maxima are equal by chance
        padding = arithmetic.same_padding([side], [k], [s], [d]) if is_same else [(0, 0)]
        padded = np.pad(x, [(0, 0), padding[0]], constant_values=-np.inf)
        starts = range(0, padded.shape[1] - span + 1, s)
        theirs = np.stack([padded[:, i : i + span : d].max(1) for i in starts], axis=1)
        ours = F.max_pool1d(torch.from_numpy(x), k, s, p, d, ceil_mode=ceiled).numpy()
        node = {
            "kind": "max_pool",
            "weights": [],
            "input_shapes": [[1, side, 1]],
            "config": {
                "pool_size": [k],
                "strides": [s],
                "dilation_rate": [d],
                "padding": "same" if is_same else "valid",
            },
        }
        settings = {"padding": p, "ceil_mode": ceiled, "kernel_size": k, "stride": s}
        rows = rows_of(node, {"weights": []}, settings, ())
        names = [name for name, a, b, _ in rows if settings_differ(a, b)]
        is_other = not np.array_equal(theirs, ours)
        assert ("padding" in names) == is_other, (side, k, s, d, p, ceiled)
