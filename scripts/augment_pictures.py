"""Draws the pictures of docs/augmentation.md.

    python scripts/augment_pictures.py

Each picture has a row of inputs, a row by Keras's ImageDataGenerator, a row by
`torch_impl.augment`, from the same seed, and a row of their difference; the greatest difference is
printed. Another picture shows what `keras_quirks=False` changes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from parity import load_data
from torch_impl.augment import ImageDataGenerator, KerasTransform

ROOT = Path(__file__).resolve().parents[1]
LABEL_WIDTH, GAP = 78, 4
ARTICLE = {
    "rotation_range": 10,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "shear_range": 0.1,
    "zoom_range": 0.1,
    "horizontal_flip": True,
}


def digits(n: int) -> np.ndarray:
    """(n, 28, 28, 1) float32 in [0, 255]."""
    return load_data("embedded", train=n, val=10, seed=42).x_train * 255


def card_of(height: int, width: int) -> np.ndarray:
    """(height, width, 3) float32 in [0, 255]: not square, a frame, a cross, and two gradients."""
    y, x = np.mgrid[:height, :width]
    card = np.stack([255 * x / width, 255 * y / height, 128 + 0 * x], axis=-1)
    card[(y // 6 + x // 6) % 2 == 0] *= 0.6
    card[(abs(y - height // 2) < 2) | (abs(x - width // 2) < 2)] = (255, 255, 255)
    card[(y < 2) | (y >= height - 2) | (x < 2) | (x >= width - 2)] = (255, 60, 60)
    return card.astype(np.float32)


def both(images: np.ndarray, seed: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """What Keras and the port make of images, from one seed."""
    # After torchvision, which torch_impl has loaded: the other order can crash.
    from tensorflow.keras.preprocessing.image import ImageDataGenerator as KerasGenerator

    np.random.seed(seed)
    theirs = KerasGenerator(**options).flow(images, shuffle=False, batch_size=len(images))[0]
    generator = ImageDataGenerator(**options, random_state=np.random.RandomState(seed))
    ours = generator.flow(images, shuffle=False, batch_size=len(images))[0].numpy()
    return theirs, ours


def sheet(rows: list[tuple[str, np.ndarray]], scale: int) -> Image.Image:
    """One row of images a label; images (N, H, W, C) in [0, 255], enlarged `scale` times."""
    n, height, width, _ = rows[0][1].shape
    height, width = height * scale, width * scale
    size = (LABEL_WIDTH + n * (width + GAP) + GAP, len(rows) * (height + GAP) + GAP)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for row, (label, images) in enumerate(rows):
        top = GAP + row * (height + GAP)
        draw.text((GAP, top + height // 2 - 6), label, fill="black")
        for column, image in enumerate(np.clip(images, 0, 255).astype(np.uint8)):
            tile = Image.fromarray(image if image.shape[2] == 3 else image[:, :, 0])
            tile = tile.resize((width, height), Image.Resampling.NEAREST)
            picture.paste(tile, (LABEL_WIDTH + GAP + column * (width + GAP), top))
    return picture


def compared(name: str, images: np.ndarray, theirs: np.ndarray, ours: np.ndarray) -> Image.Image:
    """Inputs, both outputs and their difference; prints the greatest."""
    difference = np.abs(theirs - ours)
    print(f"{name}: greatest difference {difference.max():g}")
    rows = [("input", images), ("Keras", theirs), ("PyTorch", ours)]
    return sheet([*rows, ("difference", difference)], scale=2)


def main(folder: Path) -> None:
    """Writes the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    images = digits(10)
    picture = compared("article", images, *both(images, 42, **ARTICLE))
    picture.save(folder / "article.png", optimize=True)

    card = card_of(36, 60)
    modes = {"nearest": {}, "constant": {"cval": 90.0}, "reflect": {}, "wrap": {}}
    common = {"rotation_range": 60, "zoom_range": (1.3, 1.6), "shear_range": 20}
    pairs = [both(card[None], 3, **common, fill_mode=m, **more) for m, more in modes.items()]
    pairs.append(both(card[None], 3, brightness_range=(0.4, 0.5)))
    pairs.append(both(card[None], 3, channel_shift_range=100.0))
    theirs, ours = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    inputs = np.repeat(card[None], len(pairs), axis=0)
    picture = compared("fill modes, brightness, channel shift", inputs, theirs, ours)
    picture.save(folder / "options.png", optimize=True)

    cases = [({"theta": 90.0}, "nearest"), ({"tx": 15.0}, "nearest"), ({"tx": 40.0}, "wrap")]
    cases += [({"brightness": 0.5}, "nearest"), ({"channel_shift_intensity": 60.0}, "nearest")]
    nchw = torch.from_numpy(card).permute(2, 0, 1)
    rows = []
    for quirks, label in ((True, "as Keras"), (False, "as promised")):
        moved = []
        for params, mode in cases:
            transform = KerasTransform(fill_mode=mode, keras_quirks=quirks)
            # Brightness on values in 0 ... 1, where Keras cuts them to whole numbers; a channel
            # shift of a dark image, whose own range Keras does not leave.
            unit = 255.0 if "brightness" in params else 1.0
            dark = 0.5 if "channel_shift_intensity" in params else 1.0
            given = dict(params)
            if not quirks and "tx" in given and mode == "nearest":
                given = {"ty": given["tx"]}  # height_shift_range moves rows
            moved.append(transform.transform(nchw * dark / unit, given) * unit)
        rows.append((label, torch.stack(moved).permute(0, 2, 3, 1).numpy()))
    sheet([("input", np.repeat(card[None], len(cases), axis=0)), *rows], scale=2).save(
        folder / "quirks.png", optimize=True
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    main(parser.parse_args().out)
