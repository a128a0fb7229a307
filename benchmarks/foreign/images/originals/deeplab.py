"""Multiclass semantic segmentation using DeepLabV3+, with a small backbone."""

import keras
from keras import layers, ops


def convolution_block(block_input, num_filters=8, kernel_size=3, dilation_rate=1, use_bias=False):
    x = layers.Conv2D(
        num_filters,
        kernel_size=kernel_size,
        dilation_rate=dilation_rate,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=keras.initializers.HeNormal(),
    )(block_input)
    x = layers.BatchNormalization()(x)
    return ops.nn.relu(x)


def DilatedSpatialPyramidPooling(dspp_input):
    dims = dspp_input.shape
    x = layers.AveragePooling2D(pool_size=(dims[-3], dims[-2]))(dspp_input)
    x = convolution_block(x, kernel_size=1, use_bias=True)
    out_pool = layers.UpSampling2D(
        size=(dims[-3] // x.shape[1], dims[-2] // x.shape[2]), interpolation="bilinear"
    )(x)

    out_1 = convolution_block(dspp_input, kernel_size=1, dilation_rate=1)
    out_2 = convolution_block(dspp_input, kernel_size=3, dilation_rate=2)
    out_3 = convolution_block(dspp_input, kernel_size=3, dilation_rate=3)

    x = layers.Concatenate(axis=-1)([out_pool, out_1, out_2, out_3])
    return convolution_block(x, kernel_size=1)


def build(image_size=(24, 16), num_classes=4):
    model_input = keras.Input(shape=(*image_size, 3))
    low = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(model_input)
    high = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(low)
    x = DilatedSpatialPyramidPooling(high)

    input_a = layers.UpSampling2D(size=(2, 2), interpolation="bilinear")(x)
    input_b = convolution_block(low, num_filters=5, kernel_size=1)

    x = layers.Concatenate(axis=-1)([input_a, input_b])
    x = convolution_block(x)
    x = convolution_block(x)
    x = layers.UpSampling2D(size=(2, 2), interpolation="bilinear")(x)
    model_output = layers.Conv2D(num_classes, kernel_size=(1, 1), padding="same")(x)
    model = keras.Model(inputs=model_input, outputs=model_output)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.001),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
