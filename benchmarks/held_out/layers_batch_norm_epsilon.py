"""BatchNorm got eps=1e-3 as is usual for Keras; this model sets epsilon=1e-5."""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import (
    F,
    Port,
    biased_norm,
    cross_entropy,
    keras_init,
    nn,
    optim,
    ports,
)


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
    model.compile(optimizers.RMSprop(1e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(eps):
    BatchNorm1d = biased_norm(nn.BatchNorm1d)

    class EcgNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.bn1 = BatchNorm1d(8, eps=eps, momentum=0.01)
            self.bn2 = BatchNorm1d(12, eps=eps, momentum=0.01)
            self.conv1 = nn.Conv1d(2, 8, 4)
            self.conv2 = nn.Conv1d(8, 12, 3, bias=False)
            self.fc = nn.Linear(12, 4)
            keras_init(self)

        def forward(self, x):
            x = x.permute(0, 2, 1)
            x = F.max_pool1d(F.relu(self.bn1(self.conv1(x))), 2)
            x = F.relu(self.bn2(self.conv2(x)))
            return self.fc(x.mean(2))

    net = EcgNet()
    return Port(
        net, loss=cross_entropy, optimizer=optim.RMSprop(net.parameters(), learning_rate=1e-3)
    )


right_port, faulty_port = ports(_make, 1e-5, 1e-3)
