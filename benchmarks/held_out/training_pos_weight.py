"""Class weights {0: 0.4, 1: 2.6} became pos_weight=2.6/0.4.

That forgets the overall factor of 0.4.
"""

from benchmarks.held_out.keras_side import Reference, keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, optim, torch, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((12,)),
        layers.Dense(24, activation="relu"),
        layers.LayerNormalization(),
        layers.Dropout(0.25),
        layers.Dense(1, activation="sigmoid"),
    )
    model.compile(optimizers.Adam(0.004, beta_1=0.88), "binary_crossentropy", metrics=["accuracy"])
    return Reference(model, class_weight={0: 0.4, 1: 2.6})


def _port(loss):
    net = torch_sequential(
        nn.Linear(12, 24),
        nn.ReLU(),
        nn.LayerNorm(24, eps=1e-3),
        nn.Dropout(0.25),
        nn.Linear(24, 1),
    )
    optimizer = optim.Adam(net.parameters(), learning_rate=0.004, beta_1=0.88)
    return Port(net, loss=loss, optimizer=optimizer)


def right_port():
    def loss(logits, target):
        target = target.to(logits.dtype).reshape(logits.shape)
        weight = torch.where(target > 0.5, 2.6, 0.4)
        each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (weight * each).mean()

    return _port(loss)


def faulty_port():
    def loss(logits, target):
        target = target.to(logits.dtype).reshape(logits.shape)
        ratio = torch.tensor(2.6 / 0.4, dtype=logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, target, pos_weight=ratio)

    return _port(loss)
