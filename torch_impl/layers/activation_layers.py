"""Activations that are layers in Keras, layers that rescale values, and embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.layers import activations
from torch_impl.layers.layer import Layer

# --- Activations that are layers in Keras, with other defaults or with weights --------------------


class Activation(nn.Module):
    """One of keras.activations, by its name.

    Source: keras 3.15 `layers/activations/activation.py`.

    Args:
        name: as in keras.activations; None for the identity.
        **settings: arguments of that function other than x.

    Raises:
        ValueError: Keras has no such activation.
    """

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__()
        self.function = activations.activation(name, **settings)
        self.name, self.settings = name, settings

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        return self.function(x)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return ", ".join([repr(self.name), *(f"{k}={v}" for k, v in self.settings.items())])


class ReLU(Activation):
    """max(x, 0), or what `activations.relu` gives with other settings.

    Differs from torch.nn.ReLU in:
    1. it has a maximum, a threshold, and a slope below the threshold.

    Source: keras 3.15 `layers/activations/relu.py`.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
    ) -> None:
        for name, value in (
            ("max_value", max_value or 0.0),
            ("negative_slope", negative_slope),
            ("threshold", threshold),
        ):
            if value < 0:
                raise ValueError(f"{name}={value!r}: expected a number of at least 0")
        settings = {"negative_slope": negative_slope, "max_value": max_value}
        super().__init__("relu", **settings, threshold=threshold)  # (1)


class LeakyReLU(Activation):
    """x, or x times a slope below zero.

    Differs from torch.nn.LeakyReLU in:
    1. the slope is 0.3, not 0.01.

    Source: keras 3.15 `layers/activations/leaky_relu.py`.
    """

    def __init__(self, negative_slope: float = 0.3) -> None:  # (1)
        if negative_slope < 0:
            raise ValueError(f"{negative_slope=}: expected a number of at least 0")
        super().__init__("leaky_relu", negative_slope=negative_slope)


class ELU(Activation):
    """x, or alpha * (exp(x) - 1) below zero: torch.nn.ELU.

    Source: keras 3.15 `layers/activations/elu.py`.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__("elu", alpha=alpha)


class Softmax(Layer):
    """exp(x) over its sum along one axis, or over several axes together.

    Differs from torch.nn.Softmax in:
    1. the default axis is the last;
    2. several axes are taken together;
    3. along one axis it carries its logits to the loss, as `activations.softmax` does;
    4. it takes a mask: what is masked gets -1e9 before (-3e4 in float16) and 0 after.

    Source: keras 3.15 `layers/activations/softmax.py`.

    Args:
        axis: axis or axes of the input; None: all.
    """

    def __init__(self, axis: int | Sequence[int] | None = -1) -> None:  # (1)
        super().__init__()
        self.axis = axis

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Returns a tensor of the shape of x.

        Args:
            x: real numbers.
            mask: broadcasts to x; True, or a number above 0.5, where x counts.

        Raises:
            ValueError: the mask does not broadcast to x.
        """
        if mask is None:
            return self._softmax(x)
        pairs = zip(mask.shape[::-1], x.shape[::-1], strict=False)
        if mask.ndim > x.ndim or any(size not in (1, length) for size, length in pairs):
            shapes = f"mask of shape {tuple(mask.shape)}, and input of shape {tuple(x.shape)}"
            raise ValueError(f"{shapes}: expected a mask that broadcasts to the input")
        kept = mask if mask.dtype == torch.bool else mask > 0.5
        least = -3e4 if x.dtype == torch.float16 else -1e9
        return torch.where(kept, self._softmax(torch.where(kept, x, least)), 0.0)  # (4)

    def _softmax(self, x: torch.Tensor) -> torch.Tensor:
        if self.axis is None:
            return activations.softmax(x, None)
        axes = (self.axis,) if isinstance(self.axis, int) else tuple(self.axis)
        if len(axes) == 1:
            return activations.softmax(x, axes[0])  # (3)
        return torch.exp(x - torch.logsumexp(x, axes, keepdim=True))  # (2)


class PReLU(Layer):
    """max(x, 0) + alpha * min(x, 0), with an alpha for each entry that no axis shares.

    Differs from torch.nn.PReLU in:
    1. alpha starts at 0, not at 0.25;
    2. each entry of an example has its own alpha, which is shared along `shared_axes`;
    3. at x = 0 the slope is 0.

    Source: keras 3.15 `layers/activations/prelu.py`.

    Args:
        shape: of an example of the input.
        shared_axes: counted with the batch axis, from 1.
        **options: device and dtype of the weights.
    """

    def __init__(
        self, shape: Sequence[int], shared_axes: int | Sequence[int] | None = None, **options: Any
    ) -> None:
        super().__init__()
        shared = (shared_axes,) if isinstance(shared_axes, int) else tuple(shared_axes or ())
        lengths = [1 if axis in shared else size for axis, size in enumerate(shape, start=1)]
        self.weight = nn.Parameter(torch.zeros(lengths, **options))  # (1) (2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        return torch.relu(x) - self.weight * torch.relu(-x)  # (3)


# --- Layers that rescale values, and embeddings ---------------------------------------------------


