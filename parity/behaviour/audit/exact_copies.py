"""Finds images that are the same bit for bit, with the same label or with another one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from parity.files.ranges import AtLeast0, Fraction, length

MAX_PAIRS = 5


@dataclass(frozen=True)
class Copies:
    """Images of a part that occur in training too.

    Attributes:
        count: number of such images.
        fraction: fraction of all images of the part.
        num_other_label: number of those with another label in training.
        pairs: up to five (index in the part, index in training), other labels first.
    """

    count: AtLeast0
    fraction: Fraction
    num_other_label: AtLeast0
    pairs: Annotated[tuple[tuple[AtLeast0, AtLeast0], ...], length(0, MAX_PAIRS)]


class Originals:
    """The distinct images of training, by their content.

    Args:
        images: (N, H, W, C).
        labels: int64 (N,).
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        # Of each content, and of each label that it has: where it occurs first.
        self._places: dict[bytes, dict[int, int]] = {}
        for index, (digest, label) in enumerate(
            zip(_digests(images), labels.tolist(), strict=True)
        ):
            self._places.setdefault(digest, {}).setdefault(label, index)

    @property
    def index(self) -> np.ndarray:
        """The first image of each content."""
        return np.array([min(places.values()) for places in self._places.values()])

    def contain(self, images: np.ndarray) -> np.ndarray:
        """Returns whether each image is one of them."""
        return np.array([digest in self._places for digest in _digests(images)])

    def copies(
        self, images: np.ndarray, labels: np.ndarray, *, is_training: bool = False
    ) -> Copies:
        """Searches the images of a part. Blank images do not count: they may not be copies.

        Args:
            images: (M, H, W, C).
            labels: int64 (M,).
            is_training: whether they are the training images themselves; the first image of each
                content is then not a copy.
        """
        same, other = [], []
        rows = zip(_digests(images), labels.tolist(), are_blank(images).tolist(), strict=True)
        for index, (digest, label, is_blank) in enumerate(rows):
            places = self._places.get(digest)
            if places is None or is_blank:
                continue
            first = min(places.values())
            if is_training and first == index:
                continue
            contradicting = [place for key, place in places.items() if key != label]
            if contradicting:
                other.append((index, min(contradicting)))
            else:
                same.append((index, first))
        count = len(same) + len(other)
        return Copies(count, count / len(images), len(other), tuple((other + same)[:MAX_PAIRS]))


def are_blank(images: np.ndarray) -> np.ndarray:
    """Returns whether each image has one value in all pixels and channels."""
    rows = images.reshape(len(images), -1)
    blank: np.ndarray = rows.min(axis=1) == rows.max(axis=1)
    return blank


def _digests(images: np.ndarray) -> list[bytes]:
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    return [hashlib.blake2b(row.data, digest_size=16).digest() for row in rows]
