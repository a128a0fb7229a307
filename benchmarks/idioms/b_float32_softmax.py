"""The last Keras layer is pinned to float32, as programs with mixed precision do.

The faulty twin ends with nn.Softmax in front of CrossEntropyLoss.
"""

from benchmarks.held_out.keras_side import keras, layers
from benchmarks.held_out.torch_side import Port, biased_norm, keras_init, nn, torch


def keras_model():
    inputs = keras.Input(shape=(13, 17, 3))
    x = inputs
    for i, filters in enumerate([8, 16]):
        x = layers.Conv2D(filters, 3, use_bias=False, name=f"conv{i}")(x)
        x = layers.BatchNormalization(name=f"bn{i}")(x)
        x = layers.Activation("relu6", name=f"act{i}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(8, name="logits")(x)
    outputs = layers.Activation("softmax", dtype="float32", name="predictions")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=0.05),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=False),
    )
    return model


def _port(*last):
    def block(cin, cout):
        return nn.Sequential(
            nn.Conv2d(cin, cout, 3, bias=False),
            biased_norm(nn.BatchNorm2d)(cout, eps=0.001, momentum=0.01),
            nn.ReLU6(inplace=True),
        )

    net = nn.Sequential(
        block(3, 8),
        block(8, 16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 8),
        *last,
    )
    keras_init(net)
    criterion = nn.CrossEntropyLoss()
    return Port(
        net,
        loss=lambda out, y: criterion(out, y.flatten().long()),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.05),
    )


def right_port():
    return _port()


def faulty_port():
    return _port(nn.Softmax(dim=1))
