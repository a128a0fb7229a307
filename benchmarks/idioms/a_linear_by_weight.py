"""A shared Dense is applied to two inputs by F.linear with the weight of one nn.Linear.

The faulty twin leaves out the bias for the second input.
"""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch


def keras_model():
    """Do a query and an item match?"""
    query, item = keras.Input((10,), name="query"), keras.Input((10,), name="item")
    embed = layers.Dense(18, activation="tanh", name="embed")
    q, i = embed(query), embed(item)
    x = layers.Concatenate()([q, i, layers.Multiply()([q, i])])
    x = layers.Dense(12, activation="relu", name="hidden")(x)
    model = keras.Model([query, item], layers.Dense(1, name="match")(x))
    model.compile(keras.optimizers.SGD(0.03), losses.BinaryCrossentropy(from_logits=True))
    return model


def _matcher(embed_item):
    class Matcher(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(10, 18)
            self.hidden = nn.Linear(54, 12)
            self.match = nn.Linear(12, 1)
            keras_init(self)

        def forward(self, query, item):
            q = torch.tanh(F.linear(query, self.embed.weight, self.embed.bias))
            i = torch.tanh(embed_item(self.embed, item))
            x = torch.cat([q, i, q * i], dim=-1)
            x = F.relu(F.linear(x, self.hidden.weight, self.hidden.bias))
            return F.linear(x, self.match.weight, self.match.bias)

    net = Matcher()
    return Port(net, nn.BCEWithLogitsLoss(), torch.optim.SGD(net.parameters(), lr=0.03))


def right_port():
    """Both inputs get weight and bias."""
    return _matcher(lambda embed, x: F.linear(x, embed.weight, embed.bias))


def faulty_port():
    """The item gets the weight only."""
    return _matcher(lambda embed, x: F.linear(x, embed.weight))
