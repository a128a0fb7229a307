"""Layouts of attention, of layers of an equation, and of what wraps a kernel."""

from __future__ import annotations

from torch import nn

from torch_impl import layers
from torch_impl.layouts.variable import Row, Variable, present, same


def _einsum_dense(module: nn.Module) -> list[Variable]:
    """Both store kernel and bias in the shapes of the equation."""
    return present(module, ("kernel", "weight"), ("bias", "bias"))


def _attention(module: nn.Module) -> list[Variable]:
    return present(module, *((name, name) for name in ("scale", "concat_score_weight")))


def _reversible_embedding(module: nn.Module) -> list[Variable]:
    return present(module, ("embeddings", "weight"), ("reverse_embeddings", "reverse_weight"))


ROWS: dict[type[nn.Module], Row] = {
    layers.EinsumDense: _einsum_dense,
    layers.Attention: _attention,
    layers.ReversibleEmbedding: _reversible_embedding,
    layers.LayerScale: lambda module: [same(module, "variable", "weight")],
}
