"""TimedFlow: a flow of ImageDataGenerator as a timed port is fed it, augmented anew in every pass.

    images and arguments of Keras's flow -> order and parameters, drawn now -> augmented images

The images are made as in a whole training: by the port, if it augments by itself, otherwise by
`torch_impl.augment`. The draws are those of another seed, since no pass is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from parity.halves.torch.program.augmentation import RANGES, augmented
from parity.halves.torch.program.drawn_flow import DrawnFlow, draws_itself
from parity.halves.torch.program.flow_batches import FlowBatches, in_keras_layout
from torch_impl.augment.parameters import ParameterSampler
from torch_impl.port import Port

DTYPE = "float32"


class TimedFlow:
    """Batches (x, y) or (x, y, weight) of arrays in Keras's layout; one pass is an epoch.

    Args:
        told: what Keras told of the flow: its arrays.
        settings: arguments of the generator and of the flow.
        port: may augment by itself, and draw by itself.
        samples: number of samples in a pass, the first ones.
        batch_size: samples in a batch; the last batch may be smaller.
        shuffle: the argument of Keras's `fit`.
    """

    def __init__(
        self,
        told: Mapping[str, Any],
        settings: Mapping[str, Any],
        port: Port,
        *,
        samples: int,
        batch_size: int,
        shuffle: bool,
    ) -> None:
        x = told["x"][:samples]
        self._flow = FlowBatches({**told, "x": x}, {**settings, "dtype": DTYPE})
        self._images = torch.from_numpy(x.astype(DTYPE)).permute(0, 3, 1, 2)
        self._misc = [array[:samples] for array in told["misc"]]
        self._labels = [told[n][:samples] for n in ("y", "weight") if told[n] is not None]
        self._batch_size, self._is_shuffled = batch_size, bool(settings["flow"]["shuffle"])
        self._augment, self._draw = port.augment, np.random.RandomState(settings["flow"]["seed"])
        arguments = {name: settings["arguments"][name] for name in RANGES}
        self._sampler = ParameterSampler(**arguments, random_state=self._draw)
        self._drawn: DrawnFlow | None = None
        if draws_itself(port.augment, port.seeds):
            assert port.seeds is not None
            own = {**settings["flow"], "batch_size": batch_size}
            self._drawn = DrawnFlow(self._images, own, port.augment, port.seeds, shuffle=shuffle)

    def __len__(self) -> int:
        return -(-len(self._images) // self._batch_size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        number = len(self._images)
        order = self._draw.permutation(number) if self._is_shuffled else np.arange(number)
        for start in range(0, number, self._batch_size):
            index, x = self._batch(order[start : start + self._batch_size])
            misc = [array[index] for array in self._misc]
            yield ([x, *misc] if misc else x, *(array[index] for array in self._labels))

    def _batch(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the numbers of the samples of a batch, and their augmented images."""
        if self._drawn is not None:
            drawn = self._drawn.next()
            return drawn.samples.numpy(), in_keras_layout(drawn.images)
        chosen = torch.from_numpy(index)
        params = self._sampler.draw(len(index), *self._images.shape[2:])
        if self._augment is None:
            return index, self._flow.images(chosen, params)
        return index, in_keras_layout(augmented(self._augment, self._images[chosen], params))
