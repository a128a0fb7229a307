"""A dense layer over the axes of an equation, and layers that take several inputs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.clip import clip
from torch_impl.layers.layer import Layer

# --- A dense layer over the axes that an equation names -------------------------------------------


_FORMS = (
    re.compile(r"([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)"),
    re.compile(r"\.\.\.([a-zA-Z]+),([a-zA-Z]+)->\.\.\.([a-zA-Z]+)"),
    re.compile(r"([a-zA-Z]{2,})\.\.\.,([a-zA-Z]+)->([a-zA-Z]+)\.\.\."),
)


class EinsumDense(Layer):
    """einsum(equation, x, kernel) + bias.

    Torch has no such layer; torch.nn.Linear is "...x,yx->...y". Kernel and bias have Keras's
    shapes; `add_bias` tells to which axis a bias goes.

    Source: keras 3.15 `layers/core/einsum_dense.py`.

    Args:
        equation: "input,kernel->output", with "..." at the left or at the right of input and
            output, or without.
        input_shape: lengths of the axes of the input behind the batch axis; None where the kernel
            has no such axis.
        output_shape: the same of the output, without the axes behind "..."; one number for one
            axis.
        bias_axes: letters of the output along which the bias varies; None for no bias.
        **options: device and dtype of the weights.

    Attributes:
        input_axes: axes of the kernel over which it sums.
        output_axes: axes of the kernel that the output has.

    Raises:
        ValueError: the equation has another form, or a letter without a length.
    """

    def __init__(
        self,
        equation: str,
        input_shape: Sequence[int | None],
        output_shape: int | Sequence[int | None],
        bias_axes: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.equation, self.bias_axes = equation, bias_axes
        found = [form.fullmatch(equation.replace(" ", "")) for form in _FORMS]
        number = next((n for n, match in enumerate(found) if match), None)
        match = None if number is None else found[number]
        if match is None:
            raise ValueError(
                f"equation={equation!r}: expected X,Y->Z, ...X,Y->...Z or X...,Y->Z..."
            )
        given, kernel, made = match.groups()
        sides = [None, *input_shape]
        rest = len(sides) - len(given)
        if rest < 0 or (rest and not number):
            raise ValueError(f"{input_shape=}: expected {len(given) - 1} axes for {equation!r}")
        known = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        # Behind "..." at the left, the axes of the batch are among those that it stands for.
        outputs = list(known) if number == 1 and rest else [None, *known]
        if len(outputs) != len(made):
            raise ValueError(f"{output_shape=}: expected {len(made) - len(outputs) + len(known)}")
        lengths = dict(zip(given, sides[rest:] if number == 1 else sides, strict=False))
        lengths |= {k: n for k, n in zip(made, outputs, strict=True) if n or k not in lengths}
        missing = [letter for letter in kernel if lengths.get(letter) is None]
        if missing:
            raise ValueError(f"{equation!r}: the length of {missing} is not given")
        # The letters of `made` come first, as in Keras: a letter may be in both.
        self.output_axes = [n for n, letter in enumerate(kernel) if letter in made]
        self.input_axes = [n for n, letter in enumerate(kernel) if letter not in made]
        shape = [int(lengths[letter] or 0) for letter in kernel]
        self.weight = nn.Parameter(torch.empty(shape, **options))
        self.bias: nn.Parameter | None = None
        if bias_axes is not None:
            unknown = sorted(set(bias_axes) - set(made))
            if unknown or not bias_axes:
                raise ValueError(f"{bias_axes=}: expected letters of the output {made!r}")
            first = min(made.index(letter) for letter in bias_axes)
            sizes = [lengths[k] if k in bias_axes else 1 for k in made[first:]]
            sizes += [1] * (rest if number == 2 else 0)
            if None in sizes:
                raise ValueError(f"{bias_axes=}: the length of one of them is not given")
            self.bias = nn.Parameter(torch.zeros([int(n or 0) for n in sizes], **options))
        fan_in = max(1, self.weight.numel() // max(1, _product(shape, self.output_axes)))
        fan_out = max(1, self.weight.numel() // max(1, _product(shape, self.input_axes)))
        with torch.no_grad():  # Glorot & Bengio 2010, Keras's default
            limit = (6.0 / (fan_in + fan_out)) ** 0.5
            self.weight.uniform_(-limit, limit)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the axes that the equation names."""
        y = torch.einsum(self.equation, x, self.weight)
        return y if self.bias is None else add_bias(y, self.bias)


