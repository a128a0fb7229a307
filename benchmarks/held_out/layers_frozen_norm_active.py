"""A backbone was frozen with requires_grad=False: its norms still use the batch."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, cross_entropy, keras_init, nn, optim, ports


def keras_model():
    backbone = keras_sequential(
        keras.Input((16, 12, 3)),
        layers.Conv2D(8, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(2),
        layers.Conv2D(12, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        name="backbone",
    )
    backbone.trainable = False
    inputs = keras.Input((16, 12, 3))
    x = backbone(inputs, training=False)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    outputs = layers.Dense(4)(x)
    model = keras.Model(inputs, outputs, name="transfer")
    model.compile(optimizers.Adam(1e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(keep_eval):
    class Transfer(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1, bias=False),
                nn.BatchNorm2d(8, eps=1e-3, momentum=0.01),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(8, 12, 3, padding=1, bias=False),
                nn.BatchNorm2d(12, eps=1e-3, momentum=0.01),
                nn.ReLU(),
            )
            self.dropout = nn.Dropout(0.2)
            self.head = nn.Linear(12, 4)
            keras_init(self)
            for p in self.backbone.parameters():
                p.requires_grad = False
            if keep_eval:
                self.backbone.eval()

        def train(self, mode=True):
            super().train(mode)
            if keep_eval:
                self.backbone.eval()
            return self

        def forward(self, x):
            x = self.backbone(x).mean((2, 3))
            return self.head(self.dropout(x))

    net = Transfer()
    return Port(
        net, loss=cross_entropy, optimizer=optim.Adam(net.head.parameters(), learning_rate=1e-3)
    )


right_port, faulty_port = ports(_make, True, False)
