"""Small U-Net for binary masks, bilinear upsampling, own loss of cross-entropy and dice.

Style: nn.ModuleDict of blocks, F.interpolate, torch.cat, logits against Keras's probabilities.
Three mistakes of the twin: the skip is concatenated in front of the upsampled features; dice is one
fraction over the whole batch; He initialisation with mode="fan_out".
"""


def keras_model():
    import keras
    from keras import layers, ops

    def bce_dice(y_true, y_pred):
        y_true = ops.cast(y_true, y_pred.dtype)
        bce = ops.mean(keras.losses.binary_crossentropy(y_true, y_pred), axis=(1, 2))
        inter = ops.sum(y_true * y_pred, axis=(1, 2, 3))
        total = ops.sum(y_true, axis=(1, 2, 3)) + ops.sum(y_pred, axis=(1, 2, 3))
        return bce + 1.0 - (2.0 * inter + 1.0) / (total + 1.0)

    def conv(filters):
        return layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer="he_normal"
        )

    inputs = keras.Input((16, 12, 2))
    skip = conv(8)(inputs)
    x = layers.MaxPooling2D()(skip)
    x = conv(16)(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Concatenate()([x, skip])
    x = conv(8)(x)
    outputs = layers.Conv2D(1, 1, activation="sigmoid")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), loss=bce_dice)
    return model


def _port(faulty):
    import math

    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    def he_normal_(w):
        std = math.sqrt(2 / w[0].numel()) / 0.87962566103423978
        nn.init.trunc_normal_(w, std=std, a=-2 * std, b=2 * std)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleDict(
                {
                    name: nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU())
                    for name, i, o in [("down", 2, 8), ("bottom", 8, 16), ("up", 24, 8)]
                }
            )
            self.mask = nn.Conv2d(8, 1, 1)
            for block in self.blocks.values():
                if faulty:
                    nn.init.kaiming_normal_(block[0].weight, mode="fan_out", nonlinearity="relu")
                else:
                    he_normal_(block[0].weight)
                nn.init.zeros_(block[0].bias)
            nn.init.xavier_uniform_(self.mask.weight)
            nn.init.zeros_(self.mask.bias)

        def forward(self, x):
            skip = self.blocks["down"](x)
            x = self.blocks["bottom"](F.max_pool2d(skip, 2))
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = torch.cat([skip, x] if faulty else [x, skip], dim=1)
            return self.mask(self.blocks["up"](x))

    def loss(logits, y):
        bce = F.binary_cross_entropy_with_logits(logits, y)
        p = logits.sigmoid()
        axes = (0, 1, 2, 3) if faulty else (1, 2, 3)
        inter = (y * p).sum(axes)
        dice = (2 * inter + 1) / (y.sum(axes) + p.sum(axes) + 1)
        return bce + 1 - dice.mean()

    net = UNet()
    return Port(
        net,
        loss=loss,
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        target=lambda y: torch.as_tensor(y).to(net.mask.weight.dtype).permute(0, 3, 1, 2),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
