"""DrawnFlow: what a port with Keras's seeds draws of a flow by itself, batch by batch.

seeds of the port -> FitFlow -> samples and parameters of the images -> images of the port
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from parity.data.augmented import put_draws
from parity.traces.trace import TraceWriter
from torch_impl.augment import FitFlow, ImageDataGenerator, Parameters
from torch_impl.augment.layout import from_channels_first, to_channels_first
from torch_impl.seeds import KerasSeeds


class Drawn(NamedTuple):
    """One batch.

    Attributes:
        samples: (N,) int64, their numbers.
        params: (N,) each, the parameters of their images.
        images: (N, C, H, W) as the port augments them.
    """

    samples: torch.Tensor
    params: Parameters
    images: torch.Tensor


def draws_itself(augment: Any, seeds: KerasSeeds | None) -> bool:
    """Whether a port draws what is fed to it: an ImageDataGenerator has the state of its seeds."""
    is_generator = isinstance(augment, ImageDataGenerator)
    return is_generator and seeds is not None and augment.random_state is seeds.numpy


class DrawnFlow:
    """Draws the batches of a training, each once and in order.

    Args:
        images: (N, C, H, W) of the flow.
        settings: batch_size, shuffle and seed of the flow.
        augment: the generator of the port.
        seeds: of the port, after its network was built.
        shuffle: whether `fit` shuffles the order of the batches.
    """

    def __init__(
        self,
        images: torch.Tensor,
        settings: Mapping[str, Any],
        augment: ImageDataGenerator,
        seeds: KerasSeeds,
        *,
        shuffle: bool,
    ) -> None:
        self._format = augment.data_format
        given = from_channels_first(images, self._format)
        self._flow = augment.flow(given, **settings)
        self._fed = FitFlow(self._flow, seeds, shuffle=shuffle)
        self._batches = self._epochs()
        self._drawn: list[tuple[np.ndarray, Parameters]] = []

    def next(self) -> Drawn:
        """Draws the next batch."""
        drawn = next(self._batches)
        self._drawn.append((drawn.samples.numpy(), drawn.params))
        return drawn

    def write(self, writer: TraceWriter) -> None:
        """Writes what was drawn, as the Keras half does."""
        sizes = np.array([len(samples) for samples, _ in self._drawn], np.int64)
        index = np.concatenate([np.zeros(0, np.int64), *(samples for samples, _ in self._drawn)])
        names = self._drawn[0][1] if self._drawn else ()
        drawn = {n: np.concatenate([params[n] for _, params in self._drawn]) for n in names}
        put_draws(writer, sizes, index, drawn)

    def _epochs(self) -> Iterator[Drawn]:
        while True:
            for number in self._fed.begin():
                images = to_channels_first(self._flow[number], self._format)
                assert self._flow.params is not None
                yield Drawn(self._flow.indices(number), self._flow.params, images)
            self._fed.end()
