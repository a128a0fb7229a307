"""Each family of changes ends the mistake it is for, and nothing is tried on a right port."""

import math

import torch
import torch.nn.functional as F
from layer_traces import features, images, recorded_chain
from rows import each_row
from small_nets import Net
from torch import nn

from parity.halves.torch.check.fixes import run
from parity.halves.torch.check.fixes.change import Change, change_from, change_modules
from parity.halves.torch.check.fixes.run import layer_fixes
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl import layers


def called(function, *modules):
    """A function after the modules of a chain."""
    return Net(lambda net, x: function(net.inner(x)), inner=nn.Sequential(*modules))


def same(**more):
    return {"kernel_size": [3, 3], "strides": [2, 2], "padding": "same"} | more


def pool(padding="same"):
    return {"pool_size": [3, 3], "strides": [2, 2], "padding": padding}


NORM = {"epsilon": 1e-3, "momentum": 0.99, "trainable": True}
LEAKY = {"negative_slope": 0.25}  # which float32 has exactly

# name: input, (kind, configuration, right module) of the last layer, wrong module, fixes
CASES = {
    "same at a stride": (
        images(8),
        ("conv", same(), layers.Conv2D(3, 4, 3, 2, "same")),
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        [
            "x = F.pad(x, (0, 1, 0, 1))  # before module `0`\n"
            "nn.Conv2d(..., padding=0)  # module `0`, now 1"
        ],
    ),
    "same that is even": (
        images(7),
        ("conv", same(), layers.Conv2D(3, 4, 3, 2, "same")),
        nn.Conv2d(3, 4, 3, stride=2, padding=2),
        ["nn.Conv2d(..., padding=1)  # module `0`, now 2"],
    ),
    "valid": (
        images(7),
        ("conv", same(strides=[1, 1], padding="valid"), layers.Conv2D(3, 4, 3)),
        nn.Conv2d(3, 4, 3, padding="same"),
        ["nn.Conv2d(..., padding=0)  # module `0`, now 'same'"],
    ),
    "stride and padding": (
        images(8),
        ("conv", same(), layers.Conv2D(3, 4, 3, 2, "same")),
        nn.Conv2d(3, 4, 3, padding=1),
        [
            "x = F.pad(x, (0, 1, 0, 1))  # before module `0`\n"
            "nn.Conv2d(..., stride=2, padding=0)  # module `0`, now stride=1, padding=1"
        ],
    ),
    "padding in a layer of its own": (
        images(8),
        ("conv", same(), layers.Conv2D(3, 4, 3, 2, "same")),
        nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3, stride=2)),
        ["nn.ZeroPad2d(..., padding=(0, 1, 0, 1))  # module `0.0`, now 1"],
    ),
    "causal": (
        images(7)[:, 0],
        (
            "conv",
            {"kernel_size": [3], "strides": [1], "padding": "causal", "dilation_rate": [2]},
            layers.Conv1D(3, 4, 3, padding="causal", dilation_rate=2),
        ),
        nn.Conv1d(3, 4, 3, padding=2, dilation=2),
        [
            "x = F.pad(x, (4, 0))  # before module `0`\n"
            "nn.Conv1d(..., padding=0)  # module `0`, now 2"
        ],
    ),
    "maximum and zeros": (
        -abs(images(8)),
        ("max_pool", pool(), layers.MaxPooling2D(3, 2, "same")),
        nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2)),
        ["nn.ZeroPad2d(..., value=-math.inf)  # module `0.0`, now 0.0"],
    ),
    "maximum on both sides": (
        images(8),
        ("max_pool", pool(), layers.MaxPooling2D(3, 2, "same")),
        nn.MaxPool2d(3, 2, padding=1),
        [
            "x = F.pad(x, (0, 1, 0, 1), value=-math.inf)  # before module `0`\n"
            "nn.MaxPool2d(..., padding=0)  # module `0`, now 1"
        ],
    ),
    "ceil": (
        images(8),
        ("max_pool", pool("valid"), layers.MaxPooling2D(3, 2)),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        ["nn.MaxPool2d(..., ceil_mode=False)  # module `0`, now True"],
    ),
    "mean that counts its padding": (
        images(7),
        ("average_pool", pool(), layers.AveragePooling2D(3, 2, "same")),
        nn.AvgPool2d(3, 2, padding=1),
        ["nn.AvgPool2d(..., count_include_pad=False)  # module `0`, now True"],
    ),
    "transposed": (
        images(4),
        ("conv_transpose", same(filters=4), layers.Conv2DTranspose(3, 4, 3, 2, "same")),
        nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1),
        [
            "torch_impl.layers.Conv2DTranspose(3, 4, 3, strides=2, padding='same', use_bias=True)"
            "  # module `0`"
        ],
    ),
    "epsilon": (
        images(),
        ("batch_norm", NORM, layers.BatchNormalization(3)),
        layers.BatchNormalization(3, epsilon=1e-5),
        ["torch_impl.layers.BatchNormalization(..., epsilon=0.001)  # module `0`, now 1e-05"],
    ),
    "torch's defaults": (
        images(),
        ("batch_norm", NORM, layers.BatchNormalization(3)),
        nn.BatchNorm2d(3),
        [
            "nn.BatchNorm2d(..., eps=0.001)  # module `0`, now 1e-05",
            "nn.BatchNorm2d(..., momentum=0.01)  # module `0`, now 0.1",
            "torch_impl.layers.BatchNormalization(3, momentum=0.99, epsilon=0.001)  # module `0`",
        ],
    ),
    "frozen in Keras": (
        images(),
        (
            "batch_norm",
            NORM | {"trainable": False},
            layers.BatchNormalization(3, trainable=False),
        ),
        nn.BatchNorm2d(3, eps=1e-3, momentum=0.01),
        ["module.get_submodule('0').eval()  # after every module.train()"] * 3,
    ),
    "epsilon of a layer norm": (
        features(),
        ("layer_norm", {"epsilon": 1e-3}, layers.LayerNormalization(6)),
        nn.LayerNorm(6),
        ["nn.LayerNorm(..., eps=0.001)  # module `0`, now 1e-05"],
    ),
    "slope": (
        features(),
        ("activation:leaky_relu", LEAKY, layers.LeakyReLU(0.25)),
        nn.LeakyReLU(),
        ["nn.LeakyReLU(..., negative_slope=0.25)  # module `0`, now 0.01"],
    ),
    "slope of a function": (
        features(),
        ("activation:leaky_relu", LEAKY, layers.LeakyReLU(0.25)),
        called(lambda x: F.leaky_relu(x, 0.01)),
        ["F.leaky_relu(x, ..., negative_slope=0.25)  # now 0.01"],
    ),
    "approximation": (
        features(),
        ("activation:gelu", {}, nn.GELU()),
        nn.GELU(approximate="tanh"),
        ["nn.GELU(..., approximate='none')  # module `0`, now 'tanh'"],
    ),
    "axis": (
        images(),
        ("activation:softmax", {"axis": -1}, nn.Softmax(1)),
        nn.Softmax(-1),
        ["nn.Softmax(..., dim=1)  # module `0`, now -1"],
    ),
    "another activation": (
        features(),
        ("activation:tanh", {}, nn.Tanh()),
        nn.ReLU(),
        ["nn.Tanh()  # module `0`"],
    ),
    "another function": (
        features(),
        ("activation:tanh", {}, nn.Tanh()),
        called(F.relu),
        ["torch.tanh(x)  # in the place of relu()"],
    ),
    "rate": (
        features(),
        ("dropout", {"rate": 0.25}, nn.Dropout(0.25)),
        nn.Dropout(0.75),
        ["nn.Dropout(..., p=0.25)  # module `0`, now 0.75"],
    ),
    "rate of a function": (
        features(),
        ("dropout", {"rate": 0.25}, nn.Dropout(0.25)),
        called(lambda x: F.dropout(x, 0.5)),
        ["F.dropout(x, ..., p=0.25)  # now 0.5"],
    ),
    "activation of gates": (
        images(5)[:, 0],
        (
            "lstm",
            {"units": 4, "recurrent_activation": "hard_sigmoid", "activation": "tanh"},
            layers.LSTM(3, 4, recurrent_activation="hard_sigmoid"),
        ),
        called(lambda outputs: outputs[0][:, -1], nn.LSTM(3, 4, batch_first=True)),
        [
            "torch_impl.layers.LSTM(3, 4, recurrent_activation='hard_sigmoid', "
            "return_sequences=True, return_state=True)  # module `inner.0`"
        ],
    ),
    "bilinear": (
        images(),
        (
            "upsampling",
            {"size": [2, 2], "interpolation": "bilinear"},
            nn.Upsample(scale_factor=2, mode="bilinear"),  # in float64, which Keras's is not
        ),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        ["nn.Upsample(..., align_corners=False)  # module `0`, now True"],
    ),
    "size": (
        images(),
        ("upsampling", {"size": [3, 3], "interpolation": "nearest"}, layers.UpSampling(3)),
        called(lambda x: F.interpolate(x, scale_factor=2)),
        ["F.interpolate(x, ..., scale_factor=3.0)  # now 2"],
    ),
}


