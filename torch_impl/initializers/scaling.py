"""Initialisers whose spread follows from the shape.

    variance = scale / fan,  fan_in = in * receptive field,  fan_out = out * receptive field

Source: keras 3.15 `initializers/random_initializers.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from torch_impl.initializers.base import RandomInitializer
from torch_impl.initializers.draws import uniform
from torch_impl.normals import stateless_normal, stateless_truncated_normal

MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")
_CUT = 0.87962566103423978  # the stddev of a standard normal cut at two


@dataclass(frozen=True)
class VarianceScaling(RandomInitializer):
    """Numbers with a variance that follows from the shape.

    Differs from torch.nn.init.kaiming_* and xavier_* in:
    1. "normal" numbers are cut at two stddev and then widened to the right variance; torch's are
       not cut;
    2. fans are those of Keras's layout: for a depthwise kernel (height, width, in, multiplier),
       fan_in counts all channels, while torch's weight (in * multiplier, 1, height, width) has a
       fan_in of one channel;
    3. a fan below 1 counts as 1;
    4. torch's own default for Linear and Conv2d is none of these: kaiming_uniform_ with a =
       sqrt(5), bounds 1 / sqrt(fan_in).

    Attributes:
        scale: positive.
        mode: "fan_in", "fan_out" or "fan_avg", their mean.
        distribution: "uniform", "truncated_normal" (or "normal") or "untruncated_normal".
        input_axes: axes whose product is fan_in, if `output_axes` are given too.
        output_axes: axes whose product is fan_out.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    input_axes: Sequence[int] | None = field(default=None, kw_only=True)
    output_axes: Sequence[int] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.scale <= 0:
            raise ValueError(f"scale={self.scale!r}: expected a positive number")
        if self.mode not in MODES:
            raise ValueError(f"mode={self.mode!r}: expected one of {MODES}")
        name = self.distribution.lower()
        object.__setattr__(self, "distribution", "truncated_normal" if name == "normal" else name)
        if self.distribution not in DISTRIBUTIONS:
            raise ValueError(
                f"distribution={self.distribution!r}: expected one of {DISTRIBUTIONS} or 'normal'"
            )

    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)  # (2)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)  # (3)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return uniform(shape, seed, dtype, -limit, limit)
        if self.distribution == "untruncated_normal":
            return stateless_normal(shape, seed=seed, dtype=dtype) * math.sqrt(variance)
        stddev = math.sqrt(variance) / _CUT  # (1)
        return stateless_truncated_normal(shape, seed=seed, dtype=dtype) * stddev


@dataclass(frozen=True)
class _Named(VarianceScaling):
    """A VarianceScaling with the fixed settings of its class."""

    scale: float = field(default=1.0, init=False)
    mode: str = field(default="fan_in", init=False)
    distribution: str = field(default="uniform", init=False)


class GlorotUniform(_Named):
    """Uniform of variance 2 / (fan_in + fan_out); torch.nn.init.xavier_uniform_."""

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(_Named):
    """Truncated normal of variance 2 / (fan_in + fan_out); xavier_normal_ is not truncated."""

    scale, mode, distribution = 1.0, "fan_avg", "truncated_normal"


class HeUniform(_Named):
    """Uniform of variance 2 / fan_in; torch.nn.init.kaiming_uniform_ with nonlinearity "relu"."""

    scale, mode, distribution = 2.0, "fan_in", "uniform"


class HeNormal(_Named):
    """Truncated normal of variance 2 / fan_in; kaiming_normal_ is not truncated."""

    scale, mode, distribution = 2.0, "fan_in", "truncated_normal"


class LecunUniform(_Named):
    """Uniform of variance 1 / fan_in; kaiming_uniform_ with nonlinearity "linear"."""

    scale, mode, distribution = 1.0, "fan_in", "uniform"


class LecunNormal(_Named):
    """Truncated normal of variance 1 / fan_in; kaiming_normal_ is not truncated."""

    scale, mode, distribution = 1.0, "fan_in", "truncated_normal"


def compute_fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Returns fan_in and fan_out of a shape in Keras's layout.

    Differs from torch.nn.init's in that a vector and a scalar have fans, and in the layout: in and
    out are the last two axes, not the second and the first.
    """
    if input_axes is not None and output_axes is not None:
        fan_in, fan_out = (
            math.prod(shape[axis] for axis in axes) for axes in (input_axes, output_axes)
        )
        return fan_in, fan_out
    if len(shape) < 2:
        fan = math.prod(shape)
        return fan, fan
    receptive_field = math.prod(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field
