"""What the layers that change images at random share: the stream of numbers, and their arguments.

Keras's DynamicBackend gives a layer the same SeedGenerator inside `tf.data` as in a model, since
both are TensorFlow's: the n-th call has the same numbers in both. A dataset that maps in parallel
draws in the order in which its threads come, which is not fixed.

Sources: keras 3.15 `layers/preprocessing/image_preprocessing/base_image_preprocessing_layer.py`,
`random/seed_generator.py`, `backend/tensorflow/random.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from torch_impl.layers.layer import Drawing
from torch_impl.philox import seed_pair, stateless_uniform
from torch_impl.seeds import KerasSeeds

Factor = float | Sequence[float]


class RandomImageLayer(Drawing):
    """A layer that changes images, (N, C, H, W) or (C, H, W), in train mode, and draws for it.

    `draw` makes the numbers of one call, and `apply` changes images by given numbers.

    Args:
        seed: of the layer, an integer of 64 bits; None: the one that Keras draws after
            `set_random_seed`, which `torch_impl.layers.initialise` sets; until then 0.
        random_dtype: of the numbers drawn, torch.float32 or torch.float64: Keras's floatx.

    Attributes:
        seed: the integer in use.
        draws_seed: whether `initialise` gives the layer its seed.
        num_draws: how many numbers or tensors of numbers were drawn: Keras's second word of the
            state of a SeedGenerator.
        pixel_dtype: in which images are changed; None: their own. The result has their dtype.
        in_graph: whether numbers are those of a compiled model, as `fit` runs it. TensorFlow
            multiplies two constants there before a number of which the lower bound is 0, so that
            its last bit is another one than in `tf.data` and in a call of Keras's layer by itself.
    """

    stream = ("seed", "num_draws")
    seeds_drawn = 1  # how many integers Keras takes from Python's `random` for a layer without seed
    draws_in_eval = 0  # how many draws Keras makes, and does not use, in a call in eval mode

    def __init__(self, seed: int | None = None, random_dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        seed_pair(0 if seed is None else seed)
        if random_dtype not in (torch.float32, torch.float64):
            raise ValueError(f"random_dtype={random_dtype}: expected torch.float32 or float64")
        self.seed, self.draws_seed = seed or 0, seed is None
        self.random_dtype = random_dtype
        self.num_draws = 0
        self.pixel_dtype: torch.dtype | None = None
        self.in_graph = True

    def take_seed(self, seeds: KerasSeeds) -> None:
        """Takes the seed that Keras draws for a layer without one; otherwise draws nothing."""
        if self.draws_seed:
            for _ in range(self.seeds_drawn):
                self.seed = seeds.next_layer_seed()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns changed images in train mode, and the given ones in eval mode.

        Args:
            x: (N, C, H, W) or (C, H, W). Whole numbers become torch's default dtype, as they become
                Keras's in a model and in `tf.data`.

        Raises:
            ValueError: x has another rank.
        """
        x = as_floating(x)
        if not self.training:
            self.num_draws += self.draws_in_eval
            return x
        batch = as_batch(x).to(self.pixel_dtype or x.dtype)
        changed = self.apply_drawn(batch, self.drawn_for(batch)).to(x.dtype)
        return changed.reshape(*x.shape[:-2], *self.size(x))

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Draws the numbers of the next call for images of a shape (N, C, H, W)."""
        raise NotImplementedError

    def drawn_for(self, images: torch.Tensor) -> torch.Tensor:
        """Draws the numbers of the next call for images, (N, C, H, W)."""
        return self.draw(images.shape)

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """Changes images by given numbers, and draws nothing.

        Args:
            images: (N, C, H, W), floating.
            drawn: as `draw` returns them for N images.
            is_mask: whether the images are maps of labels, which Keras moves by the nearest pixel
                and otherwise leaves alone.
        """
        raise NotImplementedError

    def size(self, x: torch.Tensor) -> Sequence[int]:
        """Returns (height, width) of the result for given images."""
        return x.shape[-2:]

    def uniform(
        self,
        shape: Sequence[int],
        low: float,
        high: float,
        dtype: torch.dtype | None = None,
        times: float = 1.0,
    ) -> torch.Tensor:
        """Draws what `keras.random.uniform` draws from the layer's SeedGenerator.

        Args:
            shape: of the result.
            low: the bounds, which Keras rounds to float32.
            high: see low.
            dtype: None takes that of the layer.
            times: by which Keras multiplies the numbers; see `in_graph`.
        """
        dtype = dtype or self.random_dtype
        seed = seed_pair(self.seed, self.num_draws)
        self.num_draws += 1
        start, end = torch.tensor([low, high], dtype=torch.float32).to(dtype)
        factor = torch.tensor(times, dtype=dtype)
        drawn: torch.Tensor = stateless_uniform(shape, seed=seed, dtype=dtype)
        if self.in_graph and start == 0:
            drawn = drawn * ((end - start) * factor)
        else:
            drawn = (drawn * (end - start) + start) * factor
        return drawn

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Part of load_state_dict."""
        super().set_extra_state(state)
        self.draws_seed = False


def as_floating(x: torch.Tensor) -> torch.Tensor:
    """Returns whole numbers in torch's default dtype, and floating ones as they are."""
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


def as_batch(x: torch.Tensor) -> torch.Tensor:
    """Returns (N, C, H, W) of one image or a batch.

    Raises:
        ValueError: x has another rank.
    """
    if x.ndim not in (3, 4):
        raise ValueError(
            f"images of shape {tuple(x.shape)}: expected (N, C, H, W), or (C, H, W) of one image"
        )
    return x if x.ndim == 4 else x[None]


def bounds_of(
    factor: Any,
    name: str,
    low: float,
    high: float,
    *,
    above: bool = False,
    pairs_may_reach_out: bool = False,
) -> tuple[float, float]:
    """Returns the bounds of a factor, as Keras reads it.

    Args:
        factor: f, which stands for -f and f, but for no less than `low`; or the bounds, in any
            order.
        name: of the argument.
        low: the least value allowed.
        high: the greatest.
        above: whether `low` itself is not allowed.
        pairs_may_reach_out: whether a pair need only overlap [low, high], as in some of the layers.

    Raises:
        ValueError: the factor has another form, or is out of range.
    """
    is_pair = isinstance(factor, list | tuple)
    values = list(factor) if is_pair else [factor]
    known = len(values) == (2 if is_pair else 1) and all(map(_is_number, values))
    if known and is_pair and pairs_may_reach_out:
        known = values[0] <= high and values[1] >= low
    elif known:
        known = all(low <= v <= high and not (above and v == low) for v in values)
    if not known:
        span = f"{'(' if above else '['}{low}, {high}]"
        raise ValueError(f"{name}={factor!r}: expected a number in {span}, or two of them")
    if is_pair:
        return float(min(values)), float(max(values))
    reach = abs(float(factor))
    return max(-reach, float(low)), reach


def range_of(value: Sequence[float]) -> tuple[float, float]:
    """Returns a value_range as it is given.

    Raises:
        ValueError: it is not two numbers.
    """
    numbers = list(value) if isinstance(value, list | tuple) else []
    if len(numbers) != 2 or not all(isinstance(v, int | float) for v in numbers):
        raise ValueError(f"value_range={value!r}: expected two numbers")
    return numbers[0], numbers[1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def one_of(value: str, name: str, allowed: Sequence[str]) -> str:
    """Returns a setting, or raises ValueError if it is none of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r}: expected one of {', '.join(map(repr, allowed))}")
    return value
