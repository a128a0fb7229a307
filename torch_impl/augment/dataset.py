"""Augmented samples as a Dataset, for a DataLoader with its own order and worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, get_worker_info

from torch_impl.augment.iterators import BatchIterator, BatchT_co


class AugmentedDataset(Dataset[BatchT_co]):
    """The samples of an iterator by their number, augmented anew at every access.

    `DataLoader(dataset, batch_size=32, shuffle=True, num_workers=4)` takes it as it is. It is
    faster to pass the numbers of a whole batch, which is then augmented at once:
    `DataLoader(dataset, batch_size=None, sampler=BatchSampler(RandomSampler(dataset), 32, False))`.

    The DataLoader decides the order, so a run no longer follows Keras's stream. Every worker
    process draws from its own generator, which the DataLoader seeds, so that no two workers repeat
    each other. A process in which TensorFlow has run should not fork workers, since a worker that
    collects TensorFlow's garbage crashes: pass `multiprocessing_context="forkserver"`.

    Args:
        iterator: what `flow` or `flow_from_directory` returned; its order and batch size are not
            used.
    """

    def __init__(self, iterator: BatchIterator[BatchT_co]) -> None:
        self._iterator = iterator
        self._worker_seed: int | None = None

    def __len__(self) -> int:
        return self._iterator.n

    def __repr__(self) -> str:
        return f"AugmentedDataset({len(self)} samples of {self._iterator!r})"

    def __getitem__(self, index: int | Sequence[int] | torch.Tensor) -> BatchT_co:
        """Returns one sample, or a batch for several numbers."""
        self._seed_worker()
        numbers = torch.as_tensor(index)
        flat = numbers.reshape(-1)
        if flat.numel() and not -len(self) <= int(flat.min()) <= int(flat.max()) < len(self):
            raise IndexError(f"sample {index}: expected 0 to {len(self) - 1}")
        batch = self._iterator.batch_of(flat % len(self))
        if numbers.ndim:
            return batch
        sample: BatchT_co = _first(batch)
        return sample

    def _seed_worker(self) -> None:
        worker = get_worker_info()
        if worker is not None and worker.seed != self._worker_seed:
            self._worker_seed = worker.seed
            self._iterator.generator.random_state.seed(worker.seed % 2**32)


def _first(batch: Any) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch[0]
    return type(batch)(_first(part) for part in batch)
