"""Averaged embeddings, a Dense classifier, class weights in fit, plain SGD.

Style: nn.EmbeddingBag(mode="mean") in the place of Embedding + GlobalAveragePooling1D, loss with a
looked-up weight per sample. Mistake of the twin: nn.CrossEntropyLoss(weight=...), which divides by
the sum of the weights in the batch and not by the number of samples.
"""

WEIGHTS = {0: 1.0, 1: 2.5, 2: 0.5, 3: 1.5}


def keras_model():
    import keras
    from keras import layers

    from keras_impl import Reference

    model = keras.Sequential(
        [
            keras.Input((16,), dtype="int32"),
            layers.Embedding(80, 20),
            layers.GlobalAveragePooling1D(),
            layers.Dense(24, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.2), loss="sparse_categorical_crossentropy")
    return Reference(model, class_weight=WEIGHTS)


def _port(builtin):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port

    class BagOfWords(nn.Module):
        def __init__(self):
            super().__init__()
            self.bag = nn.EmbeddingBag(80, 20, mode="mean")
            self.mlp = nn.Sequential(nn.Linear(20, 24), nn.ReLU(), nn.Linear(24, 4))
            nn.init.uniform_(self.bag.weight, -0.05, 0.05)
            for m in self.mlp:
                if isinstance(m, nn.Linear):
                    nn.init.xavier_uniform_(m.weight)
                    nn.init.zeros_(m.bias)

        def forward(self, ids):
            return self.mlp(self.bag(ids))

    def loss(out, y):
        y = y.reshape(-1).long()
        weight = torch.tensor([WEIGHTS[k] for k in sorted(WEIGHTS)], dtype=out.dtype)
        if builtin:
            return F.cross_entropy(out, y, weight=weight)
        return (weight[y] * F.cross_entropy(out, y, reduction="none")).mean()

    net = BagOfWords()
    return Port(
        net,
        loss=loss,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.2),
        feed=lambda ids: torch.as_tensor(ids).long(),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