class Rescaling(Layer):
    """x * scale + offset.

    Source: keras 3.15 `layers/preprocessing/rescaling.py`.

    Args:
        scale: a number, or one for each entry of the last axis. Keras rounds scale and offset to
            float32 first, in float64 runs too.
        offset: the same.
    """

    def __init__(
        self, scale: float | Sequence[float], offset: float | Sequence[float] = 0.0
    ) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a floating tensor of the shape of x."""
        if not x.is_floating_point():
            x = x.to(torch.get_default_dtype())
        scale, offset = (
            torch.tensor(value, dtype=torch.float32, device=x.device).to(x.dtype)
            for value in (self.scale, self.offset)
        )
        return x * scale + offset


class Normalization(nn.Module):
    """(x - mean) / max(sqrt(variance), 1e-7), along some axes of the input.

    Source: keras 3.15 `layers/preprocessing/normalization.py`.

    Args:
        shape: lengths of the axes that have their own mean and variance, in rising order.
        axis: these axes.
        mean: for each of their entries; if None, 0 until weights are set.
        variance: for each of their entries; if None, 1 until weights are set.
        invert: whether to compute x * max(sqrt(variance), 1e-7) + mean instead.
    """

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(
        self,
        shape: Sequence[int],
        axis: int | Sequence[int] = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
    ) -> None:
        super().__init__()
        self.axis = (axis,) if isinstance(axis, int) else tuple(axis)
        self.invert = invert
        for name, value, default in (("mean", mean, 0.0), ("variance", variance, 1.0)):
            values = torch.tensor(default if value is None else value, dtype=torch.float32)
            self.register_buffer(name, values.expand(tuple(shape)).clone())
        # The number of data that Keras has seen, which is a weight there.
        self.register_buffer("count", torch.tensor(0) if mean is None else None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        kept = {axis % x.ndim for axis in self.axis}
        shape = [size if axis in kept else 1 for axis, size in enumerate(x.shape)]
        mean, variance = (
            values.to(x.dtype).reshape(shape) for values in (self.mean, self.variance)
        )
        deviation = torch.sqrt(variance).clamp(min=1e-7)
        return x * deviation + mean if self.invert else (x - mean) / deviation


class Embedding(nn.Embedding):
    """A row of a table for each integer.

    Differs from torch.nn.Embedding in:
    1. the integers may be in a floating-point tensor.

    Source: keras 3.15 `layers/core/embedding.py`.

    Args:
        input_dim: number of rows.
        output_dim: length of a row.
        mask_zero: whether 0 stands for no token: `compute_mask` then says where tokens are. Row 0
            is one like the others, and is trained, unlike that of torch's `padding_idx`.
        **options: device and dtype of the weights.
    """

    def __init__(
        self, input_dim: int, output_dim: int, mask_zero: bool = False, **options: Any
    ) -> None:
        super().__init__(input_dim, output_dim, **options)
        self.mask_zero = mask_zero

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (*shape of x, output_dim)."""
        return super().forward(x.long())  # (1)

    def compute_mask(self, inputs: torch.Tensor, mask: Any = None) -> torch.Tensor | None:
        """Returns where the integers are not 0, in their shape; None without `mask_zero`."""
        return inputs != 0 if self.mask_zero else None


class ReversibleEmbedding(Embedding):
    """An embedding that also leads back, from its vectors to a score for each row.

    Torch has no such layer. Source: keras 3.15 `layers/core/reversible_embedding.py`.

    Args:
        input_dim: number of rows.
        output_dim: length of a row.
        tie_weights: whether the way back is the transposed table; else it has weights of its own.
        reverse_dtype: in which the way back is computed; None: that of its input.
        logit_soft_cap: if it is given, scores are cap * tanh(score / cap).
        mask_zero: see `Embedding`; what is led back has no mask.
        **options: device and dtype of the weights.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        reverse_dtype: torch.dtype | None = None,
        logit_soft_cap: float | None = None,
        mask_zero: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(input_dim, output_dim, mask_zero, **options)
        self._was_reversed = False
        self.reverse_dtype, self.logit_soft_cap = reverse_dtype, logit_soft_cap
        drawn = None if tie_weights else torch.randn(output_dim, input_dim, **options)
        self.reverse_weight = None if drawn is None else nn.Parameter(drawn)

    def forward(self, x: torch.Tensor, reverse: bool = False) -> torch.Tensor:
        """Returns (*shape of x, output_dim), or in reverse (*other axes of x, input_dim)."""
        self._was_reversed = reverse
        if not reverse:
            return super().forward(x)
        kernel = self.weight.T if self.reverse_weight is None else self.reverse_weight
        if self.reverse_dtype is not None:
            x, kernel = x.to(self.reverse_dtype), kernel.to(self.reverse_dtype)
        scores = x @ kernel
        cap = self.logit_soft_cap
        return scores if cap is None else torch.tanh(scores / cap) * cap

    def compute_mask(self, inputs: torch.Tensor, mask: Any = None) -> torch.Tensor | None:
        """Returns the mask of the output of the last call."""
        return None if self._was_reversed else super().compute_mask(inputs, mask)
