"""Parts of a model that repeat become one class, whose arguments are the numbers that differ."""

import re

import keras
import numpy as np
import pytest
from keras import layers as L
from written import fed, outputs, source_of, written

BAR = 1e-12


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def residual(odd=None):
    """Six blocks with names; `odd` is the name of one whose activation is another one."""
    x = inputs = L.Input((8, 8, 4))
    for stage in (1, 2):
        for number in (1, 2, 3):
            name = f"stage{stage}_block{number}"
            filters = 4 * stage
            if filters != x.shape[-1]:
                x = L.Conv2D(filters, 1, name=f"to_{stage}")(x)
            y = L.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_1_conv")(x)
            y = L.BatchNormalization(name=f"{name}_1_bn")(y)
            y = L.Activation("tanh" if name == odd else "relu", name=f"{name}_1_act")(y)
            y = L.Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(y)
            x = L.Add(name=f"{name}_add")([x, y])
    return keras.Model(inputs, L.GlobalAveragePooling2D()(x))


def transformer(num_blocks=3):
    x = inputs = L.Input((6, 8))
    for _ in range(num_blocks):
        y = L.LayerNormalization()(x)
        y = L.MultiHeadAttention(2, 4)(y, y)
        x = L.Add()([x, y])
        y = L.LayerNormalization()(x)
        y = L.Dense(16, activation="gelu")(y)
        x = L.Add()([x, L.Dense(8)(y)])
    return keras.Model(inputs, L.GlobalAveragePooling1D()(x))


def differs_by(model, folder):
    module, program, _ = written(model, folder)
    shape = (3, *model.inputs[0].shape[1:])
    x = np.random.default_rng(0).normal(size=shape)
    theirs = np.asarray(model(x))
    (ours,) = outputs(module.eval()(*fed(program, [x])), program)
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def test_blocks_with_names_keep_them_and_take_the_numbers_that_differ(tmp_path):
    model = residual()
    _, source = source_of(model)
    assert source.count("(nn.Module)") == 2
    assert "class StageBlock(nn.Module)" in source
    assert "def __init__(self, in_channels: int) -> None" in source
    assert "stage1_block2=StageBlock(4)" in source
    assert "stage2_block3=StageBlock(8)" in source
    assert differs_by(model, tmp_path) <= BAR


def test_blocks_without_names_are_counted(tmp_path):
    model = transformer()
    _, source = source_of(model)
    assert "self.blocks = nn.Sequential(*(TransformerBlock() for _ in range(3)))" in source
    assert differs_by(model, tmp_path) <= BAR


def test_a_part_that_does_something_else_is_no_block(tmp_path):
    """Every weight would have a place: only the values, or the source, tell."""
    model = residual(odd="stage1_block2")
    _, source = source_of(model)
    assert "torch.tanh" in source
    assert differs_by(model, tmp_path) <= BAR


def test_few_lines_that_repeat_once_are_left_as_they_are():
    x = inputs = L.Input((5,))
    for _ in range(2):
        x = L.Dense(5, activation="relu")(x)
    _, source = source_of(keras.Model(inputs, x))
    assert source.count("(nn.Module)") == 1


def unet():
    """One block in five places, whose names have nothing in common."""

    def block(x, name):
        for number in (1, 2):
            x = L.Conv2D(6, 3, padding="same", use_bias=False, name=f"{name}_conv{number}")(x)
            x = L.BatchNormalization(name=f"{name}_bn{number}")(x)
            x = L.Activation("relu", name=f"{name}_relu{number}")(x)
        return x

    x = inputs = L.Input((8, 8, 3))
    x = block(x, "down")
    x = block(L.MaxPooling2D()(x), "bottom")
    x = block(L.UpSampling2D()(x), "dec")
    return keras.Model(inputs, x)


def test_a_block_of_parts_with_names_of_their_own_has_no_name_of_one_of_them(tmp_path):
    _, source = source_of(unet())
    assert "class ConvBlock(nn.Module)" in source
    for name in ("down", "bottom", "dec"):
        assert f"self.{name} = ConvBlock(" in source
    assert differs_by(unet(), tmp_path) <= BAR


def halves():
    """Parts of two kinds, whose layers are named by the block of Keras that has one or both."""
    x = inputs = L.Input((8, 8, 4))
    kinds = [("relu", True), ("relu", False), ("relu", False), ("tanh", True), ("elu", True)]
    for number, (act, has_squeeze) in enumerate(kinds):
        name = f"block_{number}"
        for part in ("expand", "depth"):
            x = L.Conv2D(4, 3, padding="same", use_bias=False, name=f"{name}_{part}")(x)
            x = L.BatchNormalization(name=f"{name}_{part}_bn")(x)
            x = L.Activation(act, name=f"{name}_{part}_act")(x)
        if has_squeeze:
            y = L.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
            y = L.Conv2D(2, 1, activation="relu", name=f"{name}_squeeze_conv")(y)
            y = L.Conv2D(4, 1, activation="sigmoid", name=f"{name}_squeeze_conv_1")(y)
            x = L.Multiply(name=f"{name}_squeeze_mul")([x, y])
            x = L.Conv2D(4, 1, name=f"{name}_project")(x)
    return keras.Model(inputs, L.GlobalAveragePooling2D()(x))


def test_two_blocks_whose_layers_have_one_name_in_common_are_two_attributes(tmp_path):
    """The second one would take the place of the first, or be given twice."""
    _, source = source_of(halves())
    assert "block_0=Block()" in source
    assert "block_0_squeeze_conv=Block2()" in source
    assert differs_by(halves(), tmp_path) <= BAR


def causal():
    """Blocks of one output shape, of which the first one has fewer channels before it."""
    x = inputs = L.Input((9, 3))
    for rate in (1, 2, 4):
        y = L.Conv1D(12, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
        y = L.LayerNormalization()(y)
        y = L.Conv1D(12, 3, padding="causal", dilation_rate=rate, activation="relu")(y)
        x = L.LayerNormalization()(y)
    return keras.Model(inputs, L.Dense(2)(x))


def test_a_docstring_tells_all_sizes_that_a_block_takes(tmp_path):
    """And one size where there is one."""
    _, source = source_of(causal())
    assert '"""Takes x (N, 3 or 12, 9); returns (N, 9, 12)."""' in source
    _, source = source_of(transformer())
    assert '"""Takes x (N, 6, 8); returns (N, 6, 8)."""' in source


def transfer():
    """A base that is called twice, and has blocks; so has the model around it."""
    parts = residual()
    base = keras.Model(parts.input, parts.output, name="base")
    first, second = L.Input((8, 8, 4)), L.Input((8, 8, 4))
    x = L.Concatenate()([base(first), base(second)])
    for number in (1, 2, 3):
        y = L.Dense(16, activation="relu", name=f"head{number}_in")(x)
        y = L.LayerNormalization(name=f"head{number}_norm")(y)
        x = L.Add(name=f"head{number}_add")([x, L.Dense(16, name=f"head{number}_out")(y)])
    return keras.Model([first, second], x)


def test_a_model_inside_has_blocks_too(tmp_path):
    model = transfer()
    module, program, source = written(model, tmp_path)
    names = re.findall(r"class (\w+)\(nn.Module\)", source)
    assert names == ["StageBlock", "Base", "Head", "Net"]
    assert "stage1_block2=StageBlock(4)" in source
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8, 4))
    theirs = np.asarray(model(list(x)))
    (ours,) = outputs(module.eval()(*fed(program, list(x))), program)
    assert np.abs(ours - theirs).max() <= BAR * np.abs(theirs).max()
