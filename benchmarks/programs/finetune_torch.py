"""Fine-tuning in PyTorch: the stem is frozen, and the rate follows a cosine over the steps."""

from torch import nn
from torch.nn import functional as F

from torch_impl import Port
from torch_impl.layers import BatchNormalization, Conv2D
from torch_impl.optim import Adam
from torch_impl.schedule import CosineDecay, EarlyStopping


class FineTuned(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem_conv = nn.Conv2d(2, 8, 3, padding=1, bias=False)
        self.stem_bn = BatchNormalization(8, trainable=False)
        self.conv1 = Conv2D(8, 10, 3, strides=2, padding="same", use_bias=False)
        self.bn1 = BatchNormalization(10, momentum=0.9)
        self.conv2 = nn.Conv2d(10, 10, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.head = nn.Linear(10, 5)
        for parameter in [*self.stem_conv.parameters(), *self.stem_bn.parameters()]:
            parameter.requires_grad_(False)

    def forward(self, x):
        x = F.relu(self.stem_bn(self.stem_conv(x)))
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.conv2(x))
        return self.head(self.dropout(x.mean((2, 3))))


def initialise(net):
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def loss(output, target, sample_weight=None):
    """Crossentropy with smoothed labels; the mean divides by the number of samples."""
    values = F.cross_entropy(output, target.to(output.dtype), label_smoothing=0.1, reduction="none")
    if sample_weight is not None:
        values = values * sample_weight
    return values.mean()


def cosine():
    return CosineDecay(0.01, decay_steps=280, alpha=0.05)


def build(learning_rate=None):
    net = FineTuned()
    initialise(net)
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    return Port(
        net,
        loss=loss,
        optimizer=Adam(trained, learning_rate=learning_rate or cosine()),
        early_stopping=EarlyStopping(
            net, monitor="val_accuracy", mode="max", patience=10, restore_best_weights=True
        ),
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
