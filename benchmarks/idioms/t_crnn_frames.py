"""A CRNN which labels every column of a line of text (keras-io's captcha reader without CTC).

Three mistakes.

Style: meijieru / PyTorch CRNNs: nn.Sequential cnn, permute and reshape into a sequence, nn.GRU,
cross_entropy over (N, C, T). Mistakes: 1. the feature map is reshaped into a sequence without a
permute; 2. the loss sums over the columns and averages over the samples only; 3. gradients are
clipped by their norm where Keras clips values.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((8, 16, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D((2, 2))(x)
    x = layers.Conv2D(10, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D((2, 1))(x)
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((8, 20))(x)
    x = layers.Dense(16, activation="relu")(x)
    x = layers.GRU(12, return_sequences=True)(x)
    model = keras.Model(inputs, layers.Dense(6)(x))
    model.compile(
        keras.optimizers.Adam(1e-3, clipvalue=0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(to_sequence, loss, clip):
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class CRNN(nn.Module):
        def __init__(self, n_class=6, nh=12):
            super().__init__()
            self.cnn = nn.Sequential(
                nn.Conv2d(1, 8, 3, 1, 1),
                nn.ReLU(True),
                nn.MaxPool2d(2, 2),
                nn.Conv2d(8, 10, 3, 1, 1),
                nn.ReLU(True),
                nn.MaxPool2d((2, 1), (2, 1)),
            )
            self.map2seq = nn.Linear(20, 16)
            self.rnn = nn.GRU(16, nh, batch_first=True)
            self.embedding = nn.Linear(nh, n_class)
            for name, p in self.named_parameters():
                if p.dim() == 1:
                    nn.init.zeros_(p)
                elif "weight_hh" in name:
                    nn.init.orthogonal_(p)
                else:
                    nn.init.xavier_uniform_(p)

        def forward(self, input):
            conv = self.cnn(input)
            b, c, h, w = conv.size()
            seq = F.relu(self.map2seq(to_sequence(conv, b, c, h, w)))
            recurrent, _ = self.rnn(seq)
            T, nh = recurrent.size(1), recurrent.size(2)
            return self.embedding(recurrent.reshape(b * T, nh)).view(b, T, -1)

    net = CRNN()
    return Port(
        net,
        loss=lambda out, y: loss(F, out, y.long()),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        before_step=lambda net: clip(nn.utils)(net.parameters(), 0.02),
    )


def right_port():
    return _port(
        lambda conv, b, c, h, w: conv.permute(0, 3, 2, 1).reshape(b, w, h * c),
        lambda F, out, y: F.cross_entropy(out.transpose(1, 2), y),
        lambda utils: utils.clip_grad_value_,
    )


def faulty_port():
    return _port(
        lambda conv, b, c, h, w: conv.reshape(b, w, h * c),
        lambda F, out, y: F.cross_entropy(out.transpose(1, 2), y, reduction="sum") / out.size(0),
        lambda utils: utils.clip_grad_norm_,
    )
