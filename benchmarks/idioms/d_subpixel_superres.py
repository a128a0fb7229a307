"""Sub-pixel super resolution.

Convolutions, depth_to_space, colour image targets, mean abs error, Adadelta.

Style: F.pixel_shuffle behind a reordering of the channels by a 5-D view; targets are permuted by
`target`. Mistake of the twin: the loss is a mean over samples of sums over pixels.
"""

R = 2


def keras_model():
    import keras
    from keras import layers

    class DepthToSpace(layers.Layer):
        def call(self, x):
            import tensorflow as tf

            return tf.nn.depth_to_space(x, R)

        def compute_output_shape(self, shape):
            n, h, w, c = shape
            return (n, h * R, w * R, c // R**2)

    inputs = keras.Input((10, 8, 3))
    x = layers.Conv2D(16, 5, padding="same", activation="tanh")(inputs)
    x = layers.Conv2D(12, 3, padding="same", activation="tanh")(x)
    x = layers.Conv2D(3 * R * R, 3, padding="same")(x)
    x = DepthToSpace()(x)
    outputs = layers.Activation("sigmoid")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adadelta(learning_rate=1.0), loss="mean_absolute_error")
    return model


def _port(sums):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class ESPCN(nn.Module):
        def __init__(self):
            super().__init__()
            self.feature_maps = nn.Sequential(
                nn.Conv2d(3, 16, 5, padding=2),
                nn.Tanh(),
                nn.Conv2d(16, 12, 3, padding=1),
                nn.Tanh(),
            )
            self.sub_pixel = nn.Conv2d(12, 3 * R * R, 3, padding=1)
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.xavier_uniform_(m.weight)
                    nn.init.zeros_(m.bias)

        def forward(self, x):
            x = self.sub_pixel(self.feature_maps(x))
            n, c, h, w = x.shape
            x = x.view(n, R * R, c // (R * R), h, w).transpose(1, 2).reshape(n, c, h, w)
            return torch.sigmoid(F.pixel_shuffle(x, R))

    def loss(out, y):
        if sums:
            return (out - y).abs().sum((1, 2, 3)).mean()
        return F.l1_loss(out, y)

    net = ESPCN()
    return Port(
        net,
        loss=loss,
        optimizer=optim.Adadelta(net.parameters(), learning_rate=1.0),
        target=lambda y: torch.from_numpy(y).permute(0, 3, 1, 2),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
