"""Its port, with the layers of torch_impl, and one with transforms of torchvision."""

from torch import nn
from torchvision.transforms import v2

from torch_impl import Port, layers, optim


def _port(*augmentation):
    net = nn.Sequential(
        *augmentation,
        layers.Rescaling(1 / 255),
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    for weight in net.parameters():
        nn.init.xavier_uniform_(weight) if weight.ndim > 1 else nn.init.zeros_(weight)
    optimizer = optim.Adam(net.parameters(), learning_rate=1e-3)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer, metrics=["accuracy"])


def _augmentation(direction):
    return (
        layers.RandomFlip(direction),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.2),
        layers.RandomContrast(0.4),
        layers.RandomTranslation((0.0, 0.2), 0.1),
        layers.RandomBrightness((0.0, 0.3)),
    )


def build():
    return _port(*_augmentation("horizontal"))


def flipped_otherwise():
    return _port(*_augmentation("vertical"))


def by_torchvision():
    return _port(v2.RandomHorizontalFlip())
