"""Metric: the base class of all metrics."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import torch

from torch_impl.metrics.names import snake_case

EPSILON = 1e-7  # `keras.config.epsilon()`, unless a program has changed it


class Metric(abc.ABC):
    """A number of many batches: `update` adds a batch, `result` computes, `reset` forgets all.

        accuracy = SparseCategoricalAccuracy()
        accuracy.update(y_pred, y_true)
        accuracy.result()

    Differs from Keras in:
    1. outputs come before targets, as in `torch_impl.losses`;
    2. two metrics of a class have the same automatic name. Keras numbers them through the whole
       process, `auc`, `auc_1`: the name then depends on what was made before;
    3. tensors whose shapes do not fit are an error. TensorFlow broadcasts some of them.

    Masks: Keras's means of functions (`MeanMetricWrapper` and all metrics that are one) multiply
    their weights by the mask. All other metrics ignore a mask, in Keras as here.

    Args:
        name: under which the history lists the metric; None means the class in snake case.
        dtype: of what is added up and of the result, for example `torch.float64` or "float64"; None
            means `torch.get_default_dtype()`, which stands for Keras's floatx. Keras 3.15 keeps
            counts of true and false positives and the sums of `R2Score` in floatx, whatever `dtype`
            is.

    Attributes:
        direction: "up" if more is better, "down" if less is better, None if Keras does not say.
    """

    direction: str | None = None

    def __init__(self, name: str | None = None, dtype: torch.dtype | str | None = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self.dtype = to_dtype(dtype)
        self._initial: dict[str, torch.Tensor] = {}
        self._state: dict[str, torch.Tensor] = {}

    @abc.abstractmethod
    def update(self, *args: Any, **kwargs: Any) -> None:
        """Adds a batch: (y_pred, y_true, sample_weight=None, mask=None), unless a metric says else.

        What is added up moves to the device of the batch.
        """

    @abc.abstractmethod
    def result(self) -> torch.Tensor:
        """Returns the metric of all batches since the last reset."""

    def __call__(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Adds a batch, and returns the metric of all batches so far, not of this batch alone."""
        self.update(*args, **kwargs)
        return self.result()

    def reset(self) -> None:
        """Forgets all batches, as Keras does before each epoch and each validation."""
        self._state = dict(self._initial)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Returns copies of what is added up, under the names of Keras's variables."""
        return {name: value.clone() for name, value in self._state.items()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restores what `state_dict` returned.

        Raises:
            ValueError: the names or a dtype are others, or a shape is not that of this metric.
        """
        if set(state) != set(self._initial):
            raise ValueError(f"state has {sorted(state)}: expected {sorted(self._initial)}")
        for name, value in state.items():
            initial = self._initial[name]
            if value.dtype != initial.dtype:
                raise ValueError(f"{name} is {value.dtype}: expected {initial.dtype}")
            if not _is_begun_as(value, initial):
                raise ValueError(
                    f"{name} has shape {tuple(value.shape)}: expected {_shape_told(initial)}"
                )
        for name, value in state.items():
            initial = self._initial[name]
            is_fresh = value.shape == initial.shape and not value.any()
            self._state[name] = initial if is_fresh else value.clone()

    def _begin(self, **shapes: tuple[int, ...]) -> None:
        """Sets what is added up to zeros. An axis of 0 gets its length from the first batch."""
        self._initial = {
            name: torch.zeros(shape, dtype=self.dtype) for name, shape in shapes.items()
        }
        self.reset()

    def _add(self, **amounts: torch.Tensor) -> None:
        for name, amount in amounts.items():
            state = self._state[name]
            if state is self._initial[name] and not state.numel():
                state = torch.zeros(amount.shape, dtype=self.dtype)
            if state.shape != amount.shape:
                raise ValueError(
                    f"{self.name}: the batch has {amount.shape[-1]} columns, earlier ones had "
                    f"{state.shape[-1]}: expected the same number"
                )
            self._state[name] = state.to(amount.device) + amount.to(self.dtype)

    def _filled(self, name: str) -> torch.Tensor:
        """What was added up under a name; an error if its shape is not known yet."""
        if not self._state[name].numel():
            raise ValueError(f"{self.name} has no batch yet: call update before result")
        return self._state[name]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, dtype={self.dtype})"


def to_dtype(dtype: torch.dtype | str | None) -> torch.dtype:
    """Returns the dtype of that name, or torch's default dtype for None."""
    if dtype is None:
        return torch.get_default_dtype()
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype):
        raise ValueError(f"dtype={dtype!r}: expected a torch dtype or its name, such as 'float64'")
    return found


def check_pair(y_pred: torch.Tensor, y_true: torch.Tensor) -> None:
    """Raises a ValueError unless outputs and targets have one shape."""
    if y_pred.shape != y_true.shape:
        raise ValueError(
            f"y_true has shape {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}: expected the "
            "same shape"
        )


def _is_begun_as(value: torch.Tensor, initial: torch.Tensor) -> bool:
    """Whether a value has the shape of the initial one, whose axes of 0 may have any length."""
    return value.ndim == initial.ndim and all(
        expected in (0, actual) for expected, actual in zip(initial.shape, value.shape, strict=True)
    )


def _shape_told(initial: torch.Tensor) -> str:
    return str(tuple(size or "any" for size in initial.shape)).replace("'", "")
