"""PooledReLU: relu, max pool and dropout of an image in one pass over memory, with the same bits.

    max_pool2d(relu(x), 2) = relu(max_pool2d(x, 2))

so that the ReLU, and a Dropout that follows, work on a quarter of the values. On the CPU a compiled
loop (`pool.c`) does all three at once; on other devices, and without a compiler, torch does them.
As in the usual order, the gradient goes to the first of the greatest values, if it is above 0 and
not dropped.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from torch_impl import native
from torch_impl.layers.dropout import Dropout

SOURCE = Path(__file__).with_name("pool.c")
_NAMES = {torch.float32: "float32", torch.float64: "float64", torch.bfloat16: "bfloat16"}
Loops = tuple[Callable[..., None], Callable[..., None]]


class PooledReLU(nn.Module):
    """`dropout(max_pool2d(relu(x), 2))`, of images (N, C, H, W).

    Args:
        dropout: the Dropout that follows, or None; it draws the same masks as on its own.
    """

    def __init__(self, dropout: Dropout | None = None) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, C, H // 2, W // 2)."""
        loops = _loops_for(x)
        if loops is None:
            pooled = F.relu(F.max_pool2d(x, 2))
            y: torch.Tensor = pooled if self.dropout is None else self.dropout(pooled)
            return y
        size = (*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2)
        # Torch's `apply` has no types.
        y = _Pooled.apply(  # type: ignore[no-untyped-call]
            x, *self.draw(size, x.dtype), size, loops
        )
        return y

    def draw(
        self, size: tuple[int, int, int, int], dtype: torch.dtype
    ) -> tuple[torch.Tensor | None, float]:
        """Draws the mask of the next call.

        Args:
            size: (N, C, H, W) of the input of the dropout.
            dtype: of that input.

        Returns:
            What is kept, bool (N, H, W, C), and its factor; (None, 1.0) in eval mode, and if
            nothing is dropped.
        """
        dropout = self.dropout
        if dropout is None or not dropout.training or dropout.rate == 0:
            return None, 1.0
        num, channels, height, width = size
        keep = dropout.draw(torch.Size((num, height, width, channels)), dtype)
        return keep, 1 / (1 - dropout.rate)


class _Pooled(torch.autograd.Function):
    """The compiled loops, forward and back."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        keep: torch.Tensor | None,
        scale: float,
        size: tuple[int, int, int, int],
        loops: Loops,
    ) -> torch.Tensor:
        num, channels, height, width = x.shape
        y = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
        index = torch.empty(size, dtype=torch.uint8, memory_format=torch.channels_last)
        loops[0](
            x.data_ptr(),
            y.data_ptr(),
            index.data_ptr(),
            None if keep is None else keep.data_ptr(),
            scale,
            num,
            height,
            width,
            channels,
            torch.get_num_threads(),
        )
        ctx.save_for_backward(index)
        ctx.shape, ctx.scale, ctx.backward_loop = x.shape, scale, loops[1]
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (index,) = ctx.saved_tensors
        num, channels, height, width = ctx.shape
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx = torch.empty(ctx.shape, dtype=dy.dtype, memory_format=torch.channels_last)
        ctx.backward_loop(
            dy.data_ptr(),
            index.data_ptr(),
            dx.data_ptr(),
            ctx.scale,
            num,
            height,
            width,
            channels,
            torch.get_num_threads(),
        )
        return dx, *[None] * 4


def _loops_for(x: torch.Tensor) -> Loops | None:
    """Returns the loops for these images, or None if torch has to do it."""
    if x.device.type != "cpu" or x.dtype not in _NAMES or x.ndim != 4:
        return None
    is_pooled = x.numel() > 0 and x.shape[2] > 1 and x.shape[3] > 1
    if not is_pooled or not x.is_contiguous(memory_format=torch.channels_last):
        return None
    library = native.fast(SOURCE, typical)
    return None if library is None else _loops(library)[x.dtype]


def typical() -> Callable[[], object]:
    """Returns what pools the images between the layers of a small network, there and back."""
    x = torch.linspace(-1, 1, 16 * 32 * 24 * 24, dtype=torch.float32, device="cpu")
    x = x.reshape(16, 24, 24, 32).permute(0, 3, 1, 2).requires_grad_()
    layer, dy = PooledReLU(), torch.ones(16, 12, 12, 32).permute(0, 3, 1, 2).to(x)
    return lambda: torch.autograd.grad(layer(x), x, dy)


@functools.cache
def _loops(library: ctypes.CDLL) -> dict[torch.dtype, Loops]:
    pointer, sizes = ctypes.c_void_p, [ctypes.c_int64] * 4
    found: dict[torch.dtype, Loops] = {}
    for dtype, name in _NAMES.items():
        forward, backward = library[f"pool_forward_{name}"], library[f"pool_backward_{name}"]
        forward.restype = backward.restype = None
        forward.argtypes = [*[pointer] * 4, ctypes.c_double, *sizes, ctypes.c_int]
        backward.argtypes = [*[pointer] * 3, ctypes.c_double, *sizes, ctypes.c_int]
        found[dtype] = (forward, backward)
    return found
