"""PortFeed: batches of Keras's trace as the arguments of a port's module, and of its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.port.feeding import Feeding, has_channels_first, on_device
from parity.halves.torch.port.portable import (
    as_returned,
    channels_first,
    from_returned,
    in_order,
)
from parity.halves.torch.port.traced_axes import Axes
from parity.traces.trace import Trace, keyed
from torch_impl.port import Port
from torch_impl.trainer.nests import mapped

Change = Callable[[np.ndarray], np.ndarray]


class PortFeed:
    """What a port under test is fed.

    Attributes:
        module: the network.
        built: the port.
        keras: what Keras computed.
        device: on which the port computes.
        dtype: in which it computes.
        has_columns: whether labels are fed as (N, 1).
        turned_targets: shape of a sample of the targets that are fed in the layout of the port's
            output, by the name of the output; of the only one by "".
        returned: order of the axes in which the only output is Keras's; None: its shape tells it.
        input_change: what is made of floating inputs first, and of the whole numbers of the only
            input; None: they are fed as they are.
    """

    module: nn.Module
    built: Port
    keras: Trace
    device: str
    dtype: str
    has_columns: bool
    turned_targets: Mapping[str, Sequence[int]]
    returned: Axes | None
    input_change: Change | None = None

    def feed_as(self, feeding: Feeding) -> None:
        """Feeds the module as its arguments say first; other ways are tried later."""
        self.has_columns, self.turned_targets = False, {}
        self._is_turned = True  # whether images are fed with channels first
        self._is_stored_anew = False  # whether what `feed` returns is put into row-major order
        self._feeding = feeding
        self._forms = feeding.forms(self.module.forward)
        self._form = self._forms[0]

    @contextmanager
    def computing(self, dtype: str) -> Iterator[None]:
        """Feeds the module in another dtype in the block; its tensors are of it already."""
        before, self.dtype = self.dtype, dtype
        try:
            yield
        finally:
            self.dtype = before

    @property
    def fed(self) -> str:
        """How images and sequences are fed to the network, in words for the user."""
        if self.built.feed is not None:
            return "fed by the port's own `feed`"
        is_first = any(map(self.turns, self.batch("probe")))
        return "fed with channels first" if is_first else "fed as Keras is"

    @property
    def channels_last(self) -> bool:
        """Whether the network takes images in Keras's layout."""
        return bool(getattr(self.module, "channels_last", False))

    def arguments(self, purpose: str) -> tuple[Any, ...]:
        """Returns the arguments of the module for a recorded batch."""
        return self.arguments_of(self.batch(purpose))

    def arguments_of(self, arrays: Sequence[np.ndarray]) -> tuple[Any, ...]:
        """Returns the arguments of the module for the inputs of a batch, in Keras's layout."""
        arrays = [self.cast(self._changed(array, len(arrays) == 1)) for array in arrays]
        moved: tuple[Any, ...]
        if self.built.feed is None:
            moved = on_device(self._form([self._fed(array) for array in arrays]), self.device)
        else:
            fed = self._feeding.call(self.built.feed, arrays)
            moved = on_device(fed if isinstance(fed, tuple) else (fed,), self.device)
            if self._is_stored_anew:
                moved = tuple(in_order(x) if isinstance(x, torch.Tensor) else x for x in moved)
        return moved

    def _changed(self, array: np.ndarray, is_only: bool) -> np.ndarray:
        if self.input_change is None or not (array.dtype.kind == "f" or is_only):
            return array
        return self.input_change(array.astype(self.dtype))

    def batch(self, purpose: str) -> list[np.ndarray]:
        """Returns the inputs of a recorded batch in Keras's layout."""
        arrays: list[np.ndarray] = []
        while (key := f"input/{purpose}/{len(arrays)}") in self.keras:
            arrays.append(self.keras[key])
        return arrays

    def _fed(self, array: np.ndarray) -> torch.Tensor:
        tensor = self.tensor(array)
        return channels_first(tensor) if self.turns(array) else tensor

    def turns(self, array: np.ndarray) -> bool:
        """Whether an input is fed with channels first: an image, or a signal for such a layer."""
        may_turn = not self.channels_last and self._is_turned
        return may_turn and has_channels_first(array, self.keras.facts["nodes"])

    def target_of(self, arrays: Any) -> Any:
        """Returns targets as the loss takes them: of the only output, or of several by name."""
        if self.built.target is not None:
            return on_device(self.built.target(mapped(self.cast, arrays)), self.device)
        if self.has_columns and arrays.ndim == 1:  # of one output
            arrays = arrays[:, None]
        if self.turned_targets and isinstance(arrays, Mapping):
            arrays = {name: self._as_output(name, array) for name, array in arrays.items()}
        elif self.turned_targets:
            arrays = self._as_output("", arrays)
        return mapped(lambda array: on_device(self.tensor(array), self.device), arrays)

    def _as_output(self, name: str, array: np.ndarray) -> np.ndarray:
        """Returns the targets of an output in the layout of the port's, if its loss needs them."""
        if name not in self.turned_targets:
            return array
        shape = (len(array), *self.turned_targets[name])
        return as_returned(array, shape, None if name else self.returned)

    def targets_as_keras(self, targets: Any) -> Any:
        """Returns what `target_of` has made of targets in Keras's layout again."""
        if isinstance(targets, Mapping):
            return {name: self._as_keras(name, tensor) for name, tensor in targets.items()}
        return self._as_keras("", targets)

    def _as_keras(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        if name not in self.turned_targets:
            return tensor
        shape = self.keras[keyed("target/probe", name)].shape
        return from_returned(tensor, shape, None if name else self.returned)

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """Returns an array of Keras as a tensor; real numbers in the dtype of the check."""
        return torch.from_numpy(np.array(self.cast(array)))

    def cast(self, array: np.ndarray) -> np.ndarray:
        """Returns an array with its real numbers in the dtype of the check."""
        return array.astype(self.dtype) if array.dtype.kind == "f" else array
