"""Translation with teacher forcing: LSTM encoder, LSTM decoder from its states, attention, one shared output table."""

import keras
from keras import layers, ops

SRC, TGT, DIM = 24, 26, 6


class TiedLogits(layers.Layer):
    """Projects onto the transposed embedding table of the decoder."""

    def __init__(self, embedding, **kwargs):
        super().__init__(**kwargs)
        self.embedding = embedding

    def build(self, shape):
        self.bias = self.add_weight(
            name="bias", shape=(self.embedding.input_dim,), initializer="zeros"
        )

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.embedding.embeddings)) + self.bias


def build():
    source = keras.Input((7,), dtype="int32", name="source")
    target = keras.Input((6,), dtype="int32", name="target")

    enc = layers.Embedding(SRC, DIM, name="source_embedding")(source)
    enc, h, c = layers.LSTM(5, return_sequences=True, return_state=True, name="encoder")(enc)

    table = layers.Embedding(TGT, DIM, name="target_embedding")
    dec = table(target)
    dec = layers.LSTM(5, return_sequences=True, name="decoder")(dec, initial_state=[h, c])
    context = layers.Attention(use_scale=True, name="attention")([dec, enc])
    x = layers.Concatenate(name="context")([dec, context])
    x = layers.Dropout(0.25, noise_shape=(None, 1, 10), name="drop")(x)
    x = layers.Dense(DIM, activation="tanh", name="combine")(x)
    logits = TiedLogits(table, name="logits")(x)

    model = keras.Model([source, target], logits, name="seq2seq")
    model.compile(
        optimizer=keras.optimizers.SGD(
            learning_rate=0.1, momentum=0.5, weight_decay=1e-2, clipvalue=0.05
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
    )
    return model
