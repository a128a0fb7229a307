"""LSTM autoencoder: encoder, RepeatVector, decoder, TimeDistributed(Dense); RMSprop, clipnorm.

Style: torch.nn.LSTM without second biases in play, code.unsqueeze(1).expand(...), a Linear on the
3-D tensor, gradients clipped in before_step. Mistake of the twin: clip_grad_norm_ over all
parameters, where Keras's clipnorm clips each variable by its own norm.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((12, 4))
    x = layers.LSTM(14)(inputs)
    x = layers.RepeatVector(12)(x)
    x = layers.LSTM(14, return_sequences=True)(x)
    outputs = layers.TimeDistributed(layers.Dense(4))(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.RMSprop(1e-3, clipnorm=0.1), loss="mse")
    return model


def _port(over_all):
    import torch
    from torch import nn

    from torch_impl import Port, optim

    def lstm(n_in, n_out):
        m = nn.LSTM(n_in, n_out, batch_first=True)
        nn.init.xavier_uniform_(m.weight_ih_l0)
        nn.init.orthogonal_(m.weight_hh_l0)
        nn.init.zeros_(m.bias_ih_l0)
        nn.init.ones_(m.bias_ih_l0.data[n_out : 2 * n_out])
        nn.init.zeros_(m.bias_hh_l0).requires_grad_(False)
        return m

    class AutoEncoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = lstm(4, 14)
            self.decoder = lstm(14, 14)
            self.readout = nn.Linear(14, 4)
            nn.init.xavier_uniform_(self.readout.weight)
            nn.init.zeros_(self.readout.bias)

        def forward(self, x):
            _, (code, _) = self.encoder(x)
            repeated = code[-1].unsqueeze(1).expand(-1, x.shape[1], -1)
            return self.readout(self.decoder(repeated)[0])

    def clip(net, limit=0.1):
        params = [p for p in net.parameters() if p.grad is not None]
        if over_all:
            nn.utils.clip_grad_norm_(params, limit)
            return
        for p in params:
            p.grad.mul_(limit / p.grad.norm().clamp(min=limit))

    net = AutoEncoder()
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optim.RMSprop([p for p in net.parameters() if p.requires_grad], 1e-3),
        before_step=clip,
        feed=torch.from_numpy,
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
