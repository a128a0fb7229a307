"""Attention pooling of a sequence with three heads, softmax pinned to float32, focal loss.

Style: einsum pooling, own focal loss, clipping in before_step. Three mistakes of the twin: the
softmax runs over the heads, not over the time; alpha of the focal loss weighs the negatives; the
global clipnorm is applied to each parameter alone.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((18, 6))
    h = layers.Dense(16, activation="tanh")(inputs)
    scores = layers.Dense(3, use_bias=False)(h)
    scores = layers.Permute((2, 1))(scores)
    attention = layers.Activation("softmax", dtype="float32")(scores)
    pooled = layers.Dot(axes=(2, 1))([attention, h])
    x = layers.Flatten()(pooled)
    x = layers.Dense(12, activation="relu")(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(1e-3, global_clipnorm=0.05),
        loss=keras.losses.BinaryFocalCrossentropy(
            apply_class_balancing=True, alpha=0.25, gamma=2.0
        ),
    )
    return model


def _port(faulty):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class AttentionPooling(nn.Module):
        def __init__(self, dim, heads):
            super().__init__()
            self.query = nn.Parameter(torch.empty(heads, dim))
            nn.init.xavier_uniform_(self.query)

        def forward(self, h):
            scores = torch.einsum("kd,ntd->nkt", self.query, h)
            weights = scores.softmax(1 if faulty else 2)
            return torch.einsum("nkt,ntd->nkd", weights, h)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(6, 16)
            self.pool = AttentionPooling(16, 3)
            self.fc1 = nn.Linear(48, 12)
            self.fc2 = nn.Linear(12, 1)
            for m in (self.embed, self.fc1, self.fc2):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, x):
            x = self.pool(torch.tanh(self.embed(x)))
            return self.fc2(F.relu(self.fc1(x.flatten(1))))

    def focal(logits, y, alpha=0.25, gamma=2.0):
        y = y.reshape(-1, 1).to(logits.dtype)
        p = torch.sigmoid(logits)
        bce = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
        p_t = y * p + (1 - y) * (1 - p)
        if faulty:
            alpha = 1 - alpha
        weight = y * alpha + (1 - y) * (1 - alpha)
        return (weight * (1 - p_t) ** gamma * bce).mean()

    @torch.no_grad()
    def clip(net, limit=0.05):
        grads = [p.grad for p in net.parameters()]
        if faulty:
            for g in grads:
                g.mul_(limit / g.norm().clamp(min=limit))
        else:
            total = torch.stack([g.square().sum() for g in grads]).sum().sqrt()
            for g in grads:
                g.mul_(limit / total.clamp(min=limit))

    net = Net()
    return Port(
        net,
        loss=focal,
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        before_step=clip,
        feed=lambda x: torch.from_numpy(x),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
