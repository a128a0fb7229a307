"""Networks of Keras 2 with operations of TensorFlow between their layers, as users wrote them.

It runs in the environment of writer.py, and needs nothing of this project. They were written before
the table of operations (parity/weights/tf_operations) was.
"""

import math

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def residual_blocks():
    """A ResNet for small images whose blocks end with `+` and `tf.nn.relu`."""
    inputs = keras.Input((16, 16, 3))
    x = inputs / 127.5 - 1
    x = layers.Conv2D(8, 3, padding="same")(x)
    for filters, strides in ((8, 1), (16, 2)):
        shortcut = x
        x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        x = tf.nn.relu(layers.BatchNormalization()(x))
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        if strides > 1:
            shortcut = layers.Conv2D(filters, 1, strides=strides)(shortcut)
        x = tf.nn.relu(x + shortcut)
    x = tf.reduce_mean(x, axis=[1, 2])
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def self_attention():
    """Scaled dot products of several heads by reshape, transpose and matmul."""
    heads, dim, steps = 2, 8, 6
    inputs = keras.Input((steps, dim))

    def split(x):
        x = tf.reshape(x, [-1, steps, heads, dim // heads])
        return tf.transpose(x, perm=[0, 2, 1, 3])

    q, k, v = (split(layers.Dense(dim)(inputs)) for _ in range(3))
    scores = tf.matmul(q, k, transpose_b=True) / math.sqrt(dim // heads)
    weights = tf.nn.softmax(scores, axis=-1)
    x = tf.transpose(tf.matmul(weights, v), perm=[0, 2, 1, 3])
    x = tf.reshape(x, [-1, steps, dim])
    x = layers.LayerNormalization(epsilon=1e-6)(inputs + layers.Dense(dim)(x))
    return keras.Model(inputs, x)


def batch_attention():
    """The same, with the length of the batch taken from tf.shape, as in the tutorials."""
    heads, dim, steps = 4, 8, 6
    inputs = keras.Input((steps, dim))
    batch_size = tf.shape(inputs)[0]

    def split(x):
        x = tf.reshape(x, (batch_size, -1, heads, dim // heads))
        return tf.transpose(x, perm=[0, 2, 1, 3])

    q, k, v = (split(layers.Dense(dim)(inputs)) for _ in range(3))
    scaled = tf.matmul(q, k, transpose_b=True) / tf.math.sqrt(tf.cast(dim // heads, tf.float32))
    x = tf.transpose(tf.matmul(tf.nn.softmax(scaled, axis=-1), v), perm=[0, 2, 1, 3])
    x = tf.reshape(x, (batch_size, -1, dim))
    return keras.Model(inputs, layers.Dense(3)(x[:, 0]))


def squeeze_excite():
    """Channels weighed by what their means say."""
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(16, 3, padding="same")(inputs)
    x = tf.nn.swish(x)
    se = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
    se = layers.Conv2D(4, 1, activation="relu")(se)
    se = tf.sigmoid(layers.Conv2D(16, 1)(se))
    x = x * se
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5)(x))


def last_steps():
    """A sequence cut into its last steps, the first and every second."""
    inputs = keras.Input((12, 4))
    x = layers.LSTM(6, return_sequences=True)(inputs)
    last, first = x[:, -1, :], x[:, 0]
    recent = layers.Flatten()(x[:, -3:])
    seconds = layers.GlobalMaxPooling1D()(x[:, ::2, :3])
    merged = tf.concat([last, first, recent, seconds], axis=-1)
    return keras.Model(inputs, layers.Dense(1)(merged))


def dense_blocks():
    """A DenseNet: each layer takes all before it, joined by tf.concat."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    for _ in range(3):
        y = layers.Conv2D(4, 3, padding="same")(tf.nn.leaky_relu(layers.BatchNormalization()(x)))
        x = tf.concat([x, y], 3)
    x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
    return keras.Model(inputs, layers.Dense(4)(layers.Flatten()(x)))


def positions(steps, dim):
    """The table of a Transformer."""
    angles = np.arange(steps)[:, None] / 10000 ** (2 * (np.arange(dim)[None] // 2) / dim)
    angles[:, 0::2], angles[:, 1::2] = np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])
    return tf.cast(angles[None], tf.float32)


def positional_encoding():
    """Tokens times the root of the width, and a constant table of sines and cosines."""
    inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(20, 8)(inputs)
    x *= tf.math.sqrt(8.0)
    x = x + positions(7, 8)
    x = layers.MultiHeadAttention(2, 4)(x, x) + x
    x = layers.LayerNormalization()(x)
    return keras.Model(inputs, layers.Dense(2)(tf.reduce_max(x, 1)))


def channel_shuffle():
    """A unit of ShuffleNet: channels split, shuffled by reshape and transpose."""
    inputs = keras.Input((8, 8, 8))
    left, right = tf.split(inputs, 2, axis=-1)
    right = layers.Conv2D(4, 1, activation="relu")(right)
    right = layers.DepthwiseConv2D(3, padding="same")(right)
    x = tf.concat([left, right], axis=-1)
    height, width, channels = x.shape[1:]
    x = tf.reshape(x, [-1, height, width, 2, channels // 2])
    x = tf.transpose(x, [0, 1, 2, 4, 3])
    x = tf.reshape(x, [-1, height, width, channels])
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def u_net():
    """A U-Net whose way up is tf.image.resize."""
    inputs = keras.Input((16, 16, 1))
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    b = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
    c = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(b))
    x = tf.image.resize(c, (8, 8))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(tf.concat([x, b], axis=-1))
    x = tf.image.resize(x, [16, 16], method="nearest")
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(tf.concat([x, a], axis=-1))
    return keras.Model(inputs, tf.nn.sigmoid(layers.Conv2D(1, 1)(x)))


def variational():
    """An autoencoder without noise, with its divergence beside it."""
    inputs = keras.Input((10,))
    h = layers.Dense(8, activation="relu")(inputs)
    mean, log_var = layers.Dense(3)(h), layers.Dense(3)(h)
    log_var = tf.clip_by_value(log_var, -5.0, 5.0)
    deviation = tf.exp(0.5 * log_var)
    z = mean + deviation * 0.1
    kl = -0.5 * tf.reduce_sum(1 + log_var - tf.square(mean) - tf.exp(log_var), axis=1)
    return keras.Model(inputs, [layers.Dense(10)(z), kl])


def siamese():
    """Two images through one network, and the distance between what it says of them."""
    a, b = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    image = keras.Input((8, 8, 1))
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(image))
    tower = keras.Model(image, tf.math.l2_normalize(layers.Dense(6)(x), axis=1), name="tower")
    distance = tf.sqrt(
        tf.maximum(tf.reduce_sum((tower(a) - tower(b)) ** 2, 1, keepdims=True), 1e-7)
    )
    similarity = tf.reduce_sum(tf.multiply(tower(a), tower(b)), axis=-1, keepdims=True)
    return keras.Model([a, b], [layers.Dense(1, activation="sigmoid")(distance), 1 - similarity])


def gated_residual():
    """Gates and skip connections of a TFT, on a masked mean of tokens."""
    inputs = keras.Input((9,), dtype="int32")
    x = layers.Embedding(15, 6)(inputs)
    mask = tf.cast(tf.not_equal(inputs, 0), tf.float32)
    mask = tf.expand_dims(mask, -1)
    mean = tf.reduce_sum(x * mask, axis=1) / (tf.reduce_sum(mask, axis=1) + 1e-8)
    h = tf.nn.elu(layers.Dense(6)(mean))
    value, gate = tf.split(layers.Dense(12)(h), num_or_size_splits=2, axis=-1)
    x = layers.LayerNormalization()(mean + value * tf.nn.sigmoid(gate))
    return keras.Model(inputs, layers.Dense(2)(x))


def dueling():
    """A Q-network in two streams: value and advantage."""
    inputs = keras.Input((12, 12, 4))
    x = tf.cast(inputs, tf.float32) / 255.0
    x = layers.Conv2D(8, 4, strides=2, activation="relu")(x)
    x = layers.Flatten()(x)
    value, advantage = layers.Dense(1)(x), layers.Dense(4)(x)
    q = value + (advantage - tf.reduce_mean(advantage, axis=1, keepdims=True))
    return keras.Model(inputs, q)


def patches():
    """A Mixer on patches that are cut by reshape."""
    inputs = keras.Input((8, 8, 3))
    x = tf.reshape(inputs, (-1, 2, 4, 2, 4, 3))
    x = tf.transpose(x, (0, 1, 3, 2, 4, 5))
    x = tf.reshape(x, (-1, 4, 48))
    x = layers.Dense(8)(x)
    y = tf.linalg.matrix_transpose(layers.LayerNormalization()(x))
    y = layers.Dense(4)(tf.nn.gelu(layers.Dense(6)(y)))
    x = x + tf.linalg.matrix_transpose(y)
    y = layers.Dense(8)(
        tf.nn.gelu(layers.Dense(16)(layers.LayerNormalization()(x)), approximate=True)
    )
    return keras.Model(inputs, layers.Dense(3)(tf.reduce_mean(x + y, axis=1)))


def two_towers():
    """Users and things to buy, whose product is the score."""
    user, item = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    u = tf.squeeze(layers.Embedding(10, 4)(user), axis=1)
    v = tf.squeeze(layers.Embedding(12, 4)(item), axis=1)
    bias = layers.Embedding(12, 1)(item)[:, 0]
    score = tf.reduce_sum(u * v, axis=1, keepdims=True) + bias
    return keras.Model([user, item], 4.0 * tf.nn.sigmoid(score) + 1.0)


def squeeze_and_shift():
    """An exporter's head: boxes and scores stacked, decoded and clipped."""
    inputs = keras.Input((4, 4, 6))
    raw = layers.Conv2D(10, 1)(inputs)
    raw = tf.reshape(raw, [-1, 16, 2, 5])
    xy, wh, score = raw[..., :2], raw[..., 2:4], raw[..., 4:]
    grid = tf.constant(np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1), tf.float32)
    xy = (tf.sigmoid(xy) + tf.reshape(grid, [1, 16, 1, 2])) * 8.0
    wh = tf.exp(tf.minimum(wh, 4.0)) * tf.constant([[10.0, 13.0], [16.0, 30.0]])
    corners = tf.concat([xy - wh / 2, xy + wh / 2], axis=-1)
    best = tf.argmax(score, axis=2)
    return keras.Model(inputs, [corners, tf.nn.softmax(score, axis=2), tf.cast(best, tf.float32)])


def cbam():
    """Attention over channels and places."""
    inputs = keras.Input((8, 8, 6))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    shared, out = layers.Dense(2, activation="relu"), layers.Dense(8)
    avg = out(shared(tf.reduce_mean(x, axis=(1, 2))))
    top = out(shared(tf.reduce_max(x, axis=(1, 2))))
    x = x * tf.nn.sigmoid(avg + top)[:, None, None, :]
    places = tf.concat(
        [tf.reduce_mean(x, axis=3, keepdims=True), tf.reduce_max(x, axis=3, keepdims=True)], axis=3
    )
    x = tf.multiply(x, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(places))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


def wavenet():
    """Gated causal convolutions with skips."""
    inputs = keras.Input((16, 4))
    x, skips = layers.Conv1D(6, 1)(inputs), []
    for rate in (1, 2, 4):
        y = layers.Conv1D(12, 2, padding="causal", dilation_rate=rate)(x)
        y = tf.tanh(y[:, :, :6]) * tf.sigmoid(y[:, :, 6:])
        skips.append(layers.Conv1D(6, 1)(y))
        x = x + layers.Conv1D(6, 1)(y)
    total = tf.nn.relu(tf.add_n(skips))
    return keras.Model(inputs, layers.Conv1D(2, 1)(total)[:, -1])


def fourier_features():
    """Coordinates as sines and cosines, as in NeRF."""
    inputs = keras.Input((3,))
    parts = [inputs]
    for k in range(4):
        parts += [tf.sin(2.0**k * math.pi * inputs), tf.cos(2.0**k * math.pi * inputs)]
    x = tf.concat(parts, axis=-1)
    h = layers.Dense(16, activation="relu")(x)
    h = layers.Dense(16, activation="relu")(tf.concat([h, x], -1))
    rgb, sigma = tf.sigmoid(layers.Dense(3)(h)), tf.nn.relu(layers.Dense(1)(h))
    return keras.Model(inputs, tf.concat([rgb, sigma], axis=-1))


def capsules():
    """Squashed vectors."""
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(16, 3, strides=2)(inputs)
    x = tf.reshape(x, (-1, 3 * 3 * 4, 4))
    squared = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
    x = squared / (1.0 + squared) * x / tf.sqrt(squared + 1e-7)
    return keras.Model(inputs, tf.sqrt(tf.reduce_sum(x**2, -1)))


def mixture_density():
    """Weights, means and deviations beside each other."""
    inputs = keras.Input((5,))
    h = layers.Dense(12, activation="tanh")(inputs)
    pi, mu, sigma = tf.split(layers.Dense(9)(h), 3, axis=1)
    pi = tf.exp(pi - tf.reduce_logsumexp(pi, axis=1, keepdims=True))
    sigma = tf.math.softplus(sigma) + 1e-4
    return keras.Model(inputs, tf.stack([pi, mu, sigma], axis=-1))


def temporal_attention():
    """Steps weighed by what a small network says of them."""
    inputs = keras.Input((10, 4))
    h = layers.GRU(6, return_sequences=True)(inputs)
    score = layers.Dense(1)(tf.nn.tanh(layers.Dense(6)(h)))
    alpha = tf.nn.softmax(score, axis=1)
    context = tf.reduce_sum(alpha * h, axis=1)
    return keras.Model(inputs, [layers.Dense(2)(context), tf.squeeze(alpha, -1)])


def window_attention():
    """Windows cut out by reshape, a causal mask of a constant, and back."""
    inputs = keras.Input((8, 8, 4))
    B = tf.shape(inputs)[0]
    x = tf.reshape(inputs, (B, 2, 4, 2, 4, 4))
    x = tf.transpose(x, perm=(0, 1, 3, 2, 4, 5))
    x = tf.reshape(x, (-1, 16, 4))
    q, k, v = (layers.Dense(4)(x) for _ in range(3))
    scores = q @ tf.transpose(k, (0, 2, 1)) * (4**-0.5)
    mask = tf.constant(np.tril(np.ones((16, 16), "float32")))
    scores = scores + (1.0 - mask) * -1e9
    x = tf.nn.softmax(scores) @ v
    x = tf.reshape(x, (B, 2, 2, 4, 4, 4))
    x = tf.reshape(tf.transpose(x, (0, 1, 3, 2, 4, 5)), (B, 8, 8, 4))
    return keras.Model(inputs, x + inputs)


def film():
    """Channels scaled and shifted by a label."""
    image, label = keras.Input((8, 8, 3)), keras.Input((), dtype="int32")
    one_hot = tf.one_hot(label, depth=5)
    gamma, beta = tf.split(layers.Dense(12)(one_hot), 2, axis=-1)
    x = layers.Conv2D(6, 3)(image)
    x = x * tf.reshape(1 + gamma, (-1, 1, 1, 6)) + tf.expand_dims(tf.expand_dims(beta, 1), 1)
    x = tf.where(x > 0, x, 0.1 * x)
    return keras.Model([image, label], layers.Conv2D(1, 3)(x))


def pixel_shuffle():
    """Super-resolution, as EDSR has it."""
    inputs = keras.Input((6, 6, 3))
    x = (inputs - tf.constant([0.4488, 0.4371, 0.404]) * 255) / 127.5
    x = y = layers.Conv2D(8, 3, padding="same")(x)
    for _ in range(2):
        z = layers.Conv2D(8, 3, padding="same", activation="relu")(y)
        y = y + layers.Conv2D(8, 3, padding="same")(z) * 0.1
    x = tf.nn.depth_to_space(layers.Conv2D(12, 3, padding="same")(x + y), 2)
    return keras.Model(inputs, tf.clip_by_value(x * 127.5 + 114.4, 0.0, 255.0))


def refused_contrastive():
    """Two unit vectors, one by a function with two results."""
    a, b = keras.Input((6,)), keras.Input((4,))
    u = tf.linalg.normalize(layers.Dense(5)(a), axis=-1)[0]
    v = tf.math.l2_normalize(layers.Dense(5)(b), -1)
    return keras.Model([a, b], tf.matmul(u, v, transpose_b=True) / 0.07)


def tutorial_attention():
    """The attention of TensorFlow's tutorial on Transformers, with what it takes from shapes."""
    inputs = keras.Input((None, 8))
    batch = tf.shape(inputs)[0]
    q, k, v = (layers.Dense(8)(inputs) for _ in range(3))
    q, k, v = (tf.transpose(tf.reshape(t, (batch, -1, 2, 4)), perm=[0, 2, 1, 3]) for t in (q, k, v))
    logits = tf.matmul(q, k, transpose_b=True)
    dk = tf.cast(tf.shape(k)[-1], tf.float32)
    weights = tf.nn.softmax(logits / tf.math.sqrt(dk), axis=-1)
    x = tf.transpose(tf.matmul(weights, v), perm=[0, 2, 1, 3])
    return keras.Model(inputs, layers.Dense(8)(tf.reshape(x, (batch, -1, 8))))


def class_token():
    """A token in front of all others, as ViT has it."""
    inputs = keras.Input((9, 4))
    token = tf.zeros_like(inputs[:, :1]) + 0.5
    x = tf.concat([token, inputs], axis=1) + tf.range(10, dtype=tf.float32)[:, tf.newaxis] / 10
    x = layers.MultiHeadAttention(2, 4)(x, x) + x
    return keras.Model(inputs, layers.Dense(2)(tf.gather(x, 0, axis=1)))


def noise_gate():
    """A spectrogram's head: decibels, normalised by mean and deviation."""
    inputs = keras.Input((12, 5))
    x = 10.0 * tf.math.log(tf.maximum(1e-10, tf.square(inputs))) / tf.math.log(10.0)
    x = tf.maximum(x, tf.reduce_max(x, axis=[1, 2], keepdims=True) - 80)
    mean, variance = tf.nn.moments(x, axes=[1], keepdims=True)
    x = (x - mean) / (tf.sqrt(variance) + 1e-6)
    x = layers.Conv1D(4, 3)(x)
    return keras.Model(inputs, tf.reduce_mean(tf.math.reduce_std(x, axis=1), -1, keepdims=True))


def refused_segmentation():
    """Logits resized to the picture, whatever its size is."""
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(2, 1)(x)
    x = tf.image.resize(x, tf.shape(inputs)[1:3])
    return keras.Model(inputs, tf.nn.softmax(x))


NETWORKS = {
    made.__name__: made
    for made in (
        *(residual_blocks, self_attention, batch_attention, squeeze_excite, last_steps),
        *(dense_blocks, positional_encoding, channel_shuffle, u_net, variational, siamese),
        *(gated_residual, dueling, patches, two_towers, squeeze_and_shift, cbam, wavenet),
        *(fourier_features, capsules, mixture_density, temporal_attention, window_attention),
        *(film, pixel_shuffle, refused_contrastive, tutorial_attention, class_token),
        *(noise_gate, refused_segmentation),
    )
}
