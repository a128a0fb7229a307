"""Parts of a model that repeat, and models in it, share a class that takes what differs."""

import re

import keras
from keras import layers as L
from rows import each_row
from written import compared


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


def transformer():
    x = inputs = L.Input((6, 8))
    for _ in range(3):
        y = L.LayerNormalization()(x)
        x = L.Add()([x, L.MultiHeadAttention(2, 4)(y, y)])
        y = L.Dense(16, activation="gelu")(L.LayerNormalization()(x))
        x = L.Add()([x, L.Dense(8)(y)])
    return keras.Model(inputs, L.GlobalAveragePooling1D()(x))


def conv_block(x, name, act="relu", filters=4):
    x = L.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    x = L.BatchNormalization(name=f"{name}_bn")(x)
    return L.Activation(act, name=f"{name}_act")(x)


def unet():
    """One block in three places, whose names have nothing in common."""

    def block(x, name):
        return conv_block(conv_block(x, f"{name}_a", filters=6), f"{name}_b", filters=6)

    x = inputs = L.Input((8, 8, 3))
    x = block(L.MaxPooling2D()(block(x, "down")), "bottom")
    return keras.Model(inputs, block(L.UpSampling2D()(x), "dec"))


def halves():
    """Parts of two kinds, whose layers are named by the block of Keras that has one or both."""
    x = inputs = L.Input((8, 8, 4))
    kinds = [("relu", True), ("relu", False), ("relu", False), ("tanh", True), ("elu", True)]
    for number, (act, has_squeeze) in enumerate(kinds):
        name = f"block_{number}"
        x = conv_block(conv_block(x, f"{name}_expand", act), f"{name}_depth", act)
        if has_squeeze:
            y = L.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
            y = L.Conv2D(2, 1, activation="relu", name=f"{name}_squeeze_conv")(y)
            y = L.Conv2D(4, 1, activation="sigmoid", name=f"{name}_squeeze_conv_1")(y)
            x = L.Multiply(name=f"{name}_squeeze_mul")([x, y])
            x = L.Conv2D(4, 1, name=f"{name}_project")(x)
    return keras.Model(inputs, L.GlobalAveragePooling2D()(x))


