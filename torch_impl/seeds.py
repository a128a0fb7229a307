"""KerasSeeds: all random numbers that `keras.utils.set_random_seed(seed)` fixes, in Keras's order.

The call seeds three generators, and a Keras program draws from them at known moments:

1. Python's `random`: one integer for each initialiser and each Dropout layer, when the layer is
   constructed; later, in `fit(PyDataset)`, the order of the batches of each epoch.
2. NumPy's global MT19937: the order of the samples in `ImageDataGenerator.flow` and its parameters.
3. TensorFlow's global seed: the order of the samples in `fit(x, y)`.

Source: keras 3.15 `utils/rng_utils.py`, `random/seed_generator.py`,
`legacy/preprocessing/image.py`, `trainers/data_adapters`; tensorflow 2.21
`framework/random_seed.py`, `kernels/random_ops_util.h`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from torch_impl.philox import philox4x32

_INT32_MAX = 2**31 - 1


class KerasSeeds:
    """The three generators behind one seed.

    Args:
        seed: the integer given to `keras.utils.set_random_seed`, in [0, 2**32 - 1].

    Attributes:
        python: replaces the module `random`.
        numpy: replaces the global state of `numpy.random`.
    """

    def __init__(self, seed: int) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
            raise ValueError(f"seed={seed!r}: expected an integer in [0, 2**32 - 1]")
        self.seed = seed
        self.python = random.Random(seed)
        self.numpy = np.random.RandomState(seed)

    def next_layer_seed(self) -> int:
        """Draws the seed of the next initialiser or Dropout layer (`make_default_seed`)."""
        return self.python.randint(1, 10**9)

    def fit_order(self, n: int) -> torch.Tensor:
        """Returns the order in which `model.fit(x, y, shuffle=True)` feeds `n` samples.

        It is `tf.random.shuffle` with the global seed alone: a Fisher-Yates pass over Philox words,
        and the same permutation in every epoch.

        Args:
            n: number of samples, at least 1.

        Returns:
            (n,) int64, a permutation of 0 ... n-1.

        Raises:
            ValueError: n is below 1.
        """
        if n < 1:
            raise ValueError(f"n={n!r}: expected a number of samples of at least 1")
        # TensorFlow takes the seed modulo 2**31 - 1, and replaces the pair (0, 0).
        key = self.seed % _INT32_MAX
        blocks = torch.arange(n // 4 + 1, dtype=torch.int64)
        words = philox4x32((blocks, 0, 0 if key else _INT32_MAX, 0), (key, 0))
        draws = (torch.stack(words, dim=1).reshape(-1) & 0xFFFFFFFF).tolist()  # type: ignore[arg-type]
        order = list(range(n))
        for i in range(n - 1):
            k = i + draws[i] % (n - i)
            order[i], order[k] = order[k], order[i]
        return torch.tensor(order)

    def state_dict(self) -> dict[str, Any]:
        """Returns the seed and the states of the generators as plain values, for a checkpoint."""
        numpy = self.numpy.get_state(legacy=False)
        numpy["state"]["key"] = numpy["state"]["key"].tolist()
        return {"seed": self.seed, "python": self.python.getstate(), "numpy": numpy}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to the state of a checkpoint."""
        self.seed = state["seed"]
        version, numbers, gauss = state["python"]
        self.python.setstate((version, tuple(numbers), gauss))
        numpy = dict(state["numpy"])
        numpy["state"] = {**numpy["state"], "key": np.array(numpy["state"]["key"], np.uint32)}
        self.numpy.set_state(numpy)
