"""The Keras half of a program: a factory with its data, or a script; what it trains comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.data.load import program_data
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.check.metrics import kind_of_targets
from parity.halves.keras.check.structure import in_order
from parity.halves.keras.factories import begin, building, call_factory, user_factory
from parity.halves.keras.program.feed import arrays_of
from parity.halves.keras.program.script import Script
from parity.programs.program_spec import ProgramSpec

# --- A program with `steps_per_execution` above 1, one step at a time -----------------------------
#
# Keras makes several steps in one call, and tells its callbacks the last one alone. What the steps
# compute is the same, so that they are made, counted and compared one by one; the user's callbacks
# are called as often as in the program.


def one_by_one(reference: Reference) -> Reference:
    """Lets a model make one step in each call, and its callbacks hear of each execution alone.

    Args:
        reference: what `fit` gets; its model and its callbacks are changed.
    """
    model: Any = reference.model
    number = getattr(model, "steps_per_execution", 1)
    if isinstance(number, int) and number > 1:
        model.steps_per_execution = 1
        model.unrolled_steps_per_execution = 1
        model.train_function = model.test_function = model.predict_function = None
        for callback in reference.callbacks:
            _ByExecution(callback, number)
    return reference


class _ByExecution:
    """Calls what a callback does with a batch once for each execution of so many steps."""

    def __init__(self, callback: Any, number: int) -> None:
        self._number = number
        self._before, self._after = callback.on_train_batch_begin, callback.on_train_batch_end
        self._at_end = callback.on_epoch_end
        self._open: tuple[int, Any] | None = None  # the last step of an execution that is not full
        callback.on_train_batch_begin = self._begin
        callback.on_train_batch_end = self._end
        callback.on_epoch_end = self._end_epoch

    def _begin(self, batch: int, logs: Any = None) -> None:
        if batch % self._number == 0:
            self._before(batch, logs)

    def _end(self, batch: int, logs: Any = None) -> None:
        self._open = batch, logs
        if (batch + 1) % self._number == 0:
            self._close()

    def _end_epoch(self, epoch: int, logs: Any = None) -> None:
        self._close()
        self._at_end(epoch, logs)

    def _close(self) -> None:
        if self._open is not None:
            (batch, logs), self._open = self._open, None
            self._after(batch, logs)


# --- Whether the arrays of a program suit its model and its loss, before anything is trained ------
#
# Without this, the error would be that of an operation deep in a framework.


def check_arrays(reference: Reference) -> None:
    """Rejects arrays that `fit` could not train or validate with; what else it gets is left alone.

    Raises:
        InputError: numbers of samples differ; samples have not the shape of the model's input; or
            labels are no classes of its output.
    """
    for names, given in _given(reference):
        if given[0] is None or not versions.are_arrays(given):
            continue
        nests = dict(zip(names, arrays_of(given), strict=False))
        _check_numbers(nests)
        x, y = list(nests.values())[:2]
        inputs = getattr(reference.model, "inputs", None) or []
        leaves = keras.tree.flatten(x)
        if len(leaves) == len(inputs):
            for tensor, array in zip(inputs, leaves, strict=True):
                _check_shape(names[0], array, tuple(tensor.shape[1:]))
        outputs = getattr(reference.model, "outputs", None) or []
        if len(outputs) == 1 and isinstance(y, np.ndarray):
            is_any_ignored = getattr(reference.model.loss, "ignore_class", None) is not None
            if kind_of_targets(reference.model) == "classes" and not is_any_ignored:
                _check_classes(names[1], y, outputs[0].shape[-1])


def _given(reference: Reference) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """Yields (names, values) of what trains, and of what validates."""
    given = reference.x, reference.y, reference.sample_weight
    yield ("x", "y", "sample_weight"), (in_order(reference, given[0]), *given[1:])
    validation = reference.validation_data
    if isinstance(validation, tuple | list) and len(validation) in (2, 3):
        first, *others = validation
        names = ("x of validation", "y of validation", "sample_weight of validation")
        yield names, (in_order(reference, first), *others)


def _check_numbers(nests: dict[str, Any]) -> None:
    numbers = [
        (name, len(leaf))
        for name, nest in nests.items()
        for leaf in keras.tree.flatten(nest)
        if leaf is not None and np.ndim(leaf)
    ]
    if len({number for _, number in numbers}) > 1:
        counts = ", ".join(f"{number} in {name}" for name, number in dict.fromkeys(numbers))
        raise InputError(f"the numbers of samples are {counts}; expected the same number in each")


def _check_shape(name: str, array: np.ndarray, expected: tuple[int | None, ...]) -> None:
    """Rejects samples of another shape; Keras itself adds or drops a last axis of 1."""
    shape = array.shape[1:]
    if len(shape) != len(expected):
        fits = shape in ((*expected, 1), expected[:-1]) or (*shape, 1) == expected
    else:
        fits = all(a is None or a == b for a, b in zip(expected, shape, strict=True))
    if not fits:
        raise InputError(
            f"the data has samples of shape {shape} in {name}; expected {expected}, the input of "
            "the Keras model"
        )


def _check_classes(name: str, y: np.ndarray, number: int | None) -> None:
    """Rejects labels that are no classes of an output."""
    if number is None or not y.size or y.dtype.kind not in "biuf":
        return
    if not (np.isfinite(y).all() and y.min() >= 0 and y.max() < number):
        raise InputError(
            f"the data has labels from {y.min()} to {y.max()} in {name}; expected classes in "
            f"[0, {number}), one for each output of the Keras model"
        )


# --------------------------------------------------------------------------------------------------
#
# The Keras half of a program: a factory with its data, or a script; what it trains comes out.


class Source:
    """What a program trains.

    Args:
        spec: of the training.
        dtype: in the place of that of the spec.
        makes_one_step: whether the model makes one step in each call, whatever its
            `steps_per_execution` is, so that steps can be counted.

    Raises:
        InputError: there is no such factory, script or data; from its methods: the data does not
            suit the model.
    """

    def __init__(
        self, spec: ProgramSpec, dtype: str | None = None, *, makes_one_step: bool = False
    ) -> None:
        self._makes_one_step = makes_one_step
        assert spec.keras is not None
        self._spec, self._dtype = spec, dtype or spec.dtype
        self._script: Script | None = None
        if spec.is_script:
            folder = Path(spec.folder).resolve()
            seed = spec.seed if spec.sets_seed else None
            self._script = Script((folder / spec.keras).resolve(), spec.arguments, seed, folder)
        else:
            self._factory = user_factory("keras", spec.keras, spec.folder, spec.seed, spec.given)
            self._data = program_data(spec)

    def reference(self) -> Reference:
        """Returns what would be trained, for a probe. It is a factory, with its data."""
        if self._script is not None:
            return self._with_settings(self._script.reference())
        built = self._factory()
        return self._with_settings(built if isinstance(built, Reference) else Reference(built))

    def train(self, on_fit: Callable[[Reference], Any]) -> None:
        """Begins the program from its seed, and passes what it trains to a function.

        Args:
            on_fit: trains it; returns its History.
        """
        spec = self._spec
        if self._script is None:
            on_fit(call_factory(self.reference, spec.seed, self._dtype))
            return
        versions.clear_session()
        begin(self._dtype)
        keras.utils.set_random_seed(spec.seed)
        with building(self._dtype):
            self._script.run(lambda reference: on_fit(self._with_settings(reference)))

    @property
    def num_fits(self) -> int:
        """How often the script called `fit`; 1 for a factory."""
        return 1 if self._script is None else self._script.num_fits

    @property
    def broke_off(self) -> str | None:
        """The error with which the script ended after its first call of `fit`, or None."""
        return None if self._script is None else self._script.broke_off

    def _with_settings(self, reference: Reference) -> Reference:
        """Fills in the data and the settings of the program."""
        spec = self._spec
        changes: dict[str, Any] = {}
        if reference.x is None:
            if spec.data is None or self._script is not None:
                raise InputError(
                    "the program has no data: expected `data` beside keras and torch, or a "
                    "keras_impl.Reference with x and y"
                )
            changes |= {n: v for n, v in self._data.items() if getattr(reference, n) is None}
        elif spec.data is not None:
            raise InputError(
                f"data={spec.data!r}, and the Keras half has data of its own; expected one of them"
            )
        for name in ("epochs", "batch_size"):
            if getattr(spec, name) is not None:
                changes[name] = getattr(spec, name)
        found = dataclasses.replace(reference, **changes)
        check_arrays(found)
        return one_by_one(found) if self._makes_one_step else found
