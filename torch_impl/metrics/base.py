"""Metric: the base class of all metrics, with names, sample weights, sums and means."""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from torch_impl.losses.reduction import Loss, divide_no_nan, merge_weights, same_rank
from torch_impl.masks import mask_of

# --- Names of metrics: the automatic one of a class, and those of the history ---------------------
#
# Source: keras 3.15 `utils/naming.py`, `trainers/compile_utils.py` (`CompileMetrics.result`).


Names = Sequence[str] | Mapping[str, Sequence[str]]


def snake_case(name: str) -> str:
    """Returns Keras's name for a class: "AUC" is "auc", "MeanIoU" is "mean_io_u"."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def history_names(metrics: Names, weighted_metrics: Names = ()) -> list[str]:
    """Returns the keys under which Keras lists metrics, in the order of the metrics.

    A name that is there already gets a number: `auc`, `auc_1`. With several outputs, the name of
    the output comes first: `digit_auc`. A weighted metric gets "weighted_" only if its name is
    there already. A history adds "loss" and, of the validation, "val_"; it sorts the keys.

    Keras can make the same key twice, from the names `auc`, `auc_1`, `auc`. It then keeps the last
    metric alone.

    Args:
        metrics: names of what `compile(metrics=...)` got, in its order. With several outputs, a
            dictionary from the name of each output, in the order of the model.
        weighted_metrics: the same of `compile(weighted_metrics=...)`.
    """
    counts: dict[str, int] = {}
    names = [_numbered(prefix + name, counts) for prefix, name in _prefixed(metrics)]
    for prefix, name in _prefixed(weighted_metrics):
        is_listed = prefix + name in counts
        names.append(_numbered(f"{prefix}{'weighted_' if is_listed else ''}{name}", counts))
    return names


def _prefixed(metrics: Names) -> Iterator[tuple[str, str]]:
    if isinstance(metrics, str):
        raise ValueError(f"metrics={metrics!r}: expected a list of names, or a dictionary of lists")
    if isinstance(metrics, Mapping):
        for output, names in metrics.items():
            yield from ((f"{output}_", name) for name in names)
    else:
        yield from (("", name) for name in metrics)


def _numbered(name: str, counts: dict[str, int]) -> str:
    count = counts.get(name, 0)
    counts[name] = count + 1
    return f"{name}_{count}" if count else name


# --------------------------------------------------------------------------------------------------
#
# Sample weights by Keras's rules: from values of any rank to one value and one weight a sample.
#
# Source: keras 3.15 `metrics/reduction_metrics.py` (`reduce_to_samplewise_values`).


# Reduces a tensor over some of its axes, as torch.sum and torch.mean do.
Reduce = Callable[[torch.Tensor, list[int]], torch.Tensor]


def samplewise(
    values: torch.Tensor,
    sample_weight: torch.Tensor | None,
    mask: torch.Tensor | None,
    reduce: Reduce,
    dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Returns weighted values and weights, each reduced to one number a sample.

    Axes that the weights lack are reduced before the weights multiply. Other axes but the first are
    reduced afterwards, of the weights as well. A weight without axes reduces all axes of the
    values, and so counts as one sample.

    Args:
        values: (N, ...), or a scalar.
        sample_weight: (), (N,), (N, 1), or with more axes of the values.
        mask: true where a value counts; it counts only if there are sample weights, as in Keras.
        reduce: torch.mean or torch.sum.
        dtype: of the results.

    Returns:
        Values, (N,) or a scalar; weights in the same shape, None if there are none.

    Raises:
        ValueError: the weights cannot be broadcast to the values.
    """
    values = values.to(dtype)
    weight = None
    if sample_weight is not None:
        weight = merge_weights(sample_weight, mask, dtype, "sum")
    if weight is not None:
        values, weight = same_rank(values, weight)
        num_axes = weight.ndim
        values = _reduced(values, num_axes, reduce)
        weight = broadcast_weight(weight, values.shape)
        values = values * weight
        weight = _reduced(weight, 1, reduce) if num_axes > 1 else weight
    return _reduced(values, 1, reduce), weight


