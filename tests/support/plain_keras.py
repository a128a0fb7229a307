"""Keras programs of which ports in plain torch are written; each has other rules of training."""

import keras
from keras import layers as L
from keras import losses, metrics, optimizers, regularizers

import keras_impl


def images():
    """Convolutions with uneven 'same' padding, normalisation, and a cosine behind a warm-up."""
    model = keras.Sequential(
        [
            L.Input((9, 8, 3)),
            L.Conv2D(6, 3, strides=2, padding="same", use_bias=False),
            L.BatchNormalization(momentum=0.9),
            L.Activation("gelu"),
            L.SpatialDropout2D(0.2),
            L.DepthwiseConv2D(3, padding="same", depthwise_initializer="he_normal"),
            L.MaxPooling2D(2, strides=2, padding="same"),
            L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="leaky_relu"),
            L.AveragePooling2D(3, strides=2, padding="same"),
            L.Flatten(),
            L.Dense(5, activation="softmax", kernel_regularizer=regularizers.L1L2(1e-3, 1e-2)),
        ],
        name="plain_images",
    )
    rate = optimizers.schedules.CosineDecay(1e-3, 20, 0.1, warmup_target=1e-2, warmup_steps=5)
    model.compile(
        optimizers.RMSprop(rate, momentum=0.9, centered=True, clipvalue=0.5),
        losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=["accuracy", metrics.TopKCategoricalAccuracy(2)],
    )
    return model


def words():
    """Masks of tokens, recurrent layers with and without torch's rules, and early stopping."""
    tokens = L.Input((7,), dtype="int32")
    x = L.Embedding(11, 6, mask_zero=True)(tokens)
    x = L.Bidirectional(L.LSTM(4, return_sequences=True, recurrent_dropout=0.2))(x)
    x = L.GRU(5, reset_after=False, dropout=0.25)(x)
    x = L.Dense(4, activation="selu", kernel_initializer="lecun_normal")(x)
    x = L.Dropout(0.5)(x)
    model = keras.Model(tokens, L.Dense(1, activation="sigmoid")(x), name="plain_words")
    model.compile(
        optimizers.Adam(2e-3, amsgrad=True, clipnorm=0.1),
        "binary_crossentropy",
        metrics=["accuracy", metrics.AUC(), metrics.Precision(thresholds=0.4), metrics.Recall()],
    )
    stop = keras.callbacks.EarlyStopping(
        "val_accuracy", 0.01, patience=2, mode="max", restore_best_weights=True
    )
    return keras_impl.Reference(model, callbacks=[stop], class_weight={0: 1.0, 1: 2.5})


def transformer():
    """Attention with masks and dropout, and a decay of weights."""
    x = inputs = L.Input((6, 8))
    for _ in range(2):
        y = L.LayerNormalization()(x)
        y = L.MultiHeadAttention(2, 3, dropout=0.1)(y, y, use_causal_mask=True)
        x = L.Add()([x, y])
        y = L.LayerNormalization()(x)
        y = L.Dense(16, activation="gelu")(y)
        x = L.Add()([x, L.Dense(8, kernel_initializer="orthogonal")(y)])
    x = L.LSTM(4)(L.GRU(5, return_sequences=True)(x))
    model = keras.Model(inputs, L.Dense(3)(x), name="plain_transformer")
    rate = optimizers.schedules.PolynomialDecay(5e-3, 10, 1e-4, power=2.0)
    model.compile(
        optimizers.AdamW(rate, weight_decay=0.02, global_clipnorm=0.5),
        losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[metrics.SparseCategoricalAccuracy(), "sparse_categorical_crossentropy"],
    )
    return model


def branches():
    """Two inputs, two outputs, a connection past two layers, and weights of losses."""
    image, numbers = L.Input((7, 6, 2), name="image"), L.Input((4,), name="numbers")
    x = L.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = L.Add()([x, L.Conv2D(4, 5, padding="same", activation="swish")(x)])
    x = L.Concatenate()([L.GlobalAveragePooling2D()(x), L.Dense(4, activation="elu")(numbers)])
    x = L.Maximum()([L.Dense(5)(x), L.Dense(5)(x)])
    ends = {"kind": L.Dense(3, activation="softmax", name="kind")(x)}
    ends["size"] = L.Dense(1, activation="softplus", name="size")(x)
    model = keras.Model([image, numbers], ends, name="plain_branches")
    rate = optimizers.schedules.ExponentialDecay(0.05, 3, 0.9, staircase=True)
    model.compile(
        optimizers.SGD(rate, momentum=0.9, nesterov=True),
        loss={"kind": "sparse_categorical_crossentropy", "size": losses.Huber(0.5)},
        loss_weights={"kind": 1.0, "size": 0.25},
        metrics={"kind": ["accuracy"], "size": ["mae", metrics.RootMeanSquaredError()]},
    )
    return model
