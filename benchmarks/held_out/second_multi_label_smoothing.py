"""Multi-label.

The port smooths the labels towards s / classes; Keras's BinaryCrossentropy towards s / 2.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports


def keras_model():
    model = keras_sequential(
        keras.Input((20, 16, 3)),
        layers.Conv2D(12, (3, 5), activation="elu"),
        layers.MaxPooling2D((2, 1)),
        layers.Conv2D(18, 3, activation="elu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(6),
    )
    model.compile(
        optimizers.Adam(3e-3, beta_1=0.8),
        losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.15),
    )
    return model


def _port(smooth):
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv_a = nn.Conv2d(3, 12, kernel_size=(3, 5))
            self.conv_b = nn.Conv2d(12, 18, kernel_size=3)
            self.tags = nn.Linear(18, 6)
            keras_init(self)

        def forward(self, x):
            x = F.max_pool2d(F.elu(self.conv_a(x)), kernel_size=(2, 1))
            x = F.elu(self.conv_b(x))
            return self.tags(x.flatten(2).mean(-1))

    def loss(logits, y):
        return F.binary_cross_entropy_with_logits(logits, smooth(y.to(logits.dtype)))

    net = Tagger()
    optimizer = optim.Adam(net.parameters(), learning_rate=3e-3, beta_1=0.8)
    return Port(net, loss=loss, optimizer=optimizer)


right_port, faulty_port = ports(
    _port, lambda y: y * (1 - 0.15) + 0.5 * 0.15, lambda y: y * (1 - 0.15) + 0.15 / y.shape[1]
)
