"""A Keras layer with three weights of its own: gated attention over the instances of a bag.

The faulty twin takes the softmax over the last axis, which has one entry, not over the instances.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, ports, torch

BAG, FEATURES, HIDDEN, ATTENTION = 9, 14, 20, 11


def keras_model():
    class GatedAttentionPool(layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def build(self, shape):
            dim = shape[-1]
            glorot = keras.initializers.GlorotUniform
            self.v = self.add_weight(name="v", shape=(dim, self.units), initializer=glorot(1))
            self.u = self.add_weight(name="u", shape=(dim, self.units), initializer=glorot(2))
            self.w = self.add_weight(name="w", shape=(self.units, 1), initializer=glorot(3))

        def call(self, h):
            ops = keras.ops
            gate = ops.tanh(ops.matmul(h, self.v)) * ops.sigmoid(ops.matmul(h, self.u))
            a = ops.softmax(ops.matmul(gate, self.w), axis=1)
            return ops.sum(a * h, axis=1)

    bag = keras.Input((BAG, FEATURES), name="bag")
    h = layers.Dense(HIDDEN, activation="relu", name="embed")(bag)
    z = GatedAttentionPool(ATTENTION, name="pool")(h)
    model = keras.Model(bag, layers.Dense(1, activation="sigmoid", name="diagnosis")(z))
    model.compile(optimizers.SGD(0.1), "binary_crossentropy")
    return model


def _port(axis):
    class GatedMIL(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(FEATURES, HIDDEN)
            self.attention_V = nn.Linear(HIDDEN, ATTENTION, bias=False)
            self.attention_U = nn.Linear(HIDDEN, ATTENTION, bias=False)
            self.attention_w = nn.Linear(ATTENTION, 1, bias=False)
            self.classifier = nn.Linear(HIDDEN, 1)

        def forward(self, bag):
            h = torch.relu(self.embed(bag))
            a = torch.tanh(self.attention_V(h)) * torch.sigmoid(self.attention_U(h))
            a = torch.softmax(self.attention_w(a), dim=axis)
            return torch.sigmoid(self.classifier((a * h).sum(1)))

    def load(net, weights):
        def put(linear, kernel, bias=None):
            linear.weight.data.copy_(torch.from_numpy(weights[kernel]).T)
            if bias:
                linear.bias.data.copy_(torch.from_numpy(weights[bias]))

        put(net.embed, "embed.kernel", "embed.bias")
        put(net.attention_V, "pool.v")
        put(net.attention_U, "pool.u")
        put(net.attention_w, "pool.w")
        put(net.classifier, "diagnosis.kernel", "diagnosis.bias")

    net = keras_init(GatedMIL())
    bce = nn.BCELoss()
    return Port(
        net,
        loss=lambda p, y: bce(p, y.to(p.dtype).reshape(p.shape)),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        load=load,
    )


right_port, faulty_port = ports(_port, 1, -1)
