"""A layer of the user's own that gives one of Keras's an array beside its tensors."""

import numpy as np
from keras import layers as L


class Causal(L.Layer):
    """Attends to no later step."""

    def __init__(self, **options):
        super().__init__(**options)
        self.attention = L.MultiHeadAttention(2, 3)

    def call(self, x):
        return self.attention(x, x, attention_mask=np.tril(np.ones((1, 4, 4), dtype="int32")))
