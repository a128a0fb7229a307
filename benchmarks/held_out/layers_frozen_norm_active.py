"""A backbone was frozen with requires_grad=False: its norms still use the batch."""

from functools import partial

from benchmarks.held_out.late import F, Port, keras, layers, nn, optim

IDS = ("C4",)
LEVEL = "forward"


def keras_model():
    backbone = keras.Sequential(
        [
            keras.Input((16, 12, 3)),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Conv2D(12, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
        ],
        name="backbone",
    )
    backbone.trainable = False
    inputs = keras.Input((16, 12, 3))
    x = backbone(inputs, training=False)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    outputs = layers.Dense(4)(x)
    model = keras.Model(inputs, outputs, name="transfer")
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
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
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(self.head.bias)
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
        net,
        loss=lambda logits, y: F.cross_entropy(logits, y.long().flatten()),
        optimizer=optim.Adam(net.head.parameters(), learning_rate=1e-3),
    )


right_port = partial(_make, True)
faulty_port = partial(_make, False)