def ported(folder, x, row, module):
    kind, config, right = row
    keras = recorded_chain(x, [("layer", kind, config, right)]).read(folder / "keras")
    wrapped = module if isinstance(module, Net) else nn.Sequential(module)
    return PortUnderTest(lambda: wrapped, 5, keras)


@each_row("name", CASES)
def test_a_family_ends_its_mistake_and_says_so(name, tmp_path):
    x, row, module, texts = CASES[name]
    port = ported(tmp_path, x, row, module)
    fixes = layer_fixes(port, ())
    assert ["; ".join(change.text for change in fix.changes) for fix in fixes] == texts
    # The same change, read back from plain values and made again, ends it as well.
    if not any(change.is_of_call for fix in fixes for change in fix.changes):
        best = max(fixes, key=lambda fix: len(fix.ends))
        changes = [change_from(change.to_json()) for change in best.changes]
        change_modules(port.module, changes, is_hidden=True)
        left = {fix.item for fix in layer_fixes(port, ())}
        assert left == {fix.item for fix in fixes} - set(best.ends)


@each_row("name", CASES)
def test_a_right_port_is_not_tried(name, tmp_path, monkeypatch):
    x, row, _, _ = CASES[name]
    port = ported(tmp_path, x, row, row[2])
    monkeypatch.setattr(run, "layer_changes", None)  # would raise an error
    assert layer_fixes(port, ()) == []


