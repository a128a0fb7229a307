"""Formulas are what torch computes, forward and back; what they do not know they refuse."""

import numpy as np
import pytest
import torch
from rows import each_row
from torch.nn import functional as F

from parity.traces.layer_formulas import BACK, OUTPUT, WEIGHTS, LayerCall

DRAW = np.random.default_rng(4)


def array(*shape):
    return DRAW.normal(size=shape)


def first(x):
    """Channels first, as torch has them."""
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def same(x, size, stride, dilation=1, value=0.0):
    """Pads as TensorFlow does."""
    pads = []
    for side in reversed(x.shape[1:-1]):
        total = max(0, (-(-side // stride) - 1) * stride + (size - 1) * dilation + 1 - side)
        pads += [total // 2, total - total // 2]
    return F.pad(x, (0, 0, *pads), value=value)


def conv(x, w, *, stride=1, dilation=1, groups=1, padding="valid"):
    if padding == "same":
        x = same(x, w["kernel"].shape[0], stride, dilation)
    if padding == "causal":
        x = F.pad(x, (0, 0, (w["kernel"].shape[0] - 1) * dilation, 0))
    function = F.conv1d if x.ndim == 3 else F.conv2d
    kernel = w["kernel"].movedim((-1, -2), (0, 1))
    return last(function(first(x), kernel, w.get("bias"), stride, 0, dilation, groups))


def depthwise(x, w):
    kernel = w["kernel"].flatten(2).movedim(-1, 0).unsqueeze(1)
    return last(F.conv2d(first(same(x, 3, 2)), kernel, w["bias"], 2, 0, 1, x.shape[-1]))


def batch_norm(x, w):
    y = F.batch_norm(
        first(x), w["moving_mean"].clone(), w["moving_variance"].clone(), w["gamma"], w["beta"],
        True, 0.1, 1e-3,
    )  # fmt: skip
    return last(y)


WEIGHTS_OF_CONV = {"kernel": array(3, 3, 4, 6), "bias": array(6)}
OF_NORM = {
    "gamma": array(4),
    "beta": array(4),
    "moving_mean": array(4),
    "moving_variance": np.abs(array(4)),
}
PLAIN = {"strides": (1, 1), "dilation_rate": (1, 1), "padding": "valid"}
IMAGE = array(2, 7, 6, 4)
MASK = DRAW.random((2, 5)) < 0.6
# Kind, settings, inputs, weights, and the same in torch.
CASES = {
    "conv": ("conv", PLAIN, [IMAGE], WEIGHTS_OF_CONV, conv),
    "conv_same": (
        "conv",
        {"strides": (2, 2), "dilation_rate": (1, 1), "padding": "same"},
        [IMAGE],
        WEIGHTS_OF_CONV,
        lambda x, w: conv(x, w, stride=2, padding="same"),
    ),
    "conv_dilated": (
        "conv",
        {"strides": 1, "dilation_rate": 2, "padding": "same"},
        [IMAGE],
        {"kernel": array(3, 3, 4, 6)},
        lambda x, w: conv(x, w, dilation=2, padding="same"),
    ),
    "conv_groups": (
        "conv",
        {**PLAIN, "groups": 2},
        [IMAGE],
        {"kernel": array(3, 3, 2, 6), "bias": array(6)},
        lambda x, w: conv(x, w, groups=2),
    ),
    "conv_causal": (
        "conv",
        {"strides": [1], "dilation_rate": [2], "padding": "causal"},
        [array(2, 9, 4)],
        {"kernel": array(3, 4, 5), "bias": array(5)},
        lambda x, w: conv(x, w, dilation=2, padding="causal"),
    ),
    "depthwise": (
        "depthwise_conv",
        {"strides": (2, 2), "dilation_rate": (1, 1), "padding": "same"},
        [IMAGE],
        {"kernel": array(3, 3, 4, 2), "bias": array(8)},
        depthwise,
    ),
    "dense": (
        "dense",
        {},
        [array(2, 3, 5)],
        {"kernel": array(5, 4), "bias": array(4)},
        lambda x, w: x @ w["kernel"] + w["bias"],
    ),
    "batch_norm": ("batch_norm", {"axis": -1, "epsilon": 1e-3}, [IMAGE], OF_NORM, batch_norm),
    "max_pool": (
        "max_pool",
        {"pool_size": (3, 3), "strides": (2, 2), "padding": "same"},
        [IMAGE],
        {},
        lambda x, w: last(F.max_pool2d(first(same(x, 3, 2, value=-np.inf)), 3, 2)),
    ),
    "average_pool": (
        "average_pool",
        {"pool_size": 2, "strides": None, "padding": "valid"},
        [IMAGE],
        {},
        lambda x, w: last(F.avg_pool2d(first(x), 2)),
    ),
    "average_pool_same": (
        "average_pool",
        {"pool_size": (2, 2), "strides": (2, 2), "padding": "same"},
        [IMAGE],
        {},
        lambda x, w: last(F.avg_pool2d(first(x), 2, ceil_mode=True, count_include_pad=False)),
    ),
    "global_average": ("global_average_pool", {}, [IMAGE], {}, lambda x, w: x.mean((1, 2))),
    "global_max": ("global_max_pool", {}, [IMAGE], {}, lambda x, w: x.amax((1, 2))),
    "relu": ("activation:relu", {}, [IMAGE], {}, lambda x, w: x.relu()),
    "relu6": ("activation:relu6", {}, [IMAGE * 8], {}, lambda x, w: F.relu6(x)),
    "leaky_relu": (
        "activation:leaky_relu",
        {"negative_slope": 0.3},
        [IMAGE],
        {},
        lambda x, w: F.leaky_relu(x, float(np.float32(0.3))),
    ),
    "elu": ("activation:elu", {}, [IMAGE], {}, lambda x, w: F.elu(x)),
    "sigmoid": ("activation:sigmoid", {}, [IMAGE], {}, lambda x, w: x.sigmoid()),
    "silu": ("activation:silu", {}, [IMAGE], {}, lambda x, w: F.silu(x)),
    "tanh": ("activation:tanh", {}, [IMAGE], {}, lambda x, w: x.tanh()),
    "softmax": ("activation:softmax", {}, [IMAGE], {}, lambda x, w: x.softmax(-1)),
    "flatten": ("flatten", {}, [IMAGE], {}, lambda x, w: x.flatten(1)),
    "reshape": ("reshape", {}, [IMAGE], {}, lambda x, w: x.reshape(2, 42, 4)),
    "dropout": (
        "dropout",
        {"rate": 0.4},
        [array(2, 5)],
        {},
        lambda x, w: x * torch.from_numpy(MASK) / 0.6,
    ),
    "zero_padding": (
        "zero_padding",
        {"padding": [[1, 0], [2, 3]]},
        [IMAGE],
        {},
        lambda x, w: F.pad(x, (0, 0, 2, 3, 1, 0)),
    ),
    "add": ("add", {}, [array(2, 5), array(2, 5)], {}, lambda x, y, w: x + y),
    "multiply": ("multiply", {}, [array(2, 5), array(2, 5)], {}, lambda x, y, w: x * y),
    "concatenate": (
        "concatenate",
        {},
        [array(2, 5), array(2, 3)],
        {},
        lambda x, y, w: torch.cat([x, y], -1),
    ),
}


@each_row("name", CASES)
def test_a_formula_is_what_torch_computes(name):
    kind, config, inputs, weights, function = CASES[name]
    tensors = [torch.from_numpy(x).requires_grad_() for x in inputs]
    given = {
        key: torch.from_numpy(w).requires_grad_(not key.startswith("moving"))
        for key, w in weights.items()
    }
    expected = function(*tensors, given)
    slope = torch.from_numpy(array(*expected.shape))
    expected.backward(slope)
    output = expected.detach().numpy()
    mask = MASK if kind == "dropout" else None
    call = LayerCall(kind, config, inputs, output.shape, weights, True, mask)
    assert_close(OUTPUT[kind](call), output)
    if kind in BACK:
        for found, tensor in zip(BACK[kind](call, output, slope.numpy()), tensors, strict=True):
            assert_close(found, tensor.grad.numpy())
    if kind in WEIGHTS:
        found = WEIGHTS[kind](call, output, slope.numpy())
        for key, weight in given.items():
            if weight.grad is not None:
                assert_close(found[key], weight.grad.numpy())


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_every_kind_is_tried():
    assert {case[0] for case in CASES.values()} == set(OUTPUT)
    assert set(BACK) <= set(OUTPUT)
    assert set(WEIGHTS) <= set(BACK)


def test_a_batch_normalisation_in_eval_mode_takes_its_moving_statistics():
    call = LayerCall(
        "batch_norm", {"axis": 3, "epsilon": 1e-3}, [IMAGE], IMAGE.shape, OF_NORM, False
    )
    w = OF_NORM
    scaled = (IMAGE - w["moving_mean"]) / np.sqrt(w["moving_variance"] + 1e-3)
    assert_close(OUTPUT["batch_norm"](call), scaled * w["gamma"] + w["beta"])


def test_the_first_of_equal_entries_has_all_of_the_gradient_of_a_max_pool():
    x = np.zeros((1, 2, 2, 1))
    config = {"pool_size": (2, 2), "strides": (2, 2), "padding": "valid"}
    call = LayerCall("max_pool", config, [x], (1, 1, 1, 1), {}, True)
    (found,) = BACK["max_pool"](call, OUTPUT["max_pool"](call), np.ones((1, 1, 1, 1)))
    assert found.reshape(-1).tolist() == [1, 0, 0, 0]


HUGE = 10**6
REFUSED = {
    "places": ("max_pool", {"pool_size": (HUGE, HUGE), "strides": 1, "padding": "same"}, {}),
    "reach": ("conv", {"strides": 1, "dilation_rate": HUGE, "padding": "same"}, WEIGHTS_OF_CONV),
    "stride": ("conv", {"strides": 0, "dilation_rate": 1, "padding": "valid"}, WEIGHTS_OF_CONV),
    "text": ("conv", {"strides": "ab", "dilation_rate": 1, "padding": "valid"}, WEIGHTS_OF_CONV),
    "true": ("max_pool", {"pool_size": (True, 2), "strides": 1, "padding": "same"}, {}),
    "missing": ("conv", {}, WEIGHTS_OF_CONV),
    "first": ("conv", {**PLAIN, "data_format": "channels_first"}, WEIGHTS_OF_CONV),
    "groups": ("conv", {**PLAIN, "groups": HUGE}, WEIGHTS_OF_CONV),
    "no_kernel": ("conv", PLAIN, {}),
    "dense": ("dense", {}, {"kernel": np.broadcast_to(0.0, (4, HUGE))}),
    "bias": ("dense", {}, {"kernel": array(4, 4), "bias": array(9, 1, 1, 1, 4)}),
    "axis": ("batch_norm", {"axis": 1, "epsilon": 1e-3}, OF_NORM),
    "gamma": ("batch_norm", {"axis": -1, "epsilon": 1e-3}, {**OF_NORM, "gamma": array(9, 1, 4)}),
    "epsilon": ("batch_norm", {"axis": -1, "epsilon": "x"}, OF_NORM),
    "rate": ("dropout", {"rate": 1}, {}),
    "padding": ("zero_padding", {"padding": [[HUGE, HUGE], [HUGE, HUGE]]}, {}),
    "two_inputs": ("multiply", {}, {}),
}


@each_row("name", REFUSED)
def test_settings_of_anyone_are_refused_before_memory_is_taken(name):
    kind, config, weights = REFUSED[name]
    mask = np.ones(IMAGE.shape, bool)
    call = LayerCall(kind, config, [IMAGE], IMAGE.shape, weights, True, mask)
    with pytest.raises((ArithmeticError, AttributeError, LookupError, TypeError, ValueError)):
        OUTPUT[kind](call)
