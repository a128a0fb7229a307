"""What a Keras model makes small: the losses of its outputs, for targets and weights of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.data.samples import Samples
from parity.errors import InputError, error_message
from parity.halves.keras import versions
from parity.halves.keras.check.custom_steps import custom_step_names
from parity.halves.keras.check.sequence_masks import targets_of
from parity.halves.keras.check.structure import (
    flat_names,
    is_nest,
    leaves_by_path,
    outputs_of,
    packed_outputs,
)
from parity.halves.keras.loss_constants import moved_loss
from parity.traces.trace import KerasWriter, keyed

# --- The targets that `fit` gets, as a source of targets for losses of which no form is known -----


class GivenTargets:
    """The arrays of `Reference(y=...)` by the name of the output.

    Args:
        reference: what `fit` gets.
        names: of the outputs, in the order in which Keras flattens them; [""] for the only one.
    """

    def __init__(self, reference: Reference, names: Sequence[str]) -> None:
        self._by_name = by_output(reference.y, names)

    def of(self, name: str) -> np.ndarray | None:
        """Returns the targets of all samples, float64 or int64; None if `fit` gets no arrays."""
        given = self._by_name.get(name)
        if given is None or not hasattr(given, "shape"):
            return None
        array = np.asarray(given)
        if not array.ndim or not len(array) or array.dtype.kind not in "biuf":
            return None
        is_real = array.dtype.kind in "bf"
        return probe_inputs.single(array.astype(np.float64 if is_real else np.int64))


def by_output(nest: Any, names: Sequence[str]) -> dict[str, Any]:
    """Returns what belongs to each output: of a mapping by name, of a list in order.

    Args:
        nest: what `fit` gets as targets or weights: one array is for all outputs.
        names: of the outputs, in the order in which Keras flattens them.
    """
    if isinstance(nest, Mapping):
        flat = dict(leaves_by_path(nest))
        if list(names) == [""]:
            return {"": next(iter(flat.values()), None)}
        return {name: flat.get(name) for name in names}
    if isinstance(nest, tuple | list) and any(map(_is_array_or_nest, nest)):
        return dict(zip(names, (each for _, each in leaves_by_path(nest)), strict=False))
    return dict.fromkeys(names, nest)


def _is_array_or_nest(value: Any) -> bool:
    return value is None or hasattr(value, "shape") or is_nest(value)


# --------------------------------------------------------------------------------------------------
#
# The weights of the samples of a batch, by class or by sample, as `fit` gives them to the loss.
#
# Source: keras 3.15 `trainers/data_adapters/array_data_adapter.py`, `data_adapter_utils.py`.


def sample_weight(reference: Reference, y: np.ndarray) -> np.ndarray | None:
    """Returns the weight of each sample, which is that of its class; None without class weights."""
    if reference.class_weight is None:
        return None
    labels = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y))
    return np.array([float(reference.class_weight.get(int(label), 1.0)) for label in labels])


def weights_of_batch(
    reference: Reference,
    samples: Samples,
    purpose: str,
    targets: Mapping[str, np.ndarray],
    names: Sequence[str],
) -> dict[str, np.ndarray | None]:
    """Returns the weights of a batch by the name of the output; empty without any.

    Weights of classes follow from the targets. Where `fit` gets weights of samples, others of the
    same form are drawn: (N,), or (N, T) for the steps of sequences, in [0.25, 2).

    Args:
        reference: what `fit` gets.
        samples: of the probe.
        purpose: of the batch.
        targets: of the batch, by the name of the output ("" for the only one).
        names: of the outputs, in the order in which Keras flattens them.

    Raises:
        InputError: `fit` refuses such weights.
    """
    if reference.class_weight is not None:
        if list(targets) != [""]:
            raise InputError(
                "class_weight with several outputs: expected sample_weight, as `fit` does"
            )
        if reference.sample_weight is not None:
            raise InputError(
                "Reference has class_weight and sample_weight: expected one of them, as `fit` does"
            )
        return {"": sample_weight(reference, targets[""])}
    if reference.sample_weight is None:
        return {}
    given = by_output(reference.sample_weight, names)
    is_for_all = hasattr(reference.sample_weight, "shape")
    return {
        name: None
        if given.get(name) is None
        else _drawn(samples, f"{purpose}/{'' if is_for_all else name}", y, given[name])
        for name, y in targets.items()
    }


def _drawn(samples: Samples, purpose: str, y: np.ndarray, given: Any) -> np.ndarray:
    """Returns weights of the form of those that `fit` gets."""
    sides = tuple(np.shape(given))[1:]
    draw = probe_inputs.generator(samples.seed, "sample weights", purpose)
    if len(sides) < y.ndim and y.shape[1 : 1 + len(sides)] != sides:
        sides = y.shape[1 : 1 + len(sides)]  # a model that leaves its steps open has others here
    return probe_inputs.single(draw.uniform(0.25, 2.0, size=(len(y), *sides)))


# --- Which loss `compile` gives to which output of a Keras model, and the weight that it has ------
#
# A compiled model and what it returns go in. The loss of each output comes out, by the name of the
# output; that of the only one by the name "".
#
# Source: keras 3.15 `trainers/compile_utils.py` (`CompileLoss`).


# Words of `compile` that mean a crossentropy by the shapes of targets and outputs.
_BY_SHAPE = ("crossentropy", "ce")


def losses_of(model: keras.Model, output: Any, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the loss of each output, as `compile` got it; None: it has none.

    Args:
        model: the model.
        output: what it returns for a batch.
        parts: its outputs by name; empty: there is one.
    """
    return _by_output(getattr(model, "loss", None), output, parts)


