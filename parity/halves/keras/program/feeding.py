"""What is fed to `fit` and is known only when it has been fed: noted during a training.

A reference goes in, and the names of what it is fed. Its callbacks with one more, the nests of its
flows and the ends of its validations come out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from keras_impl.reference import Reference
from parity.data.augmented import put_draws
from parity.halves.keras.program.flow import Flow
from parity.traces.trace import TraceWriter
from parity.traces.training_recorder import is_recorded_step


class Feeding:
    """Notes what a training is fed.

    Args:
        reference: what is trained.
        fed: names of what it is fed, of `fed_arrays`.
    """

    def __init__(self, reference: Reference, fed: Iterable[str]) -> None:
        given = {"train_flow": reference.x, "val_flow": reference.validation_data}
        self.flows = {name: Flow(given[name]) for name in fed if name in given}
        self._nests: dict[str, Any] | None = None
        self._passes = _Passes(self.flows.get("train_flow"), self.flows.get("val_flow"))
        callbacks = [*reference.callbacks, self._passes]
        self.reference = dataclasses.replace(reference, callbacks=callbacks)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notes what is fed in the block."""
        with ExitStack() as stack:
            for flow in self.flows.values():
                stack.enter_context(flow.watched(is_recorded_step))
            yield

    def nests(self) -> dict[str, Any]:
        """Returns the arrays and the draws of the flows, by name; called after the training."""
        if self._nests is None:
            self._nests = {name: flow.told() for name, flow in self.flows.items()}
        return self._nests

    def settings(self) -> dict[str, Any]:
        """Returns the settings of the flows, and where validations end, ready for JSON."""
        return {
            "flows": {name: flow.settings() for name, flow in self.flows.items()},
            "val_ends": self._passes.val_ends,
        }

    def write(self, writer: TraceWriter) -> None:
        """Writes the images of training that a flow has made, and what it has drawn."""
        flow = self.flows.get("train_flow")
        if flow is None:
            return
        writer.facts["augment"] = flow.settings()["arguments"]
        writer.put("training/image_sums", flow.sums)
        told = self.nests()["train_flow"]
        put_draws(writer, told["sizes"], told["index"], told["drawn"])
        for step, images in flow.images.items():
            if step <= len(flow.sums):
                writer.put(f"training/images/{step}", images)


class _Passes(keras.callbacks.Callback):
    """Counts batches, and tells flows when a pass over theirs begins and ends.

    Args:
        train: of training, or None.
        validation: of validation, or None.

    Attributes:
        val_ends: number of batches of validation after each validation.
    """

    def __init__(self, train: Flow | None, validation: Flow | None) -> None:
        super().__init__()
        self._train, self._validation = train, validation
        self._steps = self._test_steps = 0
        self.val_ends: list[int] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first step."""
        if self._train is not None:
            self._train.begin()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After every step."""
        self._steps += 1

    def on_train_end(self, logs: Any = None) -> None:
        """After the last step."""
        if self._train is not None:
            self._train.end(self._steps)

    def on_test_begin(self, logs: Any = None) -> None:
        """Before a validation."""
        if self._validation is not None:
            self._validation.begin()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After every batch of a validation."""
        self._test_steps += 1

    def on_test_end(self, logs: Any = None) -> None:
        """After a validation."""
        if self._validation is not None:
            self._validation.end()
        self.val_ends.append(self._test_steps)
