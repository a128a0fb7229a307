"""PooledConv2d: convolution, relu, max pool and dropout of small images in one pass over memory.

    dropout(max_pool2d(relu(conv2d(x)), 2))

The convolution's result is the largest tensor of a small network, but only the greatest of each
four values is used. On the CPU a compiled loop (`conv_pool.c`) keeps only these, and the backward
pass visits no others. This is faster if a value is a sum of few products: for images with one or a
few channels, at the start of a network.

The sums of the convolution run over the kernel's rows, columns and channels in this order. Torch's
order differs, also from processor to processor. Everything else has torch's bits.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from torch_impl import native
from torch_impl.fast.pool import PooledReLU
from torch_impl.layers.dropout import Dropout

SOURCE = Path(__file__).with_name("conv_pool.c")
MOST_TAPS = 64  # entries of a kernel for one output channel; the same in conv_pool.c
MOST_CHANNELS = 4  # of the images: with more, a separate convolution is faster
LANES = {torch.float32: 16, torch.float64: 8}  # output channels that are computed at once
Loops = tuple[Callable[..., int], Callable[..., int]]


class PooledConv2d(nn.Module):
    """`dropout(max_pool2d(relu(conv(x)), 2))`, of images (N, C, H, W).

    Args:
        conv: a convolution for which `is_fit` is true; it keeps its parameters.
        dropout: the Dropout that follows, or None; it draws the same masks as on its own.
    """

    def __init__(self, conv: nn.Conv2d, dropout: Dropout | None = None) -> None:
        super().__init__()
        self.conv, self.rest = conv, PooledReLU(dropout)

    @staticmethod
    def is_fit(conv: nn.Conv2d) -> bool:
        """Whether the compiled loop can replace a convolution, and is faster."""
        return (
            type(conv) is nn.Conv2d
            and conv.stride == conv.dilation == (1, 1)
            and conv.padding in ("valid", (0, 0))
            and conv.groups == 1
            and conv.bias is not None
            and conv.in_channels <= MOST_CHANNELS
            and conv.weight[0].numel() <= MOST_TAPS
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, O, (H - kernel height + 1) // 2, (W - kernel width + 1) // 2)."""
        conv = self.conv
        y: torch.Tensor
        loops = _loops_for(x, conv)
        if loops is None:
            y = self.rest(conv(x))
            return y
        size = (
            x.shape[0],
            conv.out_channels,
            (x.shape[2] - conv.weight.shape[2] + 1) // 2,
            (x.shape[3] - conv.weight.shape[3] + 1) // 2,
        )
        keep, scale = self.rest.draw(size, x.dtype)
        # Torch's `apply` has no types.
        y = _PooledConv.apply(  # type: ignore[no-untyped-call]
            x, conv.weight, conv.bias, size, keep, scale, loops
        )
        return y


class _PooledConv(torch.autograd.Function):
    """The compiled loops, forward and back; weights get a gradient, images do not."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        size: tuple[int, int, int, int],
        keep: torch.Tensor | None,
        scale: float,
        loops: Loops,
    ) -> torch.Tensor:
        y = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
        index = torch.empty(size, dtype=torch.uint8, memory_format=torch.channels_last)
        taps = weight.permute(2, 3, 1, 0).contiguous()
        task = _task(x, weight)
        failed = loops[0](
            x.data_ptr(),
            taps.data_ptr(),
            bias.data_ptr(),
            y.data_ptr(),
            index.data_ptr(),
            None if keep is None else keep.data_ptr(),
            scale,
            task,
            torch.get_num_threads(),
        )
        assert not failed  # `_loops_for` has checked
        ctx.save_for_backward(x, index)
        ctx.scale, ctx.task, ctx.shape, ctx.backward_loop = scale, task, weight.shape, loops[1]
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, index = ctx.saved_tensors
        outputs, inputs, height, width = ctx.shape
        dy = dy.contiguous(memory_format=torch.channels_last)
        gradient = torch.empty((height * width * inputs + 1, outputs), dtype=dy.dtype)
        failed = ctx.backward_loop(
            x.data_ptr(),
            dy.data_ptr(),
            index.data_ptr(),
            gradient.data_ptr(),
            ctx.scale,
            ctx.task,
            torch.get_num_threads(),
        )
        if failed:
            raise MemoryError(f"no memory for the gradients of {len(x)} images")
        taps = gradient[:-1].reshape(height, width, inputs, outputs).permute(3, 2, 0, 1)
        return (
            None,
            taps.contiguous(memory_format=torch.channels_last),
            gradient[-1],
            *[None] * 4,
        )


def _loops_for(x: torch.Tensor, conv: nn.Conv2d) -> Loops | None:
    """Returns the loops for these images, or None if torch has to do it."""
    weight = conv.weight
    if x.device.type != "cpu" or x.dtype not in LANES or x.ndim != 4 or x.requires_grad:
        return None
    if weight.dtype != x.dtype or x.shape[1] != weight.shape[1] or len(weight) % LANES[x.dtype]:
        return None  # torch reports the second, which is an error
    is_pooled = len(x) > 0 and all(x.shape[axis] > weight.shape[axis] for axis in (2, 3))
    if not is_pooled or not x.is_contiguous(memory_format=torch.channels_last):
        return None
    library = native.fast(SOURCE, typical)
    return None if library is None else _loops(library)[x.dtype]


def typical() -> Callable[[], object]:
    """Returns what the first layers of a small network do, there and back."""
    conv = nn.utils.skip_init(nn.Conv2d, 1, 32, 3, device="cpu", dtype=torch.float32)
    for parameter in conv.parameters():
        nn.init.constant_(parameter, 0.1)
    x = torch.linspace(-1, 1, 16 * 28 * 28, dtype=torch.float32, device="cpu")
    x = x.reshape(16, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    layer, dy = PooledConv2d(conv), torch.ones(16, 13, 13, 32).permute(0, 3, 1, 2).to(x)
    return lambda: torch.autograd.grad(layer(x), tuple(conv.parameters()), dy)


def _task(x: torch.Tensor, weight: torch.Tensor) -> ctypes.Array[ctypes.c_int64]:
    num, inputs, height, width = x.shape
    return (ctypes.c_int64 * 7)(num, height, width, inputs, len(weight), *weight.shape[2:])


@functools.cache
def _loops(library: ctypes.CDLL) -> dict[torch.dtype, Loops]:
    pointer = ctypes.c_void_p
    found: dict[torch.dtype, Loops] = {}
    for dtype, name in ((torch.float32, "float32"), (torch.float64, "float64")):
        forward = library[f"conv_pool_forward_{name}"]
        backward = library[f"conv_pool_backward_{name}"]
        forward.restype = backward.restype = ctypes.c_int
        forward.argtypes = [*[pointer] * 6, ctypes.c_double, pointer, ctypes.c_int]
        backward.argtypes = [*[pointer] * 4, ctypes.c_double, pointer, ctypes.c_int]
        found[dtype] = (forward, backward)
    return found
