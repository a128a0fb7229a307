"""The order of `tf.data.Dataset.shuffle(buffer_size, seed)`, epoch by epoch.

A buffer holds the next elements of the dataset. Each draw takes one of them, and the first of the
buffer moves into its place. Two words of the dataset's own Philox stream are the seed of an epoch;
that stream has the global seed as its key and the seed of the shuffle in its counter.

Sources: tensorflow 2.21 `core/kernels/data/shuffle_dataset_op.cc`, `core/data/dataset_utils.h`,
`core/kernels/data/random_seed_ops.cc`, `python/framework/random_seed.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from torch_impl.philox import philox4x32

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
        held = min(buffer_size, n - start)
        if start:
            places[(start - 1) % buffer_size] = start - 1 + buffer_size
        chosen = (start + draws[start] % held) % buffer_size
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
