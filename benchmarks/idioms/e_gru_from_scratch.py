"""A GRU which forecasts one value (Keras's weather example against d2l.ai's GRU from scratch).

Style: raw parameters W_xz, W_hz, b_z, ..., a helper `three`, a loop over time-major inputs with
`@`, own loading that splits Keras's joined matrices. The twin's mistake: the update gate mixes the
wrong way round (it weighs the new state).
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((15, 4))
    x = layers.GRU(12, reset_after=False, name="gru")(inputs)
    model = keras.Model(inputs, layers.Dense(1, name="dense")(x))
    model.compile(keras.optimizers.Adam(3e-3), "mean_absolute_error")
    return model


def _port(mix):
    import torch
    from torch import nn

    from torch_impl import Port, optim

    class GRUScratch(nn.Module):
        def __init__(self, num_inputs=4, num_hiddens=12):
            super().__init__()
            self.num_hiddens = num_hiddens
            a = (6 / (num_inputs + 3 * num_hiddens)) ** 0.5
            hidden = nn.init.orthogonal_(torch.empty(num_hiddens, 3 * num_hiddens)).chunk(3, dim=1)
            hidden = iter(hidden)

            def three():
                return (
                    nn.Parameter(torch.empty(num_inputs, num_hiddens).uniform_(-a, a)),
                    nn.Parameter(next(hidden).clone()),
                    nn.Parameter(torch.zeros(num_hiddens)),
                )

            self.W_xz, self.W_hz, self.b_z = three()  # update gate
            self.W_xr, self.W_hr, self.b_r = three()  # reset gate
            self.W_xh, self.W_hh, self.b_h = three()  # candidate
            a = (6 / (num_hiddens + 1)) ** 0.5
            self.W_hq = nn.Parameter(torch.empty(num_hiddens, 1).uniform_(-a, a))
            self.b_q = nn.Parameter(torch.zeros(1))

        def forward(self, inputs):
            H = inputs.new_zeros(inputs.shape[0], self.num_hiddens)
            for X in inputs.transpose(0, 1):
                Z = torch.sigmoid(X @ self.W_xz + H @ self.W_hz + self.b_z)
                R = torch.sigmoid(X @ self.W_xr + H @ self.W_hr + self.b_r)
                H_tilde = torch.tanh(X @ self.W_xh + (R * H) @ self.W_hh + self.b_h)
                H = mix(Z, H, H_tilde)
            return H @ self.W_hq + self.b_q

    def load(net, weights):
        with torch.no_grad():
            for prefix, key in (("W_x", "kernel"), ("W_h", "recurrent_kernel"), ("b_", "bias")):
                parts = torch.from_numpy(weights[f"gru.{key}"]).chunk(3, dim=-1)
                for gate, w in zip("zrh", parts, strict=True):
                    getattr(net, prefix + gate).copy_(w)
            net.W_hq.copy_(torch.from_numpy(weights["dense.kernel"]))
            net.b_q.copy_(torch.from_numpy(weights["dense.bias"]))

    net = GRUScratch()
    return Port(
        net,
        loss=nn.L1Loss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=3e-3),
        feed=torch.from_numpy,
        load=load,
    )


def right_port():
    return _port(lambda Z, H, H_tilde: Z * H + (1 - Z) * H_tilde)


def faulty_port():
    return _port(lambda Z, H, H_tilde: Z * H_tilde + (1 - Z) * H)
