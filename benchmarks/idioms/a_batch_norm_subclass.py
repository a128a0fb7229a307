"""Batch normalisation is an own subclass of torch.nn.modules.batchnorm._BatchNorm.

It keeps the biased variance, as Keras does. The faulty twin takes Keras's formula for the moving
averages with torch's momentum of 0.01, so that only the last batch counts.
"""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import Port, cross_entropy, keras_init, nn, ports, torch


def keras_model():
    """Normalises after a convolution and after a dense layer."""
    inputs = keras.Input((9, 11, 2))
    x = layers.Conv2D(8, 3, use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(14)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("tanh")(x)
    model = keras.Model(inputs, layers.Dense(5)(x))
    model.compile(
        keras.optimizers.SGD(0.05), losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def _port(keep):
    class KerasBatchNorm(nn.modules.batchnorm._BatchNorm):
        def __init__(self, num_features):
            super().__init__(num_features, eps=1e-3, momentum=0.01)

        def _check_input_dim(self, input):
            if input.dim() not in (2, 4):
                raise ValueError(f"expected 2 or 4 dimensions, got {input.dim()}")

        def forward(self, x):
            shape = (1, -1) + (1,) * (x.dim() - 2)
            mean, var = self.running_mean, self.running_var
            if self.training:
                dims = [d for d in range(x.dim()) if d != 1]
                mean, var = x.mean(dims), x.var(dims, unbiased=False)
                with torch.no_grad():
                    keep(self.running_mean, mean, self.momentum)
                    keep(self.running_var, var, self.momentum)
            scale = self.weight * torch.rsqrt(var + self.eps)
            return (x - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 8, 3, bias=False)
            self.bn1 = KerasBatchNorm(8)
            self.fc = nn.Linear(8, 14)
            self.bn2 = KerasBatchNorm(14)
            self.out = nn.Linear(14, 5)

        def forward(self, x):
            x = torch.relu(self.bn1(self.conv(x)))
            x = self.fc(x.mean(dim=(2, 3)))
            return self.out(torch.tanh(self.bn2(x)))

    net = keras_init(Net())
    return Port(net, loss=cross_entropy, optimizer=torch.optim.SGD(net.parameters(), lr=0.05))


right_port, faulty_port = ports(
    _port,
    lambda running, new, momentum: running.mul_(1 - momentum).add_(momentum * new),
    lambda running, new, momentum: running.mul_(momentum).add_((1 - momentum) * new),
)
