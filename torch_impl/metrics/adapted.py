"""Adapted: a metric of another library, or of the user's own, with update, compute and reset."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from torch_impl.metrics.base import Metric
from torch_impl.metrics.names import snake_case


def is_adaptable(given: Any) -> bool:
    """Whether an object has `update`, `compute` and `reset`, as the metrics of torchmetrics do."""
    is_object = not isinstance(given, type | Metric)
    return is_object and all(
        callable(getattr(given, name, None)) for name in ("update", "compute", "reset")
    )


class Adapted(Metric):
    """Calls `update(y_pred, y_true)` of another object, and `compute()` for the result.

    Args:
        given: has `update(y_pred, y_true)`, `compute()`, which returns one number, and `reset()`.
            Its `update` gets `sample_weight=` if it has that argument.
        name: under which the history lists it; None means its attribute `name`, else its class in
            snake case.
        dtype: of the result.
    """

    def __init__(
        self, given: Any, name: str | None = None, dtype: torch.dtype | str | None = None
    ) -> None:
        own = getattr(given, "name", None)
        automatic = own if isinstance(own, str) and own else snake_case(type(given).__name__)
        super().__init__(name or automatic, dtype)
        self._given = given
        self._takes_weights = "sample_weight" in inspect.signature(given.update).parameters

    @torch.no_grad()
    def update(
        self,
        y_pred: torch.Tensor,
        y_true: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> None:
        """Adds a batch.

        Args:
            y_pred: outputs of the model, (N, ...).
            y_true: targets.
            sample_weight: (N,).
            mask: ignored.

        Raises:
            ValueError: there are weights, and `update` of the object takes none.
        """
        if sample_weight is None:
            self._given.update(y_pred, y_true)
            return
        if not self._takes_weights:
            raise ValueError(
                f"the weighted metric {self.name}: its update takes no weights; expected "
                "update(y_pred, y_true, sample_weight=None), or the metric in Port(metrics=...)"
            )
        self._given.update(y_pred, y_true, sample_weight=sample_weight)

    def result(self) -> torch.Tensor:
        """Returns what `compute` says of all batches since the last reset."""
        return torch.as_tensor(self._given.compute(), dtype=self.dtype)

    def reset(self) -> None:
        """Forgets all batches."""
        super().reset()
        if hasattr(self, "_given"):  # the base class resets before there is any
            self._given.reset()