def broadcast_weight(weight: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Returns weights in a shape, or raises a ValueError that names both shapes."""
    try:
        return weight.broadcast_to(shape)
    except RuntimeError as error:
        raise ValueError(
            f"sample_weight has shape {tuple(weight.shape)}: expected a shape that broadcasts to "
            f"{tuple(shape)}, such as one weight a sample"
        ) from error


def _reduced(x: torch.Tensor, first: int, reduce: Reduce) -> torch.Tensor:
    """Reduces all axes from `first` on."""
    return reduce(x, list(range(first, x.ndim))) if x.ndim > first else x


# --- Metric: the base class of all metrics --------------------------------------------------------


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
            if not _has_shape_of(value, initial):
                raise ValueError(
                    f"{name} has shape {tuple(value.shape)}: expected {_shape_text(initial)}"
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


def _has_shape_of(value: torch.Tensor, initial: torch.Tensor) -> bool:
    """Whether a value has the shape of the initial one, whose axes of 0 may have any length."""
    return value.ndim == initial.ndim and all(
        expected in (0, actual) for expected, actual in zip(initial.shape, value.shape, strict=True)
    )


def _shape_text(initial: torch.Tensor) -> str:
    return str(tuple(size or "any" for size in initial.shape)).replace("'", "")


# --- Sum and Mean of values, and the mean of a function of outputs and targets --------------------
#
# Source: keras 3.15 `metrics/reduction_metrics.py`.


class Sum(Metric):
    """sum(weight * values). Axes that the weights lack are added up first."""

    def __init__(self, name: str | None = "sum", dtype: torch.dtype | str | None = None) -> None:
        super().__init__(name, dtype)
        self._begin(total=())

    @torch.no_grad()
    def update(
        self,
        values: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> None:
        """Adds values of any shape; the rest as for `Mean.update`."""
        values, _ = samplewise(values, sample_weight, mask, torch.sum, self.dtype)
        self._add(total=values.sum())

    def result(self) -> torch.Tensor:
        """Returns the sum, a scalar."""
        return self._state["total"]


class Average(Metric):
    """Base of `Mean` and of means of functions: sum(weight * value) / sum(weight)."""

    def __init__(self, name: str | None = None, dtype: torch.dtype | str | None = None) -> None:
        super().__init__(name, dtype)
        self._begin(total=(), count=())

    def _average(
        self,
        values: torch.Tensor,
        sample_weight: torch.Tensor | None,
        mask: torch.Tensor | None,
    ) -> None:
        values, weight = samplewise(values, sample_weight, mask, torch.mean, self.dtype)
        count = values.new_tensor(values.numel()) if weight is None else weight.sum()
        self._add(total=values.sum(), count=count)

    def result(self) -> torch.Tensor:
        """Returns the mean, a scalar; 0 if the weights add up to 0, or without any batch."""
        return divide_no_nan(self._state["total"], self._state["count"])


class Mean(Average):
    """sum(weight * values) / sum(weight), where each sample first becomes the mean of its values.

    A batch without weights counts as many samples as it has rows, a scalar as one.
    """

    def __init__(self, name: str | None = "mean", dtype: torch.dtype | str | None = None) -> None:
        super().__init__(name, dtype)

    @torch.no_grad()
    def update(
        self,
        values: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> None:
        """Adds values.

        Args:
            values: (N, ...) of any dtype, or a scalar.
            sample_weight: see `torch_impl.metrics.base.samplewise`.
            mask: true where a value counts. As in Keras, it has no effect without sample weights.

        Raises:
            ValueError: the weights cannot be broadcast to the values.
        """
        self._average(values, sample_weight, mask)


class MeanMetricWrapper(Average):
    """The mean of a function of outputs and targets, as `compile(metrics=[function])` makes it.

    Args:
        fn: takes (y_pred, y_true, **kwargs), outputs first, and returns values, (N, ...). A loss
            of `torch_impl.losses` returns one number a batch, which counts as one sample.
        name: see `Metric`.
        dtype: see `Metric`; the function computes in the dtype of the outputs.
        **kwargs: of the function.
    """

    def __init__(
        self,
        fn: Callable[..., torch.Tensor],
        name: str | None = None,
        dtype: torch.dtype | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, dtype)
        self._fn, self._settings = fn, kwargs
        if isinstance(fn, Loss):
            self.direction = "down"

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
            sample_weight: (N,), or in the shape of the values of the function.
            mask: true where a value counts, in the shape of the values; it multiplies the weights.
                None: that which `y_pred` carries (see `torch_impl.masks`), if it carries one.

        Raises:
            ValueError: shapes do not fit.
        """
        mask = mask_of(y_pred) if mask is None else mask
        values = self._fn(y_pred, y_true, **self._settings)
        weight = merge_weights(sample_weight, mask, self.dtype, "sum")
        self._average(values, weight, self._values_mask(y_pred, y_true))

    def _values_mask(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor | None:
        """Which values count if the function itself says that, else None."""
        return None
