"""The network of all ports, and what it does with images in front of its convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.held_out.late import Late
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, torch

v2, functional = Late("torchvision.transforms.v2"), Late("torchvision.transforms.v2.functional")
InterpolationMode = Late("torchvision.transforms", "InterpolationMode")
Change = Callable[[Any], Any]


def bilinear() -> Any:
    """Returns torchvision's word for it."""
    return InterpolationMode.BILINEAR


def network(
    augment: Any = None,
    *,
    before: Change = lambda x: x,
    behind: Change = lambda x: x / 255.0,
    always: bool = False,
    channels: int = 3,
) -> Any:
    """Returns a network that changes images in training, scales them, and classifies them.

    Args:
        augment: changes a batch, a module or a function; None: nothing.
        before: is applied in front of it.
        behind: is applied behind it.
        always: whether images are changed in eval mode, too.
        channels: of the images.
    """

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.augment = augment
            self.features = nn.Conv2d(channels, 4, 3)
            self.classes = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            x = before(x)
            if augment is not None and (self.training or always):
                x = self.augment(x)
            x = F.relu(self.features(behind(x)))
            return self.classes(x.mean((2, 3)))

    return keras_init(Net())


def port(augment: Any = None, *, given: Any = None, **options: Any) -> Any:
    """Returns a port of this network; `given` is the transform of its DataLoader."""
    net = network(augment, **options)
    optimizer = optim.Adam(net.parameters(), learning_rate=1e-3)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer, augment=given)


def each(change: Change) -> Change:
    """Returns a function that changes every image of a batch by itself."""
    return lambda x: torch.stack([change(image) for image in x])


def number(low: float, high: float) -> float:
    """Draws a number between two bounds."""
    return float(torch.empty(()).uniform_(low, high))


def moved(image: Any, **given: Any) -> Any:
    """Moves an image by torchvision, with Keras's interpolation."""
    plain = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    return functional.affine(image, interpolation=bilinear(), **{**plain, **given})
