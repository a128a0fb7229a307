"""Density estimation with real-valued non-volume preserving transformations."""

import math

import keras
from keras import layers, ops, regularizers

output_dim, reg = 8, 0.01


def Coupling(input_shape):
    input = keras.layers.Input(shape=(input_shape,))

    t_layer_1 = layers.Dense(
        output_dim, activation="relu", kernel_regularizer=regularizers.l2(reg)
    )(input)
    t_layer_2 = layers.Dense(
        output_dim, activation="relu", kernel_regularizer=regularizers.l2(reg)
    )(t_layer_1)
    t_layer_3 = layers.Dense(
        input_shape, activation="linear", kernel_regularizer=regularizers.l2(reg)
    )(t_layer_2)

    s_layer_1 = layers.Dense(
        output_dim, activation="relu", kernel_regularizer=regularizers.l2(reg)
    )(input)
    s_layer_2 = layers.Dense(
        output_dim, activation="relu", kernel_regularizer=regularizers.l2(reg)
    )(s_layer_1)
    s_layer_3 = layers.Dense(
        input_shape, activation="tanh", kernel_regularizer=regularizers.l2(reg)
    )(s_layer_2)
    return keras.Model(inputs=input, outputs=[s_layer_3, t_layer_3])


class RealNVP(keras.Model):
    def __init__(self, num_coupling_layers):
        super().__init__()
        self.num_coupling_layers = num_coupling_layers
        self.masks = [[0.0, 1.0], [1.0, 0.0]] * (num_coupling_layers // 2)
        self.layers_list = [Coupling(2) for _ in range(num_coupling_layers)]

    def call(self, x):
        log_det_inv = 0.0
        for i in range(self.num_coupling_layers)[::-1]:
            mask = ops.cast(ops.convert_to_tensor(self.masks[i]), x.dtype)
            x_masked = x * mask
            reversed_mask = 1 - mask
            s, t = self.layers_list[i](x_masked)
            s = s * reversed_mask
            t = t * reversed_mask
            x = reversed_mask * (x * ops.exp(-s) - t * ops.exp(-s)) + x_masked
            log_det_inv = log_det_inv - ops.sum(s, axis=1, keepdims=True)
        return ops.concatenate([x, log_det_inv], axis=-1)


def negative_log_likelihood(y_true, y_pred):
    # log density of a standard normal, plus the log determinant
    z, log_det = y_pred[:, :2], y_pred[:, 2]
    log_prob = -0.5 * ops.sum(ops.square(z), axis=1) - math.log(2 * math.pi)
    return -ops.mean(log_prob + log_det)


def build():
    from keras_impl import Input, Reference

    model = RealNVP(num_coupling_layers=4)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.0001), loss=negative_log_likelihood
    )
    return Reference(model, inputs=[Input((2,))])
