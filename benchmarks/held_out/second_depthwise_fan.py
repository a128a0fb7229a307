"""MobileNet v1.

he_normal of the depthwise kernels uses torch's fan (k*k), which is channels*k*k in Keras.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import nn, ports


def keras_model():
    def bn_relu(x):
        return layers.ReLU()(layers.BatchNormalization()(x))

    he = "he_normal"
    x = inputs = keras.Input((24, 32, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, kernel_initializer=he)(x)
    x = bn_relu(x)
    for filters, stride in ((32, 1), (48, 2)):
        x = layers.DepthwiseConv2D(
            3, strides=stride, padding="same", use_bias=False, depthwise_initializer=he
        )(x)
        x = bn_relu(x)
        x = layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=he)(x)
        x = bn_relu(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    model.compile(optimizers.RMSprop(), "categorical_crossentropy")
    return model


def _mobilenet(depthwise_fan):
    from torch_impl.layers import BatchNormalization

    def he_normal_(weight, fan_in):
        s = (2.0 / fan_in) ** 0.5 / 0.87962566103423978
        nn.init.trunc_normal_(weight, std=s, a=-2 * s, b=2 * s)

    def bn_relu(channels):
        return [BatchNormalization(channels), nn.ReLU()]

    def separable(cin, cout, stride):
        pad = nn.ZeroPad2d((0, 1, 0, 1)) if stride == 2 else nn.ZeroPad2d(1)
        return nn.Sequential(
            pad,
            nn.Conv2d(cin, cin, 3, stride, groups=cin, bias=False),
            *bn_relu(cin),
            nn.Conv2d(cin, cout, 1, bias=False),
            *bn_relu(cout),
        )

    net = nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(3, 16, 3, 2, bias=False),
        *bn_relu(16),
        separable(16, 32, 1),
        separable(32, 48, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 4),
        nn.Softmax(-1),
    )
    for m in net.modules():
        if isinstance(m, nn.Conv2d) and m.groups > 1:
            he_normal_(m.weight, depthwise_fan(m))
        elif isinstance(m, nn.Conv2d):
            he_normal_(m.weight, m.in_channels * m.kernel_size[0] * m.kernel_size[1])
        elif isinstance(m, nn.Linear):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)
    return net


right_port, faulty_port = ports(
    _mobilenet, lambda m: m.in_channels * 9, lambda m: m.weight[0].numel()
)
