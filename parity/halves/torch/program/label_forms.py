"""The form of the labels that a port takes which is trained by itself.

`fit` takes labels (N,) and (N, 1) alike, and a loss one of them. Labels that are like an output,
such as images, are in Keras's layout, or in that of the port's output if the loss refuses Keras's:
the rule of a check (parity/halves/torch/check/taken_targets.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch

from parity.halves.torch.port.portable import channels_first
from torch_impl.losses.logits import channels_last
from torch_impl.losses.outputs import OutputLosses, by_output


class LabelForms:
    """Puts labels into the form of a loss, and back into Keras's.

    An output has a name if there are several; the only one has "".
    """

    def __init__(self) -> None:
        self._columns = frozenset[str]()  # outputs whose labels are fed as (N, 1)
        self._turned = frozenset[str]()  # outputs whose labels are fed with channels first

    def see(self, loss: Any, output: Any, labels: Any) -> None:
        """Looks at a first batch.

        Args:
            loss: of the port; None: it has none.
            output: of the module, for that batch; a mapping or in order if Keras has several.
            labels: for the loss, in Keras's layout: a tensor, or tensors by name.
        """
        parts = _by_name(loss, output, labels)
        self._columns = frozenset(name for name, part in parts.items() if _needs_column(*part))
        self._turned = frozenset(name for name, part in parts.items() if _needs_turning(*part))

    def fed(self, labels: Any) -> Any:
        """Returns labels in the form that the loss takes."""
        labels = self._changed(labels, self._columns, _column)
        return self._changed(labels, self._turned, channels_first)

    def as_keras(self, labels: Any) -> Any:
        """Returns what `fed` has made of labels in Keras's layout again."""
        return self._changed(labels, self._turned, channels_last)

    def _changed(
        self, labels: Any, names: frozenset[str], change: Callable[[torch.Tensor], torch.Tensor]
    ) -> Any:
        if "" in names:
            return change(labels)
        if not names:
            return labels
        return {name: change(each) if name in names else each for name, each in labels.items()}


def _by_name(loss: Any, output: Any, labels: Any) -> dict[str, tuple[Any, Any, Any]]:
    """Returns loss, output and labels of each output; of one function of several there are none."""
    if isinstance(labels, torch.Tensor):
        found = {} if loss is None or not isinstance(output, torch.Tensor) else {"": labels}
        return {name: (loss, output, each) for name, each in found.items()}
    if not isinstance(loss, OutputLosses) or not isinstance(labels, Mapping):
        return {}
    given = by_output(output, loss.names, "outputs of the port")
    return {
        name: (loss.of(name), given[name], each)
        for name, each in labels.items()
        if loss.of(name) is not None and isinstance(given.get(name), torch.Tensor)
    }


def _needs_column(loss: Any, output: torch.Tensor, labels: Any) -> bool:
    """Whether a loss takes labels (N,) as (N, 1) alone."""
    if not isinstance(labels, torch.Tensor) or labels.ndim != 1:
        return False
    works = [
        all(_value(loss, output[:n], form[:n]) is not None for n in (1, len(output)))
        for form in (labels, _column(labels))
    ]
    return works == [False, True]


def _needs_turning(loss: Any, output: torch.Tensor, labels: Any) -> bool:
    """Whether a loss takes labels like images with channels first alone."""
    if not isinstance(labels, torch.Tensor) or labels.ndim < 3:
        return False
    shape = output.shape[1:]
    if shape == labels.shape[1:] or shape != channels_first(labels).shape[1:]:
        return False
    kept, turned = (_value(loss, output, each) for each in (labels, channels_first(labels)))
    return kept is None and turned is not None


def _value(loss: Any, output: torch.Tensor, labels: torch.Tensor) -> float | None:
    """Returns what a loss says; None if it fails."""
    try:
        with warnings.catch_warnings():  # of shapes that broadcast: that is what is looked for
            warnings.simplefilter("ignore")
            return float(loss(output, labels))
    except Exception:  # the code of the port may raise anything
        return None


def _column(labels: torch.Tensor) -> torch.Tensor:
    return labels[:, None]
