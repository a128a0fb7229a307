"""SpatialDropout2D, which drops feature maps, became nn.Dropout: single values."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses
from benchmarks.held_out.torch_side import keras_init, nn, ports


def keras_model():
    model = keras_sequential(
        keras.Input((13, 9, 3)),
        layers.Conv2D(12, 3, padding="same"),
        layers.GroupNormalization(groups=4),
        layers.Activation("silu"),
        layers.SpatialDropout2D(0.25),
        layers.Conv2D(16, 3, strides=2),
        layers.GroupNormalization(groups=8),
        layers.Activation("silu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3),
    )
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(spatial):
    net = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.GroupNorm(4, 12, eps=1e-3),
        nn.SiLU(),
        nn.Dropout2d(0.25) if spatial else nn.Dropout(0.25),
        nn.Conv2d(12, 16, 3, stride=2),
        nn.GroupNorm(8, 16, eps=1e-3),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    return keras_init(net)


right_port, faulty_port = ports(_make, True, False)
