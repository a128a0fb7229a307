"""Binary segmentation with a U-Net; the loss is binary crossentropy plus soft Dice."""

import keras
from keras import layers, ops


def dice_coef(y_true, y_pred, smooth=1.0):
    y_true = ops.cast(y_true, y_pred.dtype)
    inter = ops.sum(y_true * y_pred, axis=(1, 2, 3))
    union = ops.sum(y_true, axis=(1, 2, 3)) + ops.sum(y_pred, axis=(1, 2, 3))
    return (2.0 * inter + smooth) / (union + smooth)


def bce_dice_loss(y_true, y_pred):
    bce = ops.mean(keras.losses.binary_crossentropy(y_true, y_pred), axis=(1, 2))
    return bce + 1.0 - dice_coef(y_true, y_pred)


def conv_block(x, filters, name):
    for i in (1, 2):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_conv{i}",
        )(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn{i}")(x)
        x = layers.ReLU(name=f"{name}_relu{i}")(x)
    return x


def build():
    inputs = keras.Input((16, 16, 1))
    c1 = conv_block(inputs, 4, "enc1")
    p1 = layers.MaxPooling2D(name="pool1")(c1)
    c2 = conv_block(p1, 6, "enc2")
    p2 = layers.MaxPooling2D(name="pool2")(c2)
    b = conv_block(p2, 8, "bottleneck")
    b = layers.SpatialDropout2D(0.2, name="drop")(b)
    u2 = layers.Conv2DTranspose(6, 3, strides=2, padding="same", name="up2")(b)
    d2 = conv_block(layers.Concatenate(name="skip2")([u2, c2]), 6, "dec2")
    u1 = layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="up1")(d2)
    d1 = conv_block(layers.Concatenate(name="skip1")([u1, c1]), 4, "dec1")
    mask = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(d1)
    model = keras.Model(inputs, mask, name="unet")
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=bce_dice_loss, metrics=[dice_coef])
    return model
