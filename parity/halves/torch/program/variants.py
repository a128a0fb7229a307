"""The variants of a benchmark, made of a user's port: each changes one thing, in place.

A port goes in as its factory returns it. What a user writes for a variant:

    torch-fused            optim.Adam(..., fused=True), or torch.optim.Adam(..., fused=True)
    torch-channels-last    module.to(memory_format=torch.channels_last), and the images likewise
    torch-tuned            both
    torch-compiled         module.compile()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from parity.bench.server import NotApplicable
from torch_impl import optim
from torch_impl.layers import Dropout
from torch_impl.port import Port

CHANNELS_LAST = ("torch-channels-last", "torch-tuned")
FUSED = ("torch-fused", "torch-tuned")


def varied(factory: Callable[[], Any], variant: str) -> Callable[[], Any]:
    """Returns a factory of the port of a variant, but for `compile_module`.

    Args:
        factory: of the user's port.
        variant: one of PROGRAM_VARIANTS.

    Returns:
        A factory; it raises NotApplicable if the variant changes nothing of the port.
    """

    def build() -> Any:
        built = factory()
        port = built if isinstance(built, Port) else Port(built)
        if variant in FUSED:
            fuse(port.optimizer)
        if variant in CHANNELS_LAST:
            put_channels_last(port.module)
        return built

    return build


def fuse(optimizer: Any) -> None:
    """Makes an optimizer take its steps by torch's fused kernel, with the same equations.

    Args:
        optimizer: before its first step.

    Raises:
        NotApplicable: it has no such form, or is fused already.
    """
    kind = type(optimizer)
    name = f"{kind.__module__.partition('.')[0]}'s {kind.__name__}"
    own = isinstance(optimizer, optim.Adam)
    stock = kind in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
    if not (own or stock):
        raise NotApplicable(
            f"{name} has no fused form; Adam and AdamW of torch_impl.optim have one"
        )
    if any(group.get("fused") for group in optimizer.param_groups):
        raise NotApplicable(f"{name} of the port is fused already")
    for group in optimizer.param_groups:
        group["fused"] = True
        if stock:
            group["foreach"] = False


def put_channels_last(module: nn.Module) -> None:
    """Puts the kernels of two-dimensional convolutions in memory with channels last.

    Raises:
        NotApplicable: there are none, or they lie so already.
    """
    kernels = [
        layer.weight
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    if not kernels:
        raise NotApplicable("the module has no two-dimensional convolutions")
    last = torch.channels_last
    if all(k.is_contiguous(memory_format=last) and not k.is_contiguous() for k in kernels):
        raise NotApplicable("the kernels of the module have channels last already")
    module.to(memory_format=last)  # type: ignore[call-overload]


def with_channels_last(value: Any) -> Any:
    """Returns images (N, C, H, W) with channels last in memory; other values as they are."""
    if isinstance(value, torch.Tensor) and value.ndim == 4 and value.is_floating_point():
        return value.contiguous(memory_format=torch.channels_last)
    return value


def compile_module(module: nn.Module) -> None:
    """Compiles a module in place, after the port was watched.

    What draws Keras's masks counts its calls, for which it would be compiled anew at every call: it
    stays as it is.
    """
    torch.compiler.set_stance("default")  # it was "force_eager", so that modules can be watched
    for layer in module.modules():
        if isinstance(layer, Dropout):
            layer.draw = torch.compiler.disable(layer.draw)  # type: ignore[method-assign]
    is_cuda = any(parameter.is_cuda for parameter in module.parameters())
    module.compile(mode="reduce-overhead" if is_cuda else "default")


def num_compiled() -> int:
    """Returns the number of functions that torch has compiled in this process."""
    from torch._dynamo.utils import counters

    return int(counters["frames"]["ok"])