# --- between layers ------------------------------------------------------------------------------


def dense(number):
    return nn.Linear(6, number)


POOL = {"pool_size": [3, 3], "strides": [2, 2], "padding": "valid"}
# What is wrong between layers -> input, layers of Keras, the port, the layer and its fix.
BETWEEN = {
    "an activation is missing": (
        features(),
        [
            ("dense1", "dense", {}, dense(6)),
            ("tanh", "activation:tanh", {}, nn.Tanh()),
            ("dense2", "dense", {}, dense(3)),
        ],
        nn.Sequential(dense(6), dense(3)),
        *("dense2", "x = torch.tanh(x)  # after module `0`"),
    ),
    "an activation too many": (
        features(),
        [("dense1", "dense", {}, dense(6)), ("dense2", "dense", {}, dense(3))],
        nn.Sequential(dense(6), nn.ReLU(), dense(3)),
        *("dense2", "# remove module `1`"),
    ),
    "a pool of another kind": (
        images(9),
        [
            ("pool", "max_pool", POOL, layers.MaxPooling2D(3, 2)),
            ("conv", "conv", same(), layers.Conv2D(3, 4, 3, 2, "same")),
        ],
        nn.Sequential(nn.AvgPool2d(3, 2), layers.Conv2D(3, 4, 3, 2, "same")),
        "pool",
        "torch_impl.layers.MaxPooling2D(3, strides=2, padding='valid')  # module `0`",
    ),
}


