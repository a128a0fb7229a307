"""A dense layer over the axes that an equation names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

_FORMS = (
    re.compile(r"([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)"),
    re.compile(r"\.\.\.([a-zA-Z]+),([a-zA-Z]+)->\.\.\.([a-zA-Z]+)"),
    re.compile(r"([a-zA-Z]{2,})\.\.\.,([a-zA-Z]+)->([a-zA-Z]+)\.\.\."),
)


class EinsumDense(nn.Module):
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

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.equation!r}, {tuple(self.weight.shape)}, bias_axes={self.bias_axes!r}"


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
