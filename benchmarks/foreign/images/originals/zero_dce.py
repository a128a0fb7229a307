"""Zero-DCE for low-light image enhancement."""

import keras
import tensorflow as tf
from keras import layers


def build_dce_net():
    input_img = keras.Input(shape=[16, 12, 3])
    conv1 = layers.Conv2D(6, (3, 3), strides=(1, 1), activation="relu", padding="same")(input_img)
    conv2 = layers.Conv2D(6, (3, 3), strides=(1, 1), activation="relu", padding="same")(conv1)
    conv3 = layers.Conv2D(6, (3, 3), strides=(1, 1), activation="relu", padding="same")(conv2)
    int_con1 = layers.Concatenate(axis=-1)([conv3, conv2])
    conv4 = layers.Conv2D(6, (3, 3), strides=(1, 1), activation="relu", padding="same")(int_con1)
    int_con2 = layers.Concatenate(axis=-1)([conv4, conv1])
    x_r = layers.Conv2D(12, (3, 3), strides=(1, 1), activation="tanh", padding="same")(int_con2)
    return keras.Model(inputs=input_img, outputs=x_r)


def color_constancy_loss(x):
    mean_rgb = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
    mr, mg, mb = mean_rgb[:, :, :, 0], mean_rgb[:, :, :, 1], mean_rgb[:, :, :, 2]
    d_rg = tf.square(mr - mg)
    d_rb = tf.square(mr - mb)
    d_gb = tf.square(mb - mg)
    return tf.sqrt(tf.square(d_rg) + tf.square(d_rb) + tf.square(d_gb))


def exposure_loss(x, mean_val=0.6):
    x = tf.reduce_mean(x, axis=3, keepdims=True)
    mean = tf.nn.avg_pool2d(x, ksize=4, strides=4, padding="VALID")
    return tf.reduce_mean(tf.square(mean - mean_val))


def illumination_smoothness_loss(x):
    batch_size = tf.shape(x)[0]
    h_x = tf.shape(x)[1]
    w_x = tf.shape(x)[2]
    count_h = (tf.shape(x)[2] - 1) * tf.shape(x)[3]
    count_w = tf.shape(x)[2] * (tf.shape(x)[3] - 1)
    h_tv = tf.reduce_sum(tf.square(x[:, 1:, :, :] - x[:, : h_x - 1, :, :]))
    w_tv = tf.reduce_sum(tf.square(x[:, :, 1:, :] - x[:, :, : w_x - 1, :]))
    batch_size = tf.cast(batch_size, dtype=x.dtype)
    count_h = tf.cast(count_h, dtype=x.dtype)
    count_w = tf.cast(count_w, dtype=x.dtype)
    return 2 * (h_tv / count_h + w_tv / count_w) / batch_size


class ZeroDCE(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dce_model = build_dce_net()

    def call(self, data):
        dce_net_output = self.dce_model(data)
        x = data
        for i in range(0, 12, 3):
            r = dce_net_output[:, :, :, i : i + 3]
            x = x + r * (keras.ops.square(x) - x)
        return keras.ops.concatenate([x, dce_net_output], axis=-1)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        enhanced, curves = y_pred[..., :3], y_pred[..., 3:]
        return (
            200 * illumination_smoothness_loss(curves)
            + 5 * tf.reduce_mean(color_constancy_loss(enhanced))
            + 10 * tf.reduce_mean(exposure_loss(enhanced))
        )


def build():
    from keras_impl import Input, Reference

    model = ZeroDCE()
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=1e-4))
    return Reference(model, inputs=Input((16, 12, 3), kind="image", range=(0, 1)))
