"""ESPCN for colour images.

Two tanh convolutions and a sub-pixel layer (keras-io against pytorch/examples).

Style: pytorch/examples super_resolution: conv1..conv4 with init.orthogonal_ in _initialize_weights;
a helper which does TensorFlow's depth_to_space by view and permute. The twin's mistake:
nn.PixelShuffle, whose channels are ordered (colour, row, column) and not (row, column, colour).
"""


def keras_model():
    import keras
    from keras import layers, ops

    class DepthToSpace(layers.Layer):
        def __init__(self, block, **kwargs):
            super().__init__(**kwargs)
            self.block = block

        def call(self, x):
            r = self.block
            _, h, w, c = x.shape
            x = ops.reshape(x, (-1, h, w, r, r, c // r**2))
            x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
            return ops.reshape(x, (-1, h * r, w * r, c // r**2))

        def compute_output_shape(self, shape):
            n, h, w, c = shape
            return n, h * self.block, w * self.block, c // self.block**2

    inputs = keras.Input((9, 9, 3))
    conv = {"padding": "same", "kernel_initializer": "orthogonal"}
    x = layers.Conv2D(16, 5, activation="tanh", **conv)(inputs)
    x = layers.Conv2D(8, 3, activation="tanh", **conv)(x)
    x = layers.Conv2D(12, 3, **conv)(x)
    model = keras.Model(inputs, DepthToSpace(2)(x))
    model.compile(keras.optimizers.Adam(1e-3), "mean_squared_error")
    return model


def _port(pixel_shuffle):
    import torch
    from torch import nn
    from torch.nn import init

    from torch_impl import Port, optim

    class DepthToSpace(nn.Module):
        def __init__(self, r):
            super().__init__()
            self.r = r

        def forward(self, x):
            n, c, h, w = x.shape
            r, c = self.r, c // self.r**2
            x = x.view(n, r, r, c, h, w).permute(0, 3, 4, 1, 5, 2).contiguous()
            return x.view(n, c, h * r, w * r)

    class Net(nn.Module):
        def __init__(self, upscale_factor):
            super().__init__()
            self.tanh = nn.Tanh()
            self.conv1 = nn.Conv2d(3, 16, (5, 5), (1, 1), (2, 2))
            self.conv2 = nn.Conv2d(16, 8, (3, 3), (1, 1), (1, 1))
            self.conv3 = nn.Conv2d(8, 3 * upscale_factor**2, (3, 3), (1, 1), (1, 1))
            self.pixel_shuffle = (
                nn.PixelShuffle(upscale_factor) if pixel_shuffle else DepthToSpace(upscale_factor)
            )
            self._initialize_weights()

        def forward(self, x):
            x = self.tanh(self.conv1(x))
            x = self.tanh(self.conv2(x))
            return self.pixel_shuffle(self.conv3(x))

        def _initialize_weights(self):
            for conv in (self.conv1, self.conv2, self.conv3):
                init.orthogonal_(conv.weight)
                init.zeros_(conv.bias)

    net = Net(2)
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        feed=lambda x: torch.from_numpy(x).permute(0, 3, 1, 2),
        target=lambda y: torch.from_numpy(y).permute(0, 3, 1, 2),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
