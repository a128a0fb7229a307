"""MappedBatches: batches of arrays whose images go through layers, as `tf.data` maps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.augment.iterators import is_count
from torch_impl.layers.image.random_layer import RandomImageLayer

# A module gets the images alone, a function all parts of a sample or batch, and returns them.
Map = nn.Module | Callable[..., tuple[Any, ...]]


class MappedBatches:
    """The batches of `Dataset.from_tensor_slices((x, y)).batch(...).map(...)`; a loop is an epoch.

    Modules are in train mode, and draw with each call, as `layer(x, training=True)` does in Keras:
    with the same seeds, the numbers are those of a map in one thread.

    Args:
        parts: images (N, C, H, W), labels and weights, as tensors or arrays; None is left out.
        maps: applied to each batch, in order.
        batch_size: samples in a batch; the last batch may be smaller.
        sample_maps: likewise, applied to each sample before the batch is made.
        shuffle: whether torch draws an order for each epoch.
        drop_remainder: whether a smaller last batch is left out.

    Raises:
        ValueError: the parts have different lengths, or the batch size is below 1.
    """

    def __init__(
        self,
        parts: Sequence[Any],
        maps: Sequence[Map],
        batch_size: int = 32,
        *,
        sample_maps: Sequence[Map] = (),
        shuffle: bool = False,
        drop_remainder: bool = False,
    ) -> None:
        self._parts = [_real(torch.as_tensor(part)) for part in parts if part is not None]
        lengths = [len(part) for part in self._parts]
        if len(set(lengths)) != 1:
            raise ValueError(f"parts of {lengths} samples: expected the same number in all")
        if not is_count(batch_size):
            raise ValueError(f"batch_size={batch_size!r}: expected an integer of at least 1")
        self._maps, self._sample_maps = maps, sample_maps
        self._batch_size, self._shuffle, self._drops = batch_size, shuffle, drop_remainder
        for module in (m for each in (*maps, *sample_maps) for m in _modules(each)):
            module.train()
            if isinstance(module, RandomImageLayer):
                module.in_graph = False  # tf.data does not multiply constants before it runs

    def __len__(self) -> int:
        whole, rest = divmod(len(self._parts[0]), self._batch_size)
        return whole + bool(rest and not self._drops)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        number = len(self._parts[0])
        order = torch.randperm(number) if self._shuffle else torch.arange(number)
        for number, index in enumerate(order.split(self._batch_size)):
            batch = self._batched(index)  # of one that is left out, samples are mapped, too
            if number < len(self):
                yield _mapped(batch, self._maps)

    def _batched(self, index: torch.Tensor) -> tuple[Any, ...]:
        if not self._sample_maps:
            return tuple(part[index] for part in self._parts)
        samples = ([part[i : i + 1] for part in self._parts] for i in index)
        rows = [_mapped(sample, self._sample_maps) for sample in samples]
        return tuple(torch.cat(column) for column in zip(*rows, strict=True))


@torch.no_grad()
def _mapped(parts: Sequence[Any], maps: Sequence[Map]) -> tuple[Any, ...]:
    for each in maps:
        parts = (each(parts[0]), *parts[1:]) if isinstance(each, nn.Module) else each(*parts)
    return tuple(parts)


def _modules(given: Map) -> Iterator[nn.Module]:
    return given.modules() if isinstance(given, nn.Module) else iter(())


def _real(tensor: torch.Tensor) -> torch.Tensor:
    """Returns real numbers in torch's default dtype."""
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor
