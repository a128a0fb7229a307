"""FitFlow: the batches that Keras's `fit` takes from a flow, in the order in which it draws them.

Source: keras 3.15 `trainers/data_adapters/py_dataset_adapter.py`, `trainers/epoch_iterator.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic

import torch

from torch_impl.augment.iterators import BatchIterator, BatchT_co
from torch_impl.seeds import KerasSeeds

_NUM_PEEKED = 2  # batches from which `fit` learns shapes and dtypes


class FitFlow(Generic[BatchT_co]):
    """The batches of `model.fit(flow)`; iterating once is one epoch.

    `fit` reads two batches to learn their shapes, which draws an order and two batches of
    parameters, and then restarts the iterator. In each epoch Python's `random` shuffles the order
    of the batches; after the epoch a new order of the samples is drawn.

    Args:
        flow: of an ImageDataGenerator that draws from `seeds.numpy`, its `random_state`.
        seeds: the generators of the program.
        shuffle: whether the order of the batches is shuffled, the argument of `fit`.
        evaluates: whether these are the batches of a validation: before each pass, Keras starts the
            iterator again, and so draws another order of the samples.

    Raises:
        ValueError: the generator draws from another random state.
    """

    def __init__(
        self,
        flow: BatchIterator[BatchT_co],
        seeds: KerasSeeds,
        *,
        shuffle: bool = True,
        evaluates: bool = False,
    ) -> None:
        if flow.generator.random_state is not seeds.numpy:
            raise ValueError(
                "the flow draws from a random state of its own: expected ImageDataGenerator("
                "random_state=seeds.numpy), which goes on as NumPy's global state does in Keras"
            )
        self.flow = flow
        self._seeds, self._shuffle, self._evaluates = seeds, shuffle, evaluates
        self._has_started = False

    def __len__(self) -> int:
        return len(self.flow)

    def __repr__(self) -> str:
        order = "shuffled batches" if self._shuffle else "batches in their order"
        return f"FitFlow({self.flow!r}, {order})"

    def __iter__(self) -> Iterator[BatchT_co]:
        for number in self.begin():
            yield self.flow[number]
        self.end()

    def begin(self) -> list[int]:
        """Begins an epoch; returns the numbers of the batches in the order in which they come."""
        is_first, self._has_started = not self._has_started, True
        if is_first:
            for number in range(min(_NUM_PEEKED, len(self.flow))):
                self.flow[number]
        if is_first or self._evaluates:
            self.flow.on_epoch_end()
        numbers = list(range(len(self.flow)))
        if self._shuffle:
            self._seeds.python.shuffle(numbers)
        return numbers

    def end(self) -> None:
        """Ends an epoch: draws the order of the samples of the next one."""
        self.flow.on_epoch_end()

    def state_dict(self) -> dict[str, Any]:
        """Returns what goes on at the end of an epoch; the generators have states of their own."""
        order = self.flow.order
        return {
            "has_started": self._has_started,
            "order": None if order is None else order.tolist(),
            "total_batches_seen": self.flow.total_batches_seen,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to the state of a checkpoint."""
        self._has_started = state["has_started"]
        self.flow.order = None if state["order"] is None else torch.tensor(state["order"])
        self.flow.total_batches_seen = state["total_batches_seen"]
