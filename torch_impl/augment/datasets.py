"""Augmented samples as a Dataset, as `tf.data` maps and shuffles them, and as `fit` takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic

import torch
from torch import nn
from torch.utils.data import Dataset, get_worker_info

from torch_impl.augment.iterators import BatchIterator, BatchT_co, is_count
from torch_impl.layers.image.random_layer import RandomImageLayer
from torch_impl.philox import philox4x32
from torch_impl.seeds import KerasSeeds

# --- The order of `tf.data.Dataset.shuffle(buffer_size, seed)`, epoch by epoch --------------------
#
# A buffer holds the next elements of the dataset. Each draw takes one of them, and the first of the
# buffer moves into its place. Two words of the dataset's own Philox stream are the seed of an
# epoch; that stream has the global seed as its key and the seed of the shuffle in its counter.
#
# Sources: tensorflow 2.21 `core/kernels/data/shuffle_dataset_op.cc`, `core/data/dataset_utils.h`,
# `core/kernels/data/random_seed_ops.cc`, `python/framework/random_seed.py`.


_NO_GLOBAL_SEED = 87654321  # TensorFlow's, where none was set
_INT32_MAX = 2**31 - 1
_MASK = 2**32 - 1


def epoch_orders(
    n: int, buffer_size: int, seed: int, global_seed: int | None = None
) -> Iterator[list[int]]:
    """Yields the order of each epoch, without end.

    Args:
        n: number of elements.
        buffer_size: of the shuffle, at least 1.
        seed: of the shuffle.
        global_seed: what `tf.random.set_seed` set before the dataset was made; None: nothing.
    """
    first = (_NO_GLOBAL_SEED if global_seed is None else global_seed) % _INT32_MAX
    second = seed % _INT32_MAX
    if first == second == 0:
        second = _INT32_MAX
    epoch = 0
    while True:
        words = _words((first, second), 2 * epoch + 2)
        yield _order(n, buffer_size, (words[-2], words[-1]))
        epoch += 1


def _order(n: int, buffer_size: int, seeds: tuple[int, int]) -> list[int]:
    draws = _words(seeds, n)
    places = list(range(buffer_size))
    order = []
    for start in range(n):
        # The buffer holds elements from `start` on; place i of it is i modulo its size.
        num_buffered = min(buffer_size, n - start)
        if start:
            places[(start - 1) % buffer_size] = start - 1 + buffer_size
        chosen = (start + draws[start] % num_buffered) % buffer_size
        order.append(places[chosen])
        places[chosen] = places[start % buffer_size]
    return order


def _words(seeds: tuple[int, int], count: int) -> list[int]:
    """Returns the first 32-bit words of `PhiloxRandom(*seeds)`."""
    key = (seeds[0] & _MASK, seeds[0] >> 32)
    blocks = torch.arange(-(-count // 4), dtype=torch.int64)
    words = philox4x32((blocks, 0, seeds[1] & _MASK, seeds[1] >> 32), key)
    stacked = torch.stack(words, dim=1).reshape(-1)[:count]  # type: ignore[arg-type]
    numbers: list[int] = (stacked & _MASK).tolist()
    return numbers


# --- Augmented samples as a Dataset, for a DataLoader with its own order and worker processes -----


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


# --- MappedBatches: batches of arrays whose images go through layers, as `tf.data` maps them ------


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


# --------------------------------------------------------------------------------------------------
#
# FitFlow: the batches that Keras's `fit` takes from a flow, in the order in which it draws them.
#
# Source: keras 3.15 `trainers/data_adapters/py_dataset_adapter.py`, `trainers/epoch_iterator.py`.


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
