"""One encoder block of a vision-transformer kind on patch features, trained by AdamW.

Three mistakes.

Style: lucidrains: to_qkv as one Linear with chunk(3), heads by view and transpose, einsum, PreNorm;
own loading; two groups of parameters, one without weight decay. Mistakes: 1. xavier_uniform_ over
the joined qkv matrix; 2. attention is scaled by the root of the model's width instead of the
head's; 3. biases and norms are decayed too.
"""


def keras_model():
    import keras
    from keras import layers, ops

    class Attend(layers.Layer):
        def __init__(self, heads, **kwargs):
            super().__init__(**kwargs)
            self.heads = heads

        def call(self, q, k, v):
            def split(t):
                return ops.transpose(
                    ops.reshape(t, (-1, t.shape[1], self.heads, t.shape[2] // self.heads)),
                    (0, 2, 1, 3),
                )

            n, d = q.shape[1], q.shape[2]
            q, k, v = split(q), split(k), split(v)
            scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / (d // self.heads) ** 0.5
            out = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), v), (0, 2, 1, 3))
            return ops.reshape(out, (-1, n, d))

    inputs = keras.Input((9, 12))
    x = layers.Dense(16, name="embed")(inputs)
    y = layers.LayerNormalization(epsilon=1e-5, name="norm_1")(x)
    q, k, v = (layers.Dense(16, use_bias=False, name=n)(y) for n in ("query", "key", "value"))
    y = layers.Dense(16, name="project")(Attend(2)(q, k, v))
    x = layers.Add()([x, y])
    y = layers.LayerNormalization(epsilon=1e-5, name="norm_2")(x)
    y = layers.Dense(32, activation="gelu", name="mlp_1")(y)
    x = layers.Add()([x, layers.Dense(16, name="mlp_2")(y)])
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(4, name="head")(x))
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(init_qkv, scale_by, decay_all):
    import torch
    import torch.nn.functional as F
    from torch import einsum, nn

    from torch_impl import Port, optim

    class PreNorm(nn.Module):
        def __init__(self, dim, fn):
            super().__init__()
            self.norm = nn.LayerNorm(dim)
            self.fn = fn

        def forward(self, x, **kwargs):
            return self.fn(self.norm(x), **kwargs)

    class Attention(nn.Module):
        def __init__(self, dim, heads):
            super().__init__()
            self.heads = heads
            self.scale = scale_by(dim, heads) ** -0.5
            self.to_qkv = nn.Linear(dim, dim * 3, bias=False)
            self.to_out = nn.Linear(dim, dim)

        def forward(self, x):
            b, n, d = x.shape
            q, k, v = (
                t.view(b, n, self.heads, -1).transpose(1, 2)
                for t in self.to_qkv(x).chunk(3, dim=-1)
            )
            dots = einsum("b h i d, b h j d -> b h i j", q, k) * self.scale
            out = einsum("b h i j, b h j d -> b h i d", dots.softmax(dim=-1), v)
            return self.to_out(out.transpose(1, 2).reshape(b, n, d))

    class FeedForward(nn.Module):
        def __init__(self, dim, hidden):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

        def forward(self, x):
            return self.net(x)

    class Encoder(nn.Module):
        def __init__(self, dim=16, heads=2, num_classes=4):
            super().__init__()
            self.to_embedding = nn.Linear(12, dim)
            self.layers = nn.ModuleList(
                [
                    nn.ModuleList(
                        [PreNorm(dim, Attention(dim, heads)), PreNorm(dim, FeedForward(dim, 32))]
                    )
                ]
            )
            self.mlp_head = nn.Linear(dim, num_classes)

        def forward(self, x):
            x = self.to_embedding(x)
            for attn, ff in self.layers:
                x = attn(x) + x
                x = ff(x) + x
            return self.mlp_head(x.mean(dim=1))

    net = Encoder()
    for m in net.modules():
        if isinstance(m, nn.Linear):
            if m.bias is not None:
                nn.init.zeros_(m.bias)
            if m is net.layers[0][0].fn.to_qkv:
                init_qkv(nn.init, m.weight)
            else:
                nn.init.xavier_uniform_(m.weight)

    @torch.no_grad()
    def load(net, w):
        w = {k: torch.from_numpy(v) for k, v in w.items()}
        ((attn, ff),) = net.layers
        attn.fn.to_qkv.weight.copy_(
            torch.cat([w[k + ".kernel"].t() for k in ("query", "key", "value")])
        )
        for m, name in (
            (net.to_embedding, "embed"),
            (attn.fn.to_out, "project"),
            (ff.fn.net[0], "mlp_1"),
            (ff.fn.net[2], "mlp_2"),
            (net.mlp_head, "head"),
        ):
            m.weight.copy_(w[name + ".kernel"].t())
            m.bias.copy_(w[name + ".bias"])
        for m, name in ((attn.norm, "norm_1"), (ff.norm, "norm_2")):
            m.weight.copy_(w[name + ".gamma"])
            m.bias.copy_(w[name + ".beta"])

    decay = [p for p in net.parameters() if p.ndim > 1]
    no_decay = [p for p in net.parameters() if p.ndim < 2]
    groups = (
        net.parameters()
        if decay_all
        else [{"params": decay}, {"params": no_decay, "weight_decay": 0.0}]
    )
    return Port(
        net,
        loss=lambda out, y: F.cross_entropy(out, y.view(-1).long()),
        optimizer=optim.AdamW(groups, learning_rate=1e-3, weight_decay=0.1),
        feed=torch.from_numpy,
        load=load,
    )


def _each(init, weight):
    for w in weight.data.chunk(3):
        init.xavier_uniform_(w)


def right_port():
    return _port(_each, lambda dim, heads: dim // heads, False)


def faulty_port():
    return _port(lambda init, weight: init.xavier_uniform_(weight), lambda dim, heads: dim, True)
