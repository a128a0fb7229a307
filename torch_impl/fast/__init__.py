"""The same numbers in fewer passes over memory: `fused(model)`, its layers, and `compiled`."""

from __future__ import annotations

from torch_impl.fast.conv_pool import PooledConv2d
from torch_impl.fast.pool import PooledReLU
from torch_impl.fast.rewrite import compiled, fused

__all__ = ["PooledConv2d", "PooledReLU", "compiled", "fused"]
