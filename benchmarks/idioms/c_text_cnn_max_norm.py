"""Text CNN after Kim: the rows of the last layer keep within a norm of 0.9 after every step.

The faulty twin forgets kernel_constraint=MaxNorm(0.9).
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, cross_entropy, keras_init, nn, torch


def keras_model():
    x = tokens = keras.Input((24,), dtype="int32", name="tokens")
    x = layers.Embedding(45, 9, name="embedding")(x)
    x = layers.SpatialDropout1D(0.1)(x)
    pooled = []
    for width in (3, 5):
        y = layers.Conv1D(11, width, activation="relu", name=f"conv_{width}")(x)
        pooled.append(layers.GlobalMaxPooling1D(name=f"pool_{width}")(y))
    x = layers.Dropout(0.5)(layers.Concatenate()(pooled))
    x = layers.Dense(3, kernel_constraint=keras.constraints.MaxNorm(0.9), name="classifier")(x)
    model = keras.Model(tokens, x)
    model.compile(optimizers.SGD(0.1), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(make_optimizer):
    class TextCNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(45, 9)
            self.dropout1d = nn.Dropout1d(0.1)
            self.conv_3 = nn.Conv1d(9, 11, 3)
            self.conv_5 = nn.Conv1d(9, 11, 5)
            self.dropout = nn.Dropout(0.5)
            self.classifier = nn.Linear(22, 3)
            nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
            keras_init(self)

        def forward(self, tokens):
            x = self.dropout1d(self.embedding(tokens.long()).transpose(1, 2))
            a = F.relu(self.conv_3(x)).amax(dim=2)
            b = F.relu(self.conv_5(x)).amax(dim=2)
            return self.classifier(self.dropout(torch.cat([a, b], dim=1)))

    net = TextCNN()
    return Port(net, loss=cross_entropy, optimizer=make_optimizer(net))


def right_port():
    class MaxNormSGD(torch.optim.SGD):
        """SGD that scales the rows of `weight` back after its step."""

        def __init__(self, params, lr, weight, max_norm):
            super().__init__(params, lr=lr)
            self.weight, self.max_norm = weight, max_norm

        @torch.no_grad()
        def step(self, closure=None):
            super().step(closure)
            norm = self.weight.norm(dim=1, keepdim=True)
            self.weight.mul_(norm.clamp(max=self.max_norm) / (norm + 1e-7))

    return _port(lambda net: MaxNormSGD(net.parameters(), 0.1, net.classifier.weight, 0.9))


def faulty_port():
    return _port(lambda net: torch.optim.SGD(net.parameters(), lr=0.1))
