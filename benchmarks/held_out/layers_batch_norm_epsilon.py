"""BatchNorm got eps=1e-3 as is usual for Keras; this model sets epsilon=1e-5."""

from functools import partial

from benchmarks.held_out.late import F, Port, keras, layers, nn, optim, torch

IDS = ("C1",)
LEVEL = "forward"


def keras_model():
    inputs = keras.Input((30, 2), name="ecg")
    x = layers.Conv1D(8, 4)(inputs)
    x = layers.BatchNormalization(epsilon=1e-5)(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling1D(2)(x)
    x = layers.Conv1D(12, 3, use_bias=False)(x)
    x = layers.BatchNormalization(epsilon=1e-5)(x)
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling1D()(x)
    outputs = layers.Dense(4)(x)
    model = keras.Model(inputs, outputs, name="ecg_net")
    model.compile(
        optimizer=keras.optimizers.RMSprop(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _make(eps):
    class BatchNorm1d(nn.BatchNorm1d):
        """Running variance without Bessel's correction."""

        def forward(self, x):
            if not self.training:
                return super().forward(x)
            with torch.no_grad():
                self.running_mean.lerp_(x.mean((0, 2)), self.momentum)
                self.running_var.lerp_(x.var((0, 2), unbiased=False), self.momentum)
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)

    class EcgNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.bn1 = BatchNorm1d(8, eps=eps, momentum=0.01)
            self.bn2 = BatchNorm1d(12, eps=eps, momentum=0.01)
            self.conv1 = nn.Conv1d(2, 8, 4)
            self.conv2 = nn.Conv1d(8, 12, 3, bias=False)
            self.fc = nn.Linear(12, 4)
            for m in (self.conv1, self.conv2, self.fc):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

        def forward(self, x):
            x = x.permute(0, 2, 1)
            x = F.max_pool1d(F.relu(self.bn1(self.conv1(x))), 2)
            x = F.relu(self.bn2(self.conv2(x)))
            return self.fc(x.mean(2))

    net = EcgNet()
    return Port(
        net,
        loss=lambda logits, y: F.cross_entropy(logits, y.long().flatten()),
        optimizer=optim.RMSprop(net.parameters(), learning_rate=1e-3),
    )


right_port = partial(_make, 1e-5)
faulty_port = partial(_make, 1e-3)
