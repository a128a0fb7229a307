"""Right ports, in the styles in which people write them."""

from __future__ import annotations

from typing import Any

from benchmarks.held_out.late import Late
from benchmarks.held_out.torch_side import nn, torch
from benchmarks.image_cases.keras_side import SIZE
from benchmarks.image_cases.nets import bilinear, each, moved, number, port, v2

kl = Late("torch_impl.layers")
_BLACK = {"fill_mode": "constant"}


def flipped_torchvision() -> Any:
    """A transform of torchvision, once for a batch."""
    return port(v2.RandomHorizontalFlip())


def flipped_each() -> Any:
    """A number for each image, and `torch.where`."""

    def flip(x: Any) -> Any:
        is_flipped = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
        return torch.where(is_flipped, x.flip(-1), x)

    return port(flip)


def flipped_function() -> Any:
    """`torch.flip` behind a random number."""
    return port(lambda x: torch.flip(x, [3]) if torch.rand(()) < 0.5 else x)


def flipped_library() -> Any:
    """The layer of torch_impl, which draws Keras's numbers."""
    return port(kl.RandomFlip("horizontal"))


def flipped_loader() -> Any:
    """In the DataLoader, whose transform is given."""
    return port(given=v2.RandomHorizontalFlip())


def turned_library() -> Any:
    """The layers of torch_impl."""
    parts = kl.RandomFlip("horizontal"), kl.RandomRotation(0.1), kl.RandomZoom(0.2)
    return port(nn.Sequential(*parts))


def turned_on_black_torchvision() -> Any:
    """A `Compose` of torchvision, in degrees."""
    turn = v2.RandomRotation(36, interpolation=bilinear())
    return port(v2.Compose([v2.RandomHorizontalFlip(), turn]))


def turned_on_black_loader() -> Any:
    """The same in the DataLoader."""
    turn = v2.RandomRotation(36, interpolation=bilinear())
    return port(given=v2.Compose([turn, v2.RandomHorizontalFlip()]))


def turned_on_black_each() -> Any:
    """Each image by itself, by functions."""
    turned = each(lambda image: moved(image, angle=number(-36, 36)))
    return port(lambda x: turned(x.flip(-1) if torch.rand(()) < 0.5 else x))


def shifted_torchvision() -> Any:
    """Shares of the width come first; the images are scaled before."""
    move = v2.RandomAffine(0, translate=(0.2, 0.1), interpolation=bilinear())
    return port(move, before=lambda x: x / 255.0, behind=lambda x: x, channels=1)


def shifted_library() -> Any:
    """The layer of torch_impl, in front of the scaling: black is black on both sides."""
    return port(kl.RandomTranslation(0.1, 0.2, **_BLACK), channels=1)


def zoomed_each() -> Any:
    """By the reciprocal of a number, since torchvision makes images larger."""
    return port(each(lambda image: moved(image, scale=1 / number(0.7, 1.3))))


def lit_by_hand() -> Any:
    """Keras's rules, written down."""

    def light(x: Any) -> Any:
        x = (x + 255 * x.new_empty(len(x), 1, 1, 1).uniform_(-0.2, 0.2)).clamp(0, 255)
        mean = x.mean((2, 3), keepdim=True)
        return ((x - mean) * x.new_empty(len(x), 1, 1, 1).uniform_(1.0, 1.4) + mean).clamp(0, 255)

    return port(light)


def lit_library() -> Any:
    """The layers of torch_impl."""
    return port(nn.Sequential(kl.RandomBrightness(0.2), kl.RandomContrast(0.4)))


def lit_library_behind() -> Any:
    """The same behind the scaling, with the range of pixels there."""
    parts = kl.RandomBrightness(0.2, (0, 1)), kl.RandomContrast(0.4, (0, 1))
    return port(nn.Sequential(*parts), before=lambda x: x / 255.0, behind=lambda x: x)


def signed_torchvision() -> Any:
    """In front of the scaling, as in Keras."""
    turn = v2.RandomRotation(36, interpolation=bilinear())
    return port(turn, behind=lambda x: x / 127.5 - 1)


def signed_filled() -> Any:
    """Behind it, filled with what black is there."""
    turn = kl.RandomRotation(0.1, fill_value=-1.0, **_BLACK)
    return port(turn, before=lambda x: x / 127.5 - 1, behind=lambda x: x)


def piped_library() -> Any:
    """The layers of torch_impl, one after the other."""
    parts = kl.RandomFlip("vertical"), kl.RandomTranslation(0.1, 0.2, **_BLACK)
    return port(nn.Sequential(*parts))


def piped_torchvision() -> Any:
    """A `Compose`."""
    move = v2.RandomAffine(0, translate=(0.2, 0.1), interpolation=bilinear())
    return port(v2.Compose([v2.RandomVerticalFlip(), move]))


def cropped_library() -> Any:
    """The layer of torch_impl, which knows by itself when to crop."""
    return port(kl.RandomCrop(18, 16), always=True)


def cropped_by_hand() -> Any:
    """A slice at random; in eval mode Keras leaves images as they are."""

    def crop(x: Any) -> Any:
        top = int(torch.randint(SIZE[0] - 18 + 1, ()))
        left = int(torch.randint(SIZE[1] - 16 + 1, ()))
        return x[:, :, top : top + 18, left : left + 16]

    return port(crop)
