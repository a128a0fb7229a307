"""What a Keras model makes small: the losses of its outputs, for targets and weights of samples.

A model and what it returns go in. For each batch of a probe, targets and weights that `fit` could
get come out, by the name of the output ("" for the only one), and the loss that they give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data.samples import Samples
from parity.errors import InputError, told
from parity.halves.keras import versions
from parity.halves.keras.check.given import GivenTargets
from parity.halves.keras.check.output_losses import losses_of, name_of, weights_of
from parity.halves.keras.check.outputs import flat_names, outputs_of, packed
from parity.halves.keras.check.own_steps import own_steps
from parity.halves.keras.check.sample_weights import weights_of_batch
from parity.halves.keras.check.sequence_masks import targets_of
from parity.halves.keras.check.target_forms import DATA, Forms, found_form, kind_of
from parity.halves.keras.loss_constants import moved_loss
from parity.traces.trace import TraceWriter, keyed


@dataclass(frozen=True)
class Batch:
    """Targets and weights of a batch, by the name of the output; weights are None without any."""

    targets: dict[str, np.ndarray]
    weights: dict[str, np.ndarray | None] = field(default_factory=dict)

    @property
    def has_weights(self) -> bool:
        """Whether samples have weights."""
        return any(weight is not None for weight in self.weights.values())


def compute_loss(*_: Any) -> Any:
    """Stands for the loss of a model that `compile` gives none."""
    raise NotImplementedError("the model computes it: see `Objective.value`")


def _adds_alone(model: keras.Model) -> bool:
    """Whether all that a compiled model makes small is what its layers gave to `add_loss`."""
    is_compiled = getattr(model, "optimizer", None) is not None
    return is_compiled and any(getattr(each, "_losses", None) for each in model._flatten_layers())


class Objective:
    """The losses of a model's outputs.

    Args:
        reference: the model, and what `fit` gets.
        samples: of the probe.
        output: of the model, for some batch: it tells structure and shapes.
        kinds: of the targets, if they are known from another pass.

    Raises:
        InputError: the file of the samples lacks targets.

    Attributes:
        names: of the outputs, in the order in which Keras flattens them.
        losses: of each output, as `compile` got it; None: it has none.
        loss_weights: of the outputs that have a loss.
        is_own: whether the model, and not the losses of outputs, says what is made small: by a
            `compute_loss` of the user's, or by `add_loss` alone.
        kinds: of the targets of each output: see `Samples.drawn_targets`; "data": rows of those
            that `fit` gets.
        problem: why no targets are known; "": they are.
    """

    def __init__(
        self,
        reference: Reference,
        samples: Samples,
        output: Any,
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        self.reference, self.samples = reference, samples
        self.is_perturbed = False  # whether constants that Keras rounds are moved
        model = reference.model
        parts = outputs_of(model, output)
        self._parts, self._output = parts, output
        self.losses = losses_of(model, output, parts)
        self.is_own = "compute_loss" in own_steps(model)
        if not any(self.losses.values()) and (self.is_own or _adds_alone(model)):
            self.is_own, self.losses = True, dict.fromkeys(self.losses, compute_loss)
        weights = weights_of(model, output, parts)
        self.loss_weights = {n: weights.get(n, 1.0) for n, x in self.losses.items() if x}
        self.shapes = {n: tuple(p.shape[1:]) for n, p in (parts or {"": output}).items()}
        self.names = flat_names(output, parts) if parts else [""]
        self._given = GivenTargets(reference, self.names)
        self.kinds, self.problem = (dict(kinds), "") if kinds else self._found(output)

    @property
    def is_one(self) -> bool:
        """Whether the model has one output."""
        return not self._parts

    @property
    def model(self) -> keras.Model:
        """The model."""
        return self.reference.model

    def _found(self, output: Any) -> tuple[dict[str, str], str]:
        """Returns the kind of targets of each output, and why one is not known."""
        kinds: dict[str, str] = {}
        parts = self._parts or {"": output}
        for name, loss in self.losses.items():
            needs = loss is not None and not self.is_own
            if needs and self.samples.has_data and not self._is_of_file(name):
                lacking = f"y_{name}, the targets of that output" if name else "y, the targets"
                raise InputError(f"--data: the file has no {lacking}, which the loss needs")
            kind, has_form = kind_of(loss)
            if loss is None or has_form or self.is_own or self._is_of_file(name):
                is_given = loss is compute_loss and self._given.of(name) is not None
                kinds[name] = DATA if is_given else kind
                continue
            form = found_form(loss, self._forms(name, kind), parts[name])
            if not form.name:
                said = name_of(loss)
                of = f" of the output {name}" if name else ""
                return {}, f"the loss {said}{of} {form.problem}"
            kinds[name] = form.name
        return kinds, ""

    def _forms(self, name: str, kind: str) -> Forms:
        num = int(self._output_of(name).shape[0])
        return Forms(
            kind,
            self._given.of(name) is not None,
            lambda form: self._target(name, "probe", num, form),
        )

    def problem_of(self, output: Any, num: int) -> str:
        """Returns why the model has no loss for its targets; "" if it has one.

        Args:
            output: of the model.
            num: of its samples.

        Raises:
            InputError: `fit` refuses the weights of the samples.
        """
        batch = self.batch("probe", num)
        try:
            self.value(output, batch)
        except Exception as error:  # Keras, or a loss of the user, may raise anything
            whose = "those that `fit` gets" if self.has_given else "those that were drawn"
            return f"Keras raises for {whose} ({told(error)})"
        return ""

    @property
    def has_given(self) -> bool:
        """Whether the targets of an output are of the data, and not drawn."""
        return "data" in self.kinds.values()

    def _output_of(self, name: str) -> Any:
        return self._parts[name] if name else self._output

    def batch(
        self, purpose: str, num: int, counts: Mapping[str, np.ndarray] | None = None
    ) -> Batch:
        """Returns targets and weights for a batch.

        Args:
            purpose: of the batch: "probe", "step1", ...
            num: of its samples.
            counts: where those outputs count that carry a mask: targets that are drawn are told by
                their class there, see `targets_of`.
        """
        targets = {
            name: self._target(name, purpose, num, kind) for name, kind in self.kinds.items()
        }
        for name, where in (counts or {}).items():
            if name in targets and not self._is_of_file(name):
                kind, num_classes = self.kinds[name], self.shapes[name][-1]
                targets[name] = targets_of(targets[name], kind, where, num_classes)
        return self.weighted(purpose, targets)

    def weighted(self, purpose: str, targets: dict[str, np.ndarray]) -> Batch:
        """Returns given targets with weights."""
        return Batch(
            targets, weights_of_batch(self.reference, self.samples, purpose, targets, self.names)
        )

    def _target(self, name: str, purpose: str, num: int, kind: str) -> np.ndarray:
        if kind == DATA:
            y = self._given.of(name)
            assert y is not None
            rows: np.ndarray = y[self.samples.rows(purpose, num, len(y))]
            return rows
        return self.samples.targets(purpose, num, kind, self.shapes[name], name)

    def _is_of_file(self, name: str) -> bool:
        """Whether the targets of an output are those of `--data`."""
        return name in self.samples.given_targets

    def confident(self, name: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns outputs before the activation with growing confidence, and their targets."""
        kind = self.kinds[name]
        linear, y = Samples.confident(
            self.samples.seed, "values" if kind == DATA else kind, self.shapes[name], dtype, name
        )
        return linear, self._target(name, "confident", len(linear), DATA) if kind == DATA else y

    # --- the loss --------------------------------------------------------------------------------

    def packed(self, by_name: Mapping[str, Any]) -> Any:
        """Returns what belongs to each output in the structure in which the model returns them."""
        return packed(self._output, self._parts, by_name)

    def value(self, output: Any, batch: Batch) -> Any:
        """Returns the loss that training minimises, with penalties: a scalar."""
        weights = self.packed(batch.weights) if batch.has_weights else None
        targets = self.packed(batch.targets)

        def compute() -> Any:
            return versions.loss_of(self.model, targets, output, weights)

        return self._moved(compute)

    def _moved(self, compute: Callable[[], Any]) -> Any:
        """Returns a loss, in a perturbed pass moved by as much as its constants may change it."""
        # A `compute_loss` of the user's may draw numbers, which a second call would change.
        return moved_loss(compute) if self.is_perturbed and not self.is_own else compute()

    def parts(self, output: Any, batch: Batch) -> dict[str, Any]:
        """Returns the loss of each of several outputs, without its weight and without penalties.

        Empty for one output, and where the model computes its loss itself.
        """
        compiled = getattr(self.model, "_compile_loss", None)
        if self.is_one or compiled is None or self.is_own:
            return {}
        outputs = outputs_of(self.model, output)
        found: dict[str, Any] = {}
        for name, loss in self.losses.items():
            if loss is not None:
                compute = versions.loss_of_output(loss, batch.targets[name], outputs[name])
                value = self._moved(partial(compute, batch.weights.get(name)))
                found[name] = tf.cast(value, tf.float64)
        return found

    def put(self, batch: Batch, purpose: str, writer: TraceWriter) -> None:
        """Writes `target/PURPOSE` and `weight/PURPOSE`, of several outputs with their names.

        Weights that are for all outputs have no name. Those of classes are not written: a port
        computes them of the targets.
        """
        for name, array in batch.targets.items():
            writer.put(keyed(f"target/{purpose}", name), array)
        if self.reference.class_weight is None:
            self.put_weights(batch, purpose, writer)

    def put_weights(self, batch: Batch, purpose: str, writer: TraceWriter) -> None:
        """Writes `weight/PURPOSE`."""
        given = {name: each for name, each in batch.weights.items() if each is not None}
        if hasattr(self.reference.sample_weight, "shape"):  # those of all outputs
            given = dict(zip([""], given.values(), strict=False))
        for name, weights in given.items():
            writer.put(keyed(f"weight/{purpose}", name), weights)