def causal():
    """Blocks of one output shape, of which the first one has fewer channels before it."""
    x = inputs = L.Input((9, 3))
    for rate in (1, 2, 4):
        for _ in range(2):
            y = L.Conv1D(12, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
            x = L.LayerNormalization()(y)
    return keras.Model(inputs, L.Dense(2)(x))


def transfer():
    """A base that is called twice, and has blocks; so has the model around it."""
    parts = residual()
    base = keras.Model(parts.input, parts.output, name="base")
    inputs = [L.Input((8, 8, 4)), L.Input((8, 8, 4))]
    x = L.Concatenate()([*map(base, inputs)])
    for number in (1, 2, 3):
        y = L.Dense(16, activation="relu", name=f"head{number}_in")(x)
        y = L.LayerNormalization(name=f"head{number}_norm")(y)
        x = L.Add(name=f"head{number}_add")([x, L.Dense(16, name=f"head{number}_out")(y)])
    return keras.Model(inputs, x)


def mlp(width, out, activation="relu", rate=0.1):
    return keras.Sequential([L.Dense(width, activation=activation), L.Dropout(rate), L.Dense(out)])


def chain(*models):
    """The models one after the other, each with a sum beside it."""
    x = inputs = L.Input((6,))
    for model in models:
        x = L.Concatenate()([model(x), x])
    return keras.Model(inputs, x)


def dense(*widths):
    return keras.Sequential([L.Dense(width, activation="relu") for width in widths])


def swapped():
    def heads(is_swapped):
        x = inputs = L.Input((6,))
        ends = [L.Dense(6)(x), L.Dense(6, activation="relu")(x)]
        return keras.Model(inputs, ends[::-1] if is_swapped else ends)

    inputs = L.Input((6,))
    (a, b), (c, d) = heads(False)(inputs), heads(True)(inputs)
    return keras.Model(inputs, L.Concatenate()([a, 2 * b, 3 * c, 4 * d]))


def called_twice():
    shared = mlp(4, 6)
    inputs = [L.Input((6,)), L.Input((6,))]
    x, y = map(shared, inputs)
    return keras.Model(inputs, L.Concatenate()([x, mlp(4, 6)(y)]))


def models_in_models():
    def outer():
        x = inputs = L.Input((6,))
        for _ in range(2):
            x = L.Add()([x, mlp(4, 6)(L.LayerNormalization()(x))])
        return keras.Model(inputs, x)

    x = inputs = L.Input((6,))
    return keras.Model(inputs, L.Add()([outer()(x), outer()(x)]))


class Mixing(L.Layer):
    """Its norm is called twice, and its perceptrons are models."""

    def __init__(self):
        super().__init__()
        self.norm = L.LayerNormalization()
        self.rows, self.columns = mlp(5, 4), mlp(5, 6)

    def call(self, x):
        y = keras.ops.transpose(self.norm(x), (0, 2, 1))
        x = x + keras.ops.transpose(self.rows(y), (0, 2, 1))
        return x + self.columns(self.norm(x))


def mixer(again=False):
    """What the layers call, written out, with Keras's names of attributes."""
    x = inputs = L.Input((4, 6))
    for number in range(3):
        layer = Mixing()
        for name in ("norm", "rows", "columns"):
            getattr(layer, name).name = f"mixing{number}_{name}"
        x = layer.call(x)
    return keras.Model(inputs, L.Flatten()(layer.norm(x) if again else x))


# Model -> its classes, and texts with the number of times that each is in the source. Where parts
# differ in what they do, weights would fit all the same: only the source, and the values, tell.
MODELS = {
    "names_and_numbers": (
        residual,
        ["StageBlock", "Net"],
        {
            "def __init__(self, in_channels: int) -> None": 1,
            "stage1_block2=StageBlock(4)": 1,
            "stage2_block3=StageBlock(8)": 1,
        },
    ),
    "counted": (
        transformer,
        ["TransformerBlock", "Net"],
        {
            "self.blocks = nn.Sequential(*(TransformerBlock() for _ in range(3)))": 1,
            '"""Takes x (N, 6, 8); returns (N, 6, 8)."""': 1,
        },
    ),
    "one_does_something_else": (lambda: residual(odd="stage1_block2"), None, {"torch.tanh": 1}),
    "few_lines": (lambda: keras.Sequential([L.Input((5,)), *dense(5, 5).layers]), 1, {}),
    "names_of_their_own": (
        unet,
        ["ConvBlock", "Net"],
        {f"self.{name} = ConvBlock(": 1 for name in ("down", "bottom", "dec")},
    ),
    # The second block would take the place of the first, or be given twice.
    "one_name_in_common": (
        halves,
        None,
        {"block_0=Block()": 1, "block_0_squeeze_conv=Block2()": 1},
    ),
    "all_sizes_in_a_docstring": (
        causal,
        None,
        {'"""Takes x (N, 3 or 12, 9); returns (N, 9, 12)."""': 1},
    ),
    "model_inside": (
        transfer,
        ["StageBlock", "Base", "Head", "Net"],
        {"stage1_block2=StageBlock(4)": 1},
    ),
    "models": (
        lambda: chain(mlp(4, 5), mlp(8, 3)),
        ["Mlp", "Net"],
        {
            "(self, in_features: int, out_features: int, dense2_out_features: int)": 1,
            "Mlp(6, 4, 5)": 1,
            "Mlp(11, 8, 3)": 1,
        },
    ),
    "another_activation": (lambda: chain(mlp(4, 5), mlp(4, 5, activation="tanh")), 3, {}),
    "another_order": (
        lambda: chain(
            mlp(4, 5),
            keras.Sequential([L.Dense(4, activation="relu"), L.Dense(5), L.Dropout(0.1)]),
        ),
        3,
        {},
    ),
    "longer": (
        lambda: chain(mlp(4, 5), keras.Sequential([*mlp(4, 5).layers, L.ReLU()])),
        3,
        {},
    ),
    "swapped_outputs": (swapped, 3, {}),
    # More arguments than a reader follows.
    "many_arguments": (lambda: chain(dense(2, 3, 4, 5, 6), dense(3, 5, 7, 2, 8)), 3, {}),
    "called_twice": (called_twice, 3, {"self.sequential = ": 1, "self.sequential_1 = ": 1}),
    "models_in_models": (models_in_models, 3, {"self.blocks": 0}),
    "block_with_models": (
        mixer,
        ["Mlp", "Mixing", "Net"],
        {"self.norm = ": 1, "self.norm(": 2, "self.mixing2_norm": 0},
    ),
    "called_outside": (lambda: mixer(again=True), None, {"self.mixing2_norm": 4}),
}


@each_row("name", MODELS)
def test_what_repeats_is_written_once_and_computes_what_keras_does(name, tmp_path):
    keras.backend.clear_session()
    build, classes, texts = MODELS[name]
    source = compared(build(), tmp_path)
    names = re.findall(r"class (\w+)\(nn.Module\)", source)
    assert classes is None or classes in (names, len(names))
    joined = re.sub(r"\s+", " ", source).replace("( ", "(").replace(" )", ")")
    assert {text: joined.count(text) for text in texts} == texts
