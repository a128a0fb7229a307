"""A wrapper that divides the kernel of a layer by its spectral norm."""

from __future__ import annotations

import torch
from torch import nn

from torch_impl.clip import clip
from torch_impl.layers.depthwise import DepthwiseConv1D, DepthwiseConv2D
from torch_impl.layers.einsum_dense import EinsumDense


class SpectralNormalization(nn.Module):
    """Divides the kernel of a layer by an estimate of its greatest singular value, in train mode.

    Differs from torch.nn.utils.parametrizations.spectral_norm in:
    1. the kernel itself is divided and stored, at every call in train mode, and an optimizer moves
       what is stored. Torch keeps the kernel and divides a copy;
    2. the matrix has the last axis of Keras's kernel as its columns: (window * in, out);
    3. the state is `vector_u`, (1, columns), alone; the other vector follows from it;
    4. norms are at least 1e-7, and a kernel of zeros stays.

    Source: keras 3.15 `layers/normalization/spectral_normalization.py`.

    Args:
        layer: has a `weight`: a dense layer, a convolution or an embedding, also within a module
            that has it as its child `layer`.
        power_iterations: of each call, at least 1.
        name: Keras's name of the layer, under which it is a child.

    Raises:
        ValueError: `power_iterations` is less than 1, or the layer has no weight.
    """

    vector_u: torch.Tensor

    def __init__(self, layer: nn.Module, power_iterations: int = 1, name: str = "layer") -> None:
        super().__init__()
        if power_iterations < 1:
            raise ValueError(f"{power_iterations=}: expected at least 1")
        self.power_iterations, self.name = power_iterations, name
        self.add_module(name, layer)
        matrix = _matrix(self._kernel_of(layer))
        drawn = nn.init.trunc_normal_(matrix.new_empty(1, matrix.shape[1]), 0.0, 0.02, -0.04, 0.04)
        self.register_buffer("vector_u", drawn)

    def _kernel_of(self, layer: nn.Module) -> nn.Module:
        """Returns the module that holds the kernel."""
        inner: nn.Module = layer
        while not isinstance(getattr(inner, "weight", None), torch.Tensor):
            if not isinstance(getattr(inner, "layer", None), nn.Module):
                raise ValueError(f"{type(layer).__name__}: expected a layer with a weight")
            inner = inner.layer  # type: ignore[assignment]
        return inner

    @torch.no_grad()
    def _normalise(self, holder: nn.Module) -> None:
        kernel: torch.Tensor = holder.weight  # type: ignore[assignment]
        if not kernel.any():  # (4)
            return
        matrix, u = _matrix(holder), self.vector_u
        v = u
        for _ in range(self.power_iterations):
            v = _over_norm(u @ matrix.T)
            u = _over_norm(v @ matrix)
        kernel.div_((v @ matrix @ u.T).reshape(()))  # (1)
        self.vector_u.copy_(u)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the output of the layer."""
        layer = self.get_submodule(self.name)
        if self.training:
            self._normalise(self._kernel_of(layer))
        y: torch.Tensor = layer(x)
        return y

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"power_iterations={self.power_iterations}"


def _matrix(holder: nn.Module) -> torch.Tensor:
    """Returns the kernel as (rows, columns); the order of the rows does not matter."""
    kernel: torch.Tensor = holder.weight.detach()  # type: ignore[operator]
    if isinstance(holder, DepthwiseConv1D | DepthwiseConv2D):
        inputs = int(holder.groups)
        return kernel.reshape(inputs, kernel.shape[0] // inputs, -1).movedim(1, -1).flatten(0, 1)
    if isinstance(holder, nn.Embedding):
        return kernel
    if isinstance(holder, nn.Linear):
        return kernel.T
    if isinstance(holder, EinsumDense):
        return kernel.reshape(-1, kernel.shape[-1])
    # Convolutions: (out, in, h, w) is Keras's (h, w, in, out); if transposed, (in, out, h, w) is
    # (h, w, out, in).
    return kernel.movedim(0, -1).flatten(0, -2)


def _over_norm(x: torch.Tensor) -> torch.Tensor:
    """Does what `keras.utils.normalize` does over all axes, whose norm is at least 1e-7."""
    return x * clip(torch.rsqrt(x.square().sum()), high=1e7)