def weights_of(model: keras.Model, output: Any, parts: Mapping[str, Any]) -> dict[str, float]:
    """Returns the weight of the loss of each output that has one; 1 if none is given.

    Raises:
        InputError: a weight is no number.
    """
    given = getattr(model, "_loss_weights", None)  # Keras 2 asks the loss
    if given is None:
        of_model = getattr(model, "_compile_loss", None) or getattr(model, "compiled_loss", None)
        given = getattr(of_model, "_user_loss_weights", None)
    losses = losses_of(model, output, parts)
    weights = _by_output(1.0 if given is None else given, output, parts)
    try:
        return {
            name: 1.0 if weights.get(name) is None else float(weights[name])
            for name, loss in losses.items()
            if loss is not None
        }
    except (TypeError, ValueError):
        raise InputError(
            f"compile got loss_weights={given!r}, its third argument; expected numbers; give "
            "metrics by their name: compile(optimizer, loss, metrics=[...])"
        ) from None


def _by_output(given: Any, output: Any, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what belongs to each output: one thing for all, a list in order, or a mapping."""
    if not parts:
        only = [each for _, each in leaves_by_path(given)] if is_nest(given) else [given]
        return {"": next((each for each in only if each is not None), None)}
    if isinstance(given, Mapping):
        by_path = dict(leaves_by_path(given))
        return {name: by_path.get(name) for name in parts}
    if isinstance(given, tuple | list):
        flat = [each for _, each in leaves_by_path(given)]
        names = flat_names(output, parts)
        return dict.fromkeys(parts) | dict(zip(names, flat, strict=False))
    return dict.fromkeys(parts, given)


def name_of(loss: Any) -> str | None:
    """Returns the name of a loss: "sparse_categorical_crossentropy"; None without one."""
    if loss is None or is_nest(loss):
        return None
    if isinstance(loss, str):
        if loss.lower() in _BY_SHAPE:
            return loss.lower()
        found = keras.losses.get(loss)
        return str(getattr(found, "__name__", getattr(found, "name", loss)))
    return str(getattr(loss, "name", getattr(loss, "__name__", type(loss).__name__)))


def is_kerass(loss: Any) -> bool:
    """Whether a loss is one of Keras's, of which it is known what targets it takes."""
    if isinstance(loss, str):
        return True
    kind = loss if hasattr(loss, "__name__") else type(loss)
    function = getattr(loss, "fn", None)
    kinds = [kind] if function is None else [kind, function]
    return all(str(k.__module__).partition(".")[0] in ("keras", "tf_keras") for k in kinds)


def config_of(loss: Any) -> dict[str, Any]:
    """Returns the configuration of a loss object, with what its function gets; empty for others."""
    if not isinstance(loss, keras.losses.Loss):
        return {}
    config: dict[str, Any] = keras.losses.serialize(loss)
    if config:  # the config of a loss may lack an argument of its function, such as Huber's delta
        given = getattr(loss, "_fn_kwargs", {})
        config = {**config, "config": {**given, **config.get("config", {})}}
    return config


# --------------------------------------------------------------------------------------------------
#
# The form of the targets that a loss takes: known of Keras's losses, tried for those of a user.
#
# A loss and outputs go in. The kind of its targets comes out, as `Samples.drawn_targets` draws
# them, or why there is none: a form suits a loss if the loss is a finite number with it and depends
# on the outputs.


DATA = "data"  # rows of the targets that `fit` gets
# Loss -> kind of its targets.
_TARGETS = {
    "sparse_categorical_crossentropy": "classes",
    "categorical_crossentropy": "one_hot",
    "categorical_focal_crossentropy": "one_hot",
    "kl_divergence": "distribution",
    "categorical_hinge": "one_hot",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    "hinge": "binary",
    "squared_hinge": "binary",
    "poisson": "counts",
    "ctc": "labels",
}
# In this order: the first that suits. Values come first, as the most general form.
_TRIED = ("values", "classes", "class", "one_hot", "binary", "flag", "value", "labels")
# Of outputs from 0 to 1, such as a mask of an image: a loss of torch refuses other targets.
_TRIED_OF_SHARES = ("binary", "shares")


@dataclass(frozen=True)
class Forms:
    """What may be tried for an output.

    Attributes:
        first: kind that the name of the loss suggests.
        has_data: whether `fit` gets targets for it.
        drawn: returns the targets of a batch in a form.
    """

    first: str
    has_data: bool
    drawn: Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Found:
    """The form that suits a loss: its name, or "" and why there is none."""

    name: str
    problem: str = ""


def kind_of(loss: Any) -> tuple[str, bool]:
    """Returns the kind of targets that a loss takes, and whether that is known of it."""
    name = name_of(loss) or ""
    if is_kerass(loss):
        return _TARGETS.get(name, "values"), True
    return _TARGETS.get(name, "values"), loss is None


def found_form(loss: Any, forms: Forms, output: Any) -> Found:
    """Returns the first form of targets that suits a loss.

    Args:
        loss: of the user's own.
        forms: that may be tried. Targets of `fit` are the only ones, if there are any.
        output: of the model, of a batch.
    """
    problems: dict[str, str] = {}
    tried: list[str] = [forms.first, *_TRIED]
    if forms.first == "values" and _is_of_shares(output):
        tried = [*_TRIED_OF_SHARES, *tried]
    for form in [DATA] if forms.has_data else dict.fromkeys(tried):
        try:
            problem = _problem(loss, forms.drawn(form), output)
        except Exception as error:  # a loss of the user may raise anything
            problem = error_message(error)
        if not problem:
            return Found(form)
        problems[form] = problem
    if forms.has_data:
        why = f"cannot be computed for the targets of `fit` and this output ({problems[DATA]})"
        return Found("", why)
    why = f"takes targets of none of the forms {', '.join(problems)}"
    return Found("", f"{why} ({next(iter(problems.values()))})")


def _is_of_shares(output: Any) -> bool:
    """Whether each value of an output is from 0 to 1 by itself; those of a softmax add up to 1."""
    array = np.asarray(output)
    is_softmax = array.shape[-1] > 1 and np.allclose(array.sum(-1), 1)
    return bool(array.min() >= 0 and array.max() <= 1 and not is_softmax)


def _problem(loss: Any, y: np.ndarray, output: Any) -> str:
    """Returns why targets do not suit a loss; "" if they do."""
    output = tf.identity(output)  # without the logits that Keras's losses look for
    with tf.GradientTape() as tape:
        tape.watch(output)
        value = versions.loss_of_output(loss, y, output)(None)
    slope = tape.gradient(value, output)
    if not np.isfinite(np.asarray(value)).all():
        return f"the loss is {float(tf.reduce_mean(value))}"
    if slope is None or not np.isfinite(np.asarray(slope)).all():
        return "the loss has no finite gradient"
    return "" if np.any(np.asarray(slope)) else "the loss does not depend on the output"


# --------------------------------------------------------------------------------------------------
#
# What a Keras model makes small: the losses of its outputs, for targets and weights of samples.
#
# A model and what it returns go in. For each batch of a probe, targets and weights that `fit` could
# get come out, by the name of the output ("" for the only one), and the loss that they give.


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
        self.is_custom = "compute_loss" in custom_step_names(model)
        if not any(self.losses.values()) and (self.is_custom or _adds_alone(model)):
            self.is_custom, self.losses = True, dict.fromkeys(self.losses, compute_loss)
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
            needs = loss is not None and not self.is_custom
            if needs and self.samples.has_data and not self._is_of_file(name):
                lacking = f"y_{name}, the targets of that output" if name else "y, the targets"
                raise InputError(f"--data: the file has no {lacking}, which the loss needs")
            kind, has_form = kind_of(loss)
            if loss is None or has_form or self.is_custom or self._is_of_file(name):
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
            return f"Keras raises for {whose} ({error_message(error)})"
        return ""

    @property
    def given_axes(self) -> dict[str, int]:
        """Number of axes of the targets that `fit` gets, by the name of the output."""
        given = {name: self._given.of(name) for name in self.kinds}
        return {name: array.ndim for name, array in given.items() if array is not None}

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
        return packed_outputs(self._output, self._parts, by_name)

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
        return moved_loss(compute) if self.is_perturbed and not self.is_custom else compute()

    def parts(self, output: Any, batch: Batch) -> dict[str, Any]:
        """Returns the loss of each of several outputs, without its weight and without penalties.

        Empty for one output, and where the model computes its loss itself.
        """
        compiled = getattr(self.model, "_compile_loss", None)
        if self.is_one or compiled is None or self.is_custom:
            return {}
        outputs = outputs_of(self.model, output)
        found: dict[str, Any] = {}
        for name, loss in self.losses.items():
            if loss is not None:
                compute = versions.loss_of_output(loss, batch.targets[name], outputs[name])
                value = self._moved(partial(compute, batch.weights.get(name)))
                found[name] = tf.cast(value, tf.float64)
        return found

    def put(self, batch: Batch, purpose: str, writer: KerasWriter) -> None:
        """Writes `target/PURPOSE` and `weight/PURPOSE`, of several outputs with their names.

        Weights that are for all outputs have no name. Those of classes are not written: a port
        computes them of the targets.
        """
        for name, array in batch.targets.items():
            writer.put(keyed(f"target/{purpose}", name), array)
        if self.reference.class_weight is None:
            self.put_weights(batch, purpose, writer)

    def put_weights(self, batch: Batch, purpose: str, writer: KerasWriter) -> None:
        """Writes `weight/PURPOSE`."""
        given = {name: each for name, each in batch.weights.items() if each is not None}
        if hasattr(self.reference.sample_weight, "shape"):  # those of all outputs
            given = dict(zip([""], given.values(), strict=False))
        for name, weights in given.items():
            writer.put(keyed(f"weight/{purpose}", name), weights)
