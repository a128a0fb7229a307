"""Wrong ports, each with one mistake that people make."""

from __future__ import annotations

from typing import Any

from benchmarks.held_out.late import Late
from benchmarks.held_out.torch_side import nn
from benchmarks.image_cases.nets import bilinear, each, moved, number, port, v2

kl = Late("torch_impl.layers")
_BLACK = {"fill_mode": "constant"}


def flipped_vertically() -> Any:
    """Top and bottom are exchanged instead."""
    return port(v2.RandomVerticalFlip())


def flipped_always() -> Any:
    """Every image is flipped."""
    return port(lambda x: x.flip(-1))


def flipped_in_eval() -> Any:
    """In eval mode, too."""
    return port(v2.RandomHorizontalFlip(), always=True)


def flipped_other_axis() -> Any:
    """The axis of the height of (N, C, H, W), in a layer that draws Keras's numbers."""
    return port(kl.RandomFlip("vertical"))


def turned_by_degrees() -> Any:
    """The factor of Keras is taken as degrees."""
    turn = v2.RandomRotation(0.1, interpolation=bilinear())
    return port(v2.Compose([v2.RandomHorizontalFlip(), turn]))


def turned_by_half() -> Any:
    """The factor is taken as a share of half a turn."""
    turn = v2.RandomRotation(18, interpolation=bilinear())
    return port(v2.Compose([v2.RandomHorizontalFlip(), turn]))


def turned_without_flip() -> Any:
    """The flip is forgotten."""
    return port(v2.RandomRotation(36, interpolation=bilinear()))


def turned_nearest() -> Any:
    """Torchvision's default interpolation."""
    return port(v2.Compose([v2.RandomHorizontalFlip(), v2.RandomRotation(36)]))


def turned_on_black() -> Any:
    """Torchvision's black outside, where Keras reflects the image."""

    def turned(image: Any) -> Any:
        return moved(image, angle=number(-36, 36), scale=1 / number(0.8, 1.2))

    return port(v2.Compose([v2.RandomHorizontalFlip(), v2.Lambda(each(turned))]))


def turned_in_loader() -> Any:
    """The wrong unit in the DataLoader."""
    turn = v2.RandomRotation(0.1, interpolation=bilinear())
    return port(given=v2.Compose([v2.RandomHorizontalFlip(), turn]))


def turned_reflected() -> Any:
    """Keras's default outside of the image, in a model that fills with black."""
    return port(nn.Sequential(kl.RandomFlip("horizontal"), kl.RandomRotation(0.1)))


def shifted_exchanged() -> Any:
    """Height and width are exchanged."""
    move = v2.RandomAffine(0, translate=(0.1, 0.2), interpolation=bilinear())
    return port(move, channels=1)


def zoomed_less() -> Any:
    """A third of the range."""
    return port(each(lambda image: moved(image, scale=1 / number(0.9, 1.1))))


def lit_jitter() -> Any:
    """Torchvision's rule, which multiplies, on pixels that it takes to end at 1."""
    return port(v2.ColorJitter(brightness=0.2, contrast=0.4))


def lit_behind() -> Any:
    """Behind the scaling, with the range of pixels in front of it."""
    parts = kl.RandomBrightness(0.2), kl.RandomContrast(0.4)
    return port(nn.Sequential(*parts), before=lambda x: x / 255.0, behind=lambda x: x)


def lit_without_contrast() -> Any:
    """Brightness alone."""
    return port(kl.RandomBrightness(0.2))


def signed_behind() -> Any:
    """Behind the scaling, where 0 is grey."""
    turn = v2.RandomRotation(36, interpolation=bilinear())
    return port(turn, before=lambda x: x / 127.5 - 1, behind=lambda x: x)


def piped_in_eval() -> Any:
    """`self.augment(x)` without a condition."""
    move = v2.RandomAffine(0, translate=(0.2, 0.1), interpolation=bilinear())
    return port(v2.Compose([v2.RandomVerticalFlip(), move]), always=True)


def piped_without_move() -> Any:
    """The shift is forgotten."""
    return port(v2.RandomVerticalFlip())


def cropped_in_the_middle() -> Any:
    """The middle of each image, in training, too."""
    return port(kl.CenterCrop(18, 16), always=True)