@each_row("what", BETWEEN)
def test_what_stands_between_layers_is_put_in_removed_or_replaced(what, tmp_path):
    x, rows, module, layer, text = BETWEEN[what]
    keras = recorded_chain(x, rows).read(tmp_path / "keras")
    (fix,) = layer_fixes(PortUnderTest(lambda: module, 5, keras), ())
    assert what == "a pool of another kind" or (fix.layer, fix.item) == (layer, "forward")
    assert [change.text for change in fix.changes] == [text]


def test_an_activation_in_place_that_reaches_another_branch_is_changed(tmp_path):
    recorded = recorded_chain(
        features(),
        [
            ("dense", "dense", {}, dense(6)),
            ("relu", "activation:relu", {}, nn.ReLU()),
            ("add", "add", {}, nn.Identity()),
        ],
    )
    nodes = recorded.facts["nodes"]
    nodes[2]["sources"], nodes[2]["input_shapes"] = [1, 0], nodes[2]["input_shapes"] * 2
    for mode in ("eval", "train"):
        skip = recorded.arrays[f"forward/{mode}/dense/output"]
        recorded.arrays[f"forward/{mode}/add/input/1"] = skip
        for key in (f"forward/{mode}/add/output", f"forward/{mode}/output"):
            recorded.arrays[key] = recorded.arrays[f"forward/{mode}/relu/output"] + skip

    def run(net, x):
        x = net.dense(x)
        return net.relu(x) + x

    net = Net(run, dense=dense(6), relu=nn.ReLU(inplace=True))
    (fix,) = layer_fixes(PortUnderTest(lambda: net, 5, recorded.read(tmp_path)), ())
    assert [c.text for c in fix.changes] == [
        "nn.ReLU(..., inplace=False)  # module `relu`, now True"
    ]


# --- what does not help --------------------------------------------------------------------------


class Turned(nn.Conv2d):
    def forward(self, x):
        return F.conv2d(x, self.weight.flip(-1), self.bias, self.stride, self.padding)


class Halved(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) / 2


@each_row("module", [Turned(3, 4, 3, padding=1), Halved(3, 4, 3)])
def test_a_suggestion_that_does_not_help_is_not_taken(module, tmp_path):
    """Keras's padding is valid, and its stride is one: of one port that is there already."""
    row = ("conv", same(strides=[1, 1], padding="valid"), layers.Conv2D(3, 4, 3))
    (fix,) = layer_fixes(ported(tmp_path, images(8), row, module), ())
    assert (fix.layer, fix.changes) == ("layer", ())


def test_a_change_that_raises_does_not_stop_the_trials(tmp_path):
    class Strict(nn.BatchNorm2d):
        def forward(self, x):
            if self.eps == 1e-3:
                raise ValueError(self.eps)
            return super().forward(x)

    row = ("batch_norm", NORM, layers.BatchNormalization(3))
    port = ported(tmp_path, images(), row, Strict(3, eps=1e-5))
    fixes = {fix.item: fix for fix in layer_fixes(port, ())}
    assert "BatchNormalization" in fixes["forward"].changes[0].text
    assert port.module[0].eps == 1e-5


def test_the_port_is_as_before(tmp_path):
    x, row, module, _ = CASES["torch's defaults"]
    port = ported(tmp_path, x, row, module)
    before = {name: value.clone() for name, value in port.module.state_dict().items()}
    layer_fixes(port, ())
    assert port.module[0] is module
    assert (module.eps, module.momentum) == (1e-5, 0.1)
    assert not [*module._forward_hooks, *module._forward_pre_hooks]
    for name, value in port.module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_infinity_is_written_as_text():
    change = Change("0", "", pad=(0, 1, 0, 1), fill=-math.inf)
    assert change.to_json()["fill"] == "-inf"
    assert change_from(change.to_json()) == change
