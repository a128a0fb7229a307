"""MobileNetV3-like classifier: depthwise convolutions, squeeze and excitation, hard swish, L2 on kernels."""

import keras
from keras import layers, regularizers

L2 = regularizers.L2(1e-3)


def conv_bn(x, filters, kernel, strides=1, activation=None, name=None):
    x = layers.Conv2D(
        filters,
        kernel,
        strides,
        padding="same",
        use_bias=False,
        kernel_regularizer=L2,
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(momentum=0.97, name=f"{name}_bn")(x)
    return layers.Activation(activation, name=f"{name}_act")(x) if activation else x


def squeeze_excite(x, ratio, name):
    channels = x.shape[-1]
    s = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    s = layers.Conv2D(channels // ratio, 1, activation="relu", name=f"{name}_reduce")(s)
    s = layers.Conv2D(channels, 1, activation="hard_sigmoid", name=f"{name}_expand")(s)
    return layers.Multiply(name=f"{name}_excite")([x, s])


def inverted_residual(x, expand, out, stride, activation, name):
    inp = x
    x = conv_bn(x, expand, 1, 1, activation, f"{name}_expand")
    if stride == 2:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    x = layers.DepthwiseConv2D(
        3, stride, padding="valid" if stride == 2 else "same", use_bias=True, name=f"{name}_dw"
    )(x)
    x = layers.BatchNormalization(momentum=0.97, name=f"{name}_dw_bn")(x)
    x = layers.Activation(activation, name=f"{name}_dw_act")(x)
    x = squeeze_excite(x, 4, f"{name}_se")
    x = conv_bn(x, out, 1, name=f"{name}_project")
    return layers.Add(name=f"{name}_add")([inp, x]) if stride == 1 and inp.shape[-1] == out else x


def build():
    image = keras.Input((16, 16, 3))
    x = conv_bn(image, 4, 3, 2, "hard_silu", "stem")
    x = inverted_residual(x, 8, 4, 1, "relu6", "block0")
    x = inverted_residual(x, 8, 6, 2, "hard_silu", "block1")
    x = layers.SeparableConv2D(8, 3, padding="same", activation="relu6", name="sep")(x)
    x = layers.GlobalMaxPooling2D(name="pool")(x)
    x = layers.Dropout(0.25, name="drop")(x)
    x = layers.Dense(6, activation="softmax", kernel_regularizer=L2, name="predictions")(x)
    model = keras.Model(image, x)
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([2, 4], [0.05, 0.02, 0.005])
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss="categorical_crossentropy",
        metrics=["categorical_accuracy"],
    )
    return model
