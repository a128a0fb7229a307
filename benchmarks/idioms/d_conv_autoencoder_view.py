"""Convolutional autoencoder of one-channel images with a Dense bottleneck, image targets.

Style: TensorFlow's asymmetric 'same' padding by F.pad, Linear + view + permute on the way up,
ConvTranspose2d cropped by hand or with padding=1. Mistake of the twin: the vector is brought to
channels first by transpose(1, 3), which also swaps height and width.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((16, 16, 1))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(12, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(10)(x)
    x = layers.Dense(4 * 4 * 12, activation="relu")(x)
    x = layers.Reshape((4, 4, 12))(x)
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(x)
    outputs = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(), loss="binary_crossentropy")
    return model


def _port(transposed):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class AutoEncoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc1 = nn.Conv2d(1, 8, 3, stride=2)
            self.enc2 = nn.Conv2d(8, 12, 3, stride=2)
            self.to_code = nn.Linear(192, 10)
            self.from_code = nn.Linear(10, 192)
            self.dec1 = nn.ConvTranspose2d(12, 8, 3, stride=2)
            self.dec2 = nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1)
            for m in self.children():
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, x):
            x = F.relu(self.enc1(F.pad(x, (0, 1, 0, 1))))
            x = F.relu(self.enc2(F.pad(x, (0, 1, 0, 1))))
            code = self.to_code(x.permute(0, 2, 3, 1).reshape(len(x), -1))
            x = F.relu(self.from_code(code)).view(-1, 4, 4, 12)
            x = x.transpose(1, 3) if transposed else x.permute(0, 3, 1, 2)
            x = F.relu(self.dec1(x)[..., :-1, :-1])
            return self.dec2(x)

    net = AutoEncoder()
    return Port(
        net,
        loss=F.binary_cross_entropy_with_logits,
        optimizer=optim.Adam(net.parameters()),
        target=lambda y: torch.from_numpy(y).movedim(-1, 1),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
