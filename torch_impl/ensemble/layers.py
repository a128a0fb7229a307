"""Layers of R runs as one layer.

Images of all runs are one tensor (N, R * C, H, W), the channels of a run side by side, so that a
convolution is one of R groups, and ReLU and pools need not know of it. Behind `StackedFlatten`
features are (R, N, features), and a Linear is a product of R matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl.ensemble.streams import Stream
from torch_impl.layers import Dropout


class Shared(NamedTuple):
    """A parameter of R runs, and the parameter of each, which are parts of its memory.

    Attributes:
        whole: (R, ...), the one that has gradients.
        own: of each run, as its own layer holds it.
        part: from a tensor of the shape of `whole` and the number of a run to its part, a view in
            the shape and the order of axes of `own`.
        join: from tensors of the shape of `own` to one of the shape of `whole`.
    """

    whole: nn.Parameter
    own: tuple[torch.Tensor, ...]
    part: Callable[[torch.Tensor, int], torch.Tensor]
    join: Callable[[Sequence[torch.Tensor]], torch.Tensor]


def share(
    parameters: Sequence[torch.Tensor],
    to_whole: Callable[[torch.Tensor], torch.Tensor],
    to_own: Callable[[torch.Tensor], torch.Tensor],
) -> Shared:
    """Moves the parameters of R runs into one: what changes it then changes them, and back.

    Args:
        parameters: of each run, of one shape.
        to_whole: how the axes of one stand in the whole.
        to_own: its inverse; both return views.
    """

    def part(tensor: torch.Tensor, number: int) -> torch.Tensor:
        return to_own(tensor[number])

    def join(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack([to_whole(tensor) for tensor in tensors])

    whole = nn.Parameter(join([parameter.data for parameter in parameters]))
    for number, parameter in enumerate(parameters):
        parameter.data = part(whole.data, number)
    return Shared(whole, tuple(parameters), part, join)


class StackedLayer(nn.Module):
    """A layer with parameters of R runs.

    Attributes:
        shared: by the name of the parameter.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shared: dict[str, Shared] = {}

    weight: nn.Parameter
    bias: nn.Parameter | None

    def _share(self, name: str, shared: Shared) -> None:
        self.shared[name] = shared
        self.register_parameter(name, shared.whole)

    def _share_bias(self, layers: Sequence[nn.Conv2d] | Sequence[nn.Linear]) -> None:
        biases = [layer.bias for layer in layers if layer.bias is not None]
        if biases:
            self._share("bias", share(biases, _same, _same))
        else:
            self.register_parameter("bias", None)


class StackedConv2d(StackedLayer):
    """One convolution of R groups.

    Args:
        layers: of each run.

    Raises:
        ValueError: a convolution of a kind that is not stacked.
    """

    def __init__(self, layers: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        first = layers[0]
        if first.groups != 1 or first.padding_mode != "zeros":
            raise ValueError(
                f"{first}: cannot be stacked; expected groups=1 and padding_mode='zeros'"
            )
        self.num_runs = len(layers)
        self.stride, self.padding, self.dilation = first.stride, first.padding, first.dilation
        # The channels of the image come last, so that a part has channels-last memory, as a layer
        # on its own has.
        weights = share([layer.weight for layer in layers], _channels_last, _channels_first)
        self._share("weight", weights)
        self._share_bias(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, R * out, H', W') for (N, R * in, H, W)."""
        return F.conv2d(
            x,
            _channels_first(self.weight.flatten(0, 1)),
            None if self.bias is None else self.bias.flatten(),
            self.stride,
            self.padding,
            self.dilation,
            groups=self.num_runs,
        )


class StackedLinear(StackedLayer):
    """A product of R matrices.

    Args:
        layers: of each run.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self._share("weight", share([layer.weight for layer in layers], _same, _same))
        self._share_bias(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (R, N, out) for (R, N, in)."""
        kernels = self.weight.transpose(1, 2)
        if self.bias is None:
            return torch.bmm(x, kernels)
        return torch.baddbmm(self.bias[:, None], x, kernels)


class StackedFlatten(nn.Module):
    """Flattens the images of each run as `torch_impl.layers.Flatten` does.

    Args:
        num_runs: R.
    """

    def __init__(self, num_runs: int) -> None:
        super().__init__()
        self.num_runs = num_runs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (R, N, H * W * C) for (N, R * C, H, W)."""
        runs = x.movedim(1, -1).unflatten(-1, (self.num_runs, -1))
        return runs.movedim(3, 0).flatten(2)


class StackedDropout(nn.Module):
    """Drops in each run what its own layer drops.

    A batch that is filled up may be longer than that of the run. What Keras draws for it begins
    with the mask of the run (Philox numbers have places, and no order); the filling counts for
    nothing. Batches of mode "independent", which draws from a sequence, are never filled up.

    Args:
        layers: `Dropout` or `torch.nn.Dropout` of each run.
        streams: of each run, for torch.nn.Dropout.

    Raises:
        ValueError: a dropout whose mask has another shape than its input.
    """

    def __init__(
        self, layers: Sequence[Dropout] | Sequence[nn.Dropout], streams: Sequence[Stream]
    ) -> None:
        super().__init__()
        first = layers[0]
        if isinstance(first, Dropout) and first.noise_shape is not None:
            raise ValueError(f"{first}: cannot be stacked; expected noise_shape=None")
        self.rate = first.rate if isinstance(first, Dropout) else first.p
        # Not as children: their train mode is not used.
        self._layers, self._streams = tuple(layers), tuple(streams)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drops in train mode; x is (N, R * C, H, W) or (R, N, features)."""
        if not self.training or self.rate == 0:
            return x
        is_image = x.ndim == 4
        channels_last = x.movedim(1, -1).unflatten(-1, (len(self._layers), -1)) if is_image else x
        factors = self._factors(x)
        if factors.dtype == torch.bool:
            # Not a product with the mask, which makes NaN of a dropped infinity.
            dropped = torch.where(factors, channels_last * (1 / (1 - self.rate)), 0)
        else:
            dropped = channels_last * factors
        return dropped.flatten(3).movedim(-1, 1) if is_image else dropped

    def _factors(self, x: torch.Tensor) -> torch.Tensor:
        """What all runs draw: (N, H, W, R, C) for images, (R, N, features)."""
        drawn = [self._drawn(number, x) for number in range(len(self._layers))]
        return torch.stack(drawn, 3 if x.ndim == 4 else 0)

    def _drawn(self, number: int, x: torch.Tensor) -> torch.Tensor:
        """What a run draws for its part of x, channels last: what is kept, or the factors."""
        layer = self._layers[number]
        if x.ndim == 4:
            num, channels, *size = x.shape
            shape = torch.Size((num, *size, channels // len(self._layers)))
        else:
            shape = x.shape[1:]
        if isinstance(layer, Dropout):
            return layer.draw(shape, x.dtype, x.device)
        # As the layer sees them, since the numbers may follow the order of the axes.
        ones = torch.ones(shape, dtype=x.dtype, device=x.device)
        with self._streams[number]:
            factors = F.dropout(ones.movedim(-1, 1) if x.ndim == 4 else ones, self.rate)
        return factors.movedim(1, -1) if x.ndim == 4 else factors


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _channels_last(kernel: torch.Tensor) -> torch.Tensor:
    return kernel.permute(0, 2, 3, 1)


def _channels_first(kernel: torch.Tensor) -> torch.Tensor:
    return kernel.permute(0, 3, 1, 2)