def add_bias(y: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Adds a bias as Keras does with TensorFlow.

    A bias that varies along one axis alone, such as (3, 1), is taken for one of channels where it
    can be: it goes along the last axis of y if that is as long, else along axis 1 if that is, and
    only else to its own axis. So in a layer of 3 heads of size 1, it goes along the steps if there
    are 3 of them. Source: keras 3.15 `backend/tensorflow/numpy.py`, `add`.
    """
    long = [side for side in bias.shape if side > 1]
    if len(long) != 1 or y.ndim < 2 or long[0] not in (y.shape[1], y.shape[-1]):
        return y + bias
    if y.shape[-1] == long[0]:
        return y + bias.flatten()
    return y + bias.reshape(-1, *[1] * (y.ndim - 2))


def _product(shape: Sequence[int], axes: Sequence[int]) -> int:
    product = 1
    for axis in axes:
        product *= shape[axis]
    return product


# --- Layers that take several inputs as one list, and what they make of masks of these ------------
#
# Steps count in the output if they count in one of the inputs. If an input has no mask, the output
# has none either, but for `Concatenate`.


Masks = Sequence[torch.Tensor | None] | None  # of each input


class _Merging(nn.Module):
    """Merges each input into the result of those before it.

    Inputs with fewer axes get axes of length one after the batch axis.

    Source: keras 3.15 `layers/merging/base_merge.py`.
    """

    def compute_mask(self, inputs: Sequence[torch.Tensor], mask: Masks) -> torch.Tensor | None:
        """Returns where one of the inputs counts; None if an input has no mask."""
        if mask is None or any(each is None for each in mask):
            return None
        return functools.reduce(torch.logical_or, [each for each in mask if each is not None])

    def _merge(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns one tensor of the shape to which the inputs broadcast."""
        merge: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = self._merge
        return functools.reduce(merge, _of_one_rank(inputs))


class _MergingMasked(_Merging):
    """A merging layer for which the values at masked steps do not count: `Maximum`, `Minimum`."""

    def forward(self, inputs: Sequence[torch.Tensor], mask: Masks = None) -> torch.Tensor:
        """Returns one tensor of the shape to which the inputs broadcast.

        Args:
            inputs: (N, T, ..., C) each, if they have masks.
            mask: of each input, or None; where an input does not count, the others alone do.
        """
        if mask is None:
            return super().forward(inputs)
        output, counted = None, None
        for x, counts in zip(_of_one_rank(inputs), _expanded(inputs, mask), strict=True):
            if output is None:
                output, counted = x, counts
                continue
            given = x if counts is None else torch.where(counts, x, output)
            output = output if counted is None else torch.where(counted, output, given)
            counted = None if counts is None or counted is None else counted | counts
            output = self._merge(output, given)
        assert output is not None
        return output


class Add(_Merging):
    """The sum of the inputs."""

    def _merge(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first + second


class Subtract(_Merging):
    """The first input minus the second.

    Raises:
        ValueError: there are not two inputs.
    """

    def _merge(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first - second

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns inputs[0] - inputs[1]."""
        if len(inputs) != 2:
            raise ValueError(f"{len(inputs)} inputs: expected 2")
        return super().forward(inputs)


class Multiply(_Merging):
    """The product of the inputs."""

    def _merge(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first * second

    def forward(self, inputs: Sequence[torch.Tensor], mask: Masks = None) -> torch.Tensor:
        """Returns one tensor of the shape to which the inputs broadcast.

        Args:
            inputs: (N, T, ..., C) each, if they have masks.
            mask: of each input, or None. Where an input does not count, 1 takes its place; where
                none does, the output is 0.
        """
        if mask is None:
            return super().forward(inputs)
        masks = _expanded(inputs, mask)
        pairs = zip(_of_one_rank(inputs), masks, strict=True)
        output = super().forward([x if m is None else torch.where(m, x, 1) for x, m in pairs])
        known = [each for each in masks if each is not None]
        if len(known) < len(masks):
            return output
        return torch.where(functools.reduce(torch.logical_or, known), output, 0)


class Average(Add):
    """The mean of the inputs; of int32 and int64 it is float64, of smaller integers float32."""

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns the sum divided by the number of inputs."""
        total = super().forward(inputs)
        if not total.is_floating_point():  # as TensorFlow divides integers
            is_wide = total.dtype in (torch.int32, torch.int64)
            total = total.to(torch.float64 if is_wide else torch.float32)
        return total / len(inputs)


class Maximum(_MergingMasked):
    """The greatest of the inputs.

    Differs from torch.maximum in:
    1. where two are equal, the earlier one gets the whole gradient, not half of it.
    """

    def _merge(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return torch.where(first >= second, first, second)  # (1)


class Minimum(_MergingMasked):
    """The least of the inputs.

    Differs from torch.minimum in:
    1. where two are equal, the earlier one gets the whole gradient, not half of it.
    """

    def _merge(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return torch.where(first <= second, first, second)  # (1)


class Concatenate(Layer):
    """The inputs joined along an axis.

    Differs from torch.cat in:
    1. the default axis is the last.

    Source: keras 3.15 `layers/merging/concatenate.py`.

    Args:
        axis: axis of the inputs: 1 for channels in torch's layout.
    """

    def __init__(self, axis: int = -1) -> None:  # (1)
        super().__init__()
        self.axis = axis

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns one tensor."""
        return torch.cat(list(inputs), dim=self.axis)

    def compute_mask(self, inputs: Sequence[torch.Tensor], mask: Masks) -> torch.Tensor | None:
        """Returns where one of the joined entries counts; all of an input without a mask do.

        Along the axis of the steps the masks are joined; along the features, a step counts if it
        does so in one of the inputs.
        """
        if mask is None or all(each is None for each in mask):
            return None
        masks = [
            torch.ones_like(x, dtype=torch.bool)
            if each is None
            else each[..., None].expand(x.shape)
            if each.ndim < x.ndim
            else each
            for x, each in zip(inputs, mask, strict=True)
        ]
        return torch.cat(masks, dim=self.axis).any(-1)


class Dot(Layer):
    """The product of two inputs, summed over one axis of each, example by example.

    Source: keras 3.15 `layers/merging/dot.py`.

    Args:
        axes: of the two inputs, or one for both; not 0.
        normalize: whether both are divided by their norms along that axis first.
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False) -> None:
        super().__init__()
        self.axes = (axes, axes) if isinstance(axes, int) else tuple(axes)
        self.normalize = normalize
        if len(self.axes) != 2 or 0 in self.axes:
            raise ValueError(f"axes={axes!r}: expected two axes other than 0")

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns (N, other axes of the first, other axes of the second), at least (N, 1)."""
        first, second = (x.movedim(axis, -1) for x, axis in zip(inputs, self.axes, strict=True))
        if self.normalize:
            first, second = (_over_norm(x) for x in (first, second))
        product = first.flatten(1, -2) if first.ndim > 2 else first[:, None]
        others = second.flatten(1, -2) if second.ndim > 2 else second[:, None]
        shape = first.shape[1:-1] + second.shape[1:-1]
        return (product @ others.transpose(1, 2)).reshape(first.shape[0], *(shape or (1,)))


def _of_one_rank(inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    rank = max(x.ndim for x in inputs)
    return [x.reshape(x.shape[0], *[1] * (rank - x.ndim), *x.shape[1:]) for x in inputs]


def _expanded(
    inputs: Sequence[torch.Tensor], masks: Sequence[torch.Tensor | None]
) -> list[torch.Tensor | None]:
    """Returns masks in the shape of their inputs; an input that gets new axes loses its mask."""
    rank = max(x.ndim for x in inputs)
    return [
        None if mask is None or x.ndim < rank else mask.bool()[..., None].expand(x.shape)
        for x, mask in zip(inputs, masks, strict=True)
    ]


def _over_norm(x: torch.Tensor) -> torch.Tensor:
    """Does what `keras.ops.normalize` does, whose norm is at least 1e-7."""
    return x * clip(torch.rsqrt(x.square().sum(-1, keepdim=True)), high=1e7)


MERGING = (_Merging, Concatenate)  # those that join masks
