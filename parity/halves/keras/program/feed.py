"""What `fit` feeds: arrays with their order, batches, flows of ImageDataGenerator."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data.image_changes import DRAWN, first_images, put_draws, summed
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.check.structure import in_order
from parity.halves.keras.factories import BATCH_SIZE, num_trained
from parity.halves.keras.versions import image_module
from parity.traces.facts import Fit
from parity.traces.trace import KerasWriter
from parity.traces.training_recorder import is_recorded_step

# --------------------------------------------------------------------------------------------------
#
# A flow of ImageDataGenerator over arrays: its arrays and draws in the place of its pixels.
#
# The samples of every batch, and the random parameters of every image, are noted where the flow
# draws them. From these and the arrays, the other half makes the same batches. They are noted, and
# not drawn again from the state of NumPy's generator: `fit` reads ahead in a thread of its own, and
# other code may draw from the same generator meanwhile.


# Arguments of the generator that the other half gets, as the generator keeps them.
_ARGUMENTS = (
    *("rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range"),
    *("channel_shift_range", "brightness_range", "horizontal_flip", "vertical_flip"),
    *("fill_mode", "cval", "interpolation_order", "rescale"),
    *("featurewise_center", "featurewise_std_normalization"),
)
_FILL_MODES = ("nearest", "constant", "reflect", "wrap")


def is_flow(given: Any) -> bool:
    """Whether `fit` gets an iterator of an ImageDataGenerator."""
    module = image_module()
    return module is not None and isinstance(given, module.Iterator)


def why_written(flow: Any, steps: int | None = None) -> str | None:
    """Returns why the batches of a flow have to be written down; None if they can be made again.

    Args:
        flow: for which `is_flow` holds.
        steps: number of batches of a pass; None: all. A pass over a part of them leaves it open
            which ones have been read ahead.
    """
    module = image_module()
    if type(flow) is not module.NumpyArrayIterator:
        return f"{type(flow).__name__} reads them from files"
    generator = flow.image_data_generator
    if type(generator) is not module.ImageDataGenerator:
        return f"its generator is of another class, {type(generator).__name__}"
    if generator.preprocessing_function is not None:
        return "its generator has a preprocessing_function"
    for name in ("samplewise_center", "samplewise_std_normalization", "zca_whitening"):
        if getattr(generator, name):
            return f"{name} of its generator rounds in another way in torch"
    if generator.interpolation_order not in (0, 1) or generator.fill_mode not in _FILL_MODES:
        return (
            f"interpolation_order={generator.interpolation_order} with fill_mode="
            f"{generator.fill_mode!r} is not exact in torch_impl.augment"
        )
    if flow.data_format != "channels_last":
        return f"its images are {flow.data_format}"
    if flow.workers > 1:
        return f"it has {flow.workers} workers, which draw at the same time"
    if steps is not None and steps < len(flow):
        return f"validation_steps={steps} leaves out some of its {len(flow)} batches"
    return None


class Flow:
    """Notes what a flow draws.

    Args:
        given: a flow for which `why_written` is None.
    """

    def __init__(self, given: Any) -> None:
        self._flow = given
        self._index: list[np.ndarray] = []  # of each batch
        self._drawn: list[list[dict[str, Any]]] = []
        self._sums: list[float] = []
        self._parts: list[tuple[int, int]] = []  # of the batches that were used
        self._start = 0
        self._of_batch = threading.local()
        self._wanted: Callable[[int], bool] = lambda number: False
        self.images: dict[int, np.ndarray] = {}  # by the number of the batch, from 1

    @contextmanager
    def watched(self, wanted: Callable[[int], bool] = lambda number: False) -> Iterator[None]:
        """Notes what is drawn in the block.

        Args:
            wanted: of which batches since `begin`, counted from 1, some images are kept.
        """
        flow, self._wanted = self._flow, wanted
        generator, original = flow.image_data_generator, flow._get_batches_of_transformed_samples
        draw = generator.get_random_transform

        def drawing(*arguments: Any, **keywords: Any) -> Any:
            parameters = draw(*arguments, **keywords)
            if (current := getattr(self._of_batch, "drawn", None)) is not None:
                current.append(parameters)
            return parameters

        def batch(index: np.ndarray) -> Any:
            self._of_batch.drawn = []
            try:
                made = original(index)
                self._note(index, self._of_batch.drawn, made)
            finally:
                self._of_batch.drawn = None
            return made

        # Another flow of the same generator may have replaced it.
        before = vars(generator).get("get_random_transform")
        flow._get_batches_of_transformed_samples = batch
        generator.get_random_transform = drawing
        try:
            yield
        finally:
            del flow._get_batches_of_transformed_samples, generator.get_random_transform
            if before is not None:
                generator.get_random_transform = before

    def _note(self, index: np.ndarray, drawn: list[dict[str, Any]], made: Any) -> None:
        images = made[0] if isinstance(made, tuple) else made
        images = images[0] if isinstance(images, list) else images
        self._index.append(np.array(index))
        self._drawn.append(drawn)
        self._sums.append(summed(images))
        number = len(self._index) - self._start
        if self._wanted(number):
            self.images[number] = first_images(images)

    def begin(self) -> None:
        """Before a pass over the batches: what was drawn so far belongs to none."""
        self._start = len(self._index)

    def end(self, number: int | None = None) -> None:
        """After a pass.

        Args:
            number: of the batches that were used, the first ones; None: all of the flow.
        """
        most = len(self._flow) if number is None else number
        self._parts.append((self._start, self._start + most))

    @property
    def sums(self) -> np.ndarray:
        """(batches,) sums of the pixels of the batches that were used."""
        return np.array(self._used(self._sums))

    def told(self) -> dict[str, Any]:
        """Returns the arrays, and what was drawn, as a nest for the feed file."""
        flow, generator = self._flow, self._flow.image_data_generator
        index, drawn = self._used(self._index), self._used(self._drawn)
        images = [each for batch in drawn for each in batch]
        columns = {name: [each[name] for each in images] for name in DRAWN}
        return {
            "x": _narrow(flow.x),
            "misc": tuple(flow.x_misc),
            "y": flow.y,
            "weight": flow.sample_weight,
            "mean": generator.mean if generator.featurewise_center else None,
            "std": generator.std if generator.featurewise_std_normalization else None,
            "index": np.concatenate([np.zeros(0, int), *index]).astype(np.int32),
            "sizes": np.array([len(each) for each in index], np.int32),
            "sums": self.sums,
            "drawn": {n: _column(values) for n, values in columns.items() if None not in values},
        }

    def settings(self) -> dict[str, Any]:
        """Returns the dtype of the images and the arguments of generator and flow, for JSON."""
        flow, generator = self._flow, self._flow.image_data_generator
        arguments = {name: _plain(getattr(generator, name)) for name in _ARGUMENTS}
        of_flow = {name: _plain(getattr(flow, name)) for name in ("batch_size", "shuffle", "seed")}
        return {"dtype": str(flow.x.dtype), "arguments": arguments, "flow": of_flow}

    def _used(self, values: Sequence[Any]) -> list[Any]:
        return [each for first, last in self._parts for each in values[first:last]]


def _narrow(array: np.ndarray) -> np.ndarray:
    """Returns an array in float32 if that is exact."""
    narrow = array.astype(np.float32)
    return narrow if np.array_equal(narrow, array) else array


def _column(values: list[Any]) -> np.ndarray:
    """Returns the values of a parameter: one of each image, or one for all if they are the same."""
    column = np.array(values, np.float64)
    is_same = bool(len(column)) and bool((column == column[0]).all())
    return column[:1] if is_same else column


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else np.asarray(value).tolist()


# --- What `fit` feeds: arrays with their order, or batches that are written down as they come -----


_SETTINGS = (
    *("batch_size", "epochs", "initial_epoch", "steps_per_epoch", "validation_split"),
    *("validation_steps", "validation_batch_size", "validation_freq"),
)


def fed_arrays(reference: Reference, *, notes_flows: bool = True) -> dict[str, Any]:
    """Returns what `fit` is fed as nests of arrays, by name.

    `x`, `y` and `weight` are those of training, in the order of the first epoch; `val` are (x, y)
    or (x, y, weight), and `order` is that of the first epoch, as numbers of the samples. Where
    `fit` gets no arrays, `train_flow`, `train_batches`, `val_flow` or `val_batches` stand in their
    place, empty: they are known only when they have been fed. Of a flow, the draws are noted;
    batches are written down.
    """
    given = (in_order(reference, reference.x), reference.y, reference.sample_weight)
    is_plain = reference.shuffle in (True, False)
    found: dict[str, Any] = {}
    validation = reference.validation_data
    if is_plain and versions.are_arrays(given):
        whole = arrays_of(given)
        number = len(keras.tree.flatten(whole)[0])
        if (at := num_trained(reference, number)) < number:
            validation, number = rows_of(whole, slice(at, None)), at
        order = order_of(number) if reference.shuffle else slice(0, number)
        found |= dict(zip(("x", "y", "weight"), rows_of(whole, order), strict=True))
        found["order"] = np.arange(number)[order]
    else:
        is_noted = notes_flows and _is_noted(reference.x)
        found["train_flow" if is_noted else "train_batches"] = ()
    if validation is not None and versions.are_arrays(validation):
        x, *others = validation
        found["val"] = arrays_of((in_order(reference, x), *others))
    elif validation is not None:
        is_noted = notes_flows and _is_noted(validation, reference.validation_steps)
        found["val_flow" if is_noted else "val_batches"] = ()
    return found


def _is_noted(given: Any, steps: int | None = None) -> bool:
    return is_flow(given) and why_written(given, steps) is None


def written_flows(reference: Reference) -> dict[str, str]:
    """Returns why flows of images are written down, and not noted: what for -> why."""
    given = {
        "training": (reference.x, None),
        "validation": (reference.validation_data, reference.validation_steps),
    }
    reasons = {n: why_written(*each) for n, each in given.items() if is_flow(each[0])}
    return {name: why for name, why in reasons.items() if why is not None}


def is_whole(fed: Mapping[str, Any]) -> bool:
    """Whether all that is fed is known before the training."""
    return not any(name.endswith(("_batches", "_flow")) for name in fed)


def arrays_of(given: Any) -> Any:
    """Returns a nest of tensors or lists as one of arrays; None stays None."""
    return keras.tree.map_structure(lambda leaf: None if leaf is None else np.asarray(leaf), given)


def rows_of(nest: Any, rows: Any) -> Any:
    """Returns some rows of every array of a nest; None stays None."""
    return keras.tree.map_structure(lambda leaf: None if leaf is None else leaf[rows], nest)


def sizes_of(batches: Sequence[Any]) -> dict[str, int | None]:
    """Returns how many samples batches have, and how many each, unless the last one has fewer."""
    sizes = [len(keras.tree.flatten(batch)[0]) for batch in batches]
    is_alike = len({*sizes[:-1], max(sizes, default=0)}) == 1
    return {"num_samples": sum(sizes), "batch_size": max(sizes, default=0) if is_alike else None}


def check_epochs(reference: Reference) -> None:
    """Rejects a training without an epoch, which would compare nothing.

    Raises:
        InputError: there is none to train.
    """
    if reference.initial_epoch >= reference.epochs:
        raise InputError(
            f"fit trains no epoch (epochs={reference.epochs}, "
            f"initial_epoch={reference.initial_epoch}); expected at least one; give more epochs"
        )
    for name in ("max_epochs", "max_steps_per_epoch"):
        most = getattr(getattr(keras, "config", None), name, lambda: None)()
        if most is not None:
            raise InputError(
                f"{name} of keras.config is {most}, which shortens every `fit` of Keras; expected "
                f"none: leave out KERAS_{name.upper()} and keras.config.set_{name}"
            )


def check_validations(reference: Reference) -> None:
    """Rejects a training that is not validated in every epoch, whose history cannot be compared.

    Raises:
        InputError: `validation_freq` leaves out an epoch.
    """
    frequency, epochs = reference.validation_freq, range(reference.initial_epoch, reference.epochs)
    numbers = set(range(1, 1 + reference.epochs)) if frequency == 1 else frequency
    is_every = not isinstance(numbers, int) and all(epoch + 1 in numbers for epoch in epochs)
    has_validation = reference.validation_data is not None or reference.validation_split
    if has_validation and not is_every:
        raise InputError(
            f"validation_freq={frequency!r} leaves out epochs; expected a validation in every "
            "epoch, since the history of each is compared; call fit without it"
        )


def settings_of(reference: Reference) -> Fit:
    """Returns the arguments of `fit` that decide how samples are fed, ready for JSON."""
    found = {name: getattr(reference, name) for name in _SETTINGS}
    weights: Mapping[int, float] | None = reference.class_weight
    found["class_weight"] = (
        None if weights is None else {str(label): float(w) for label, w in weights.items()}
    )
    if not isinstance(found["validation_freq"], int):
        found["validation_freq"] = list(found["validation_freq"])
    if versions.are_arrays(reference.x) and found["batch_size"] is None:
        found["batch_size"] = _batch_size(reference)
    found["shuffle"] = reference.shuffle
    return cast("Fit", found)


def num_steps_of(reference: Reference, num_samples: int | None) -> int:
    """Returns the number of steps of all epochs, as far as it is known; else 0.

    Args:
        reference: what is trained.
        num_samples: of its arrays; None: it has none.
    """
    steps = reference.steps_per_epoch
    if steps is None and num_samples is not None:
        steps = math.ceil(num_samples / (reference.batch_size or BATCH_SIZE))
    elif steps is None and isinstance(reference.x, Sized):  # such as a flow
        with suppress(TypeError):  # a dataset of unknown length
            steps = len(reference.x)
    return (steps or 0) * (reference.epochs - reference.initial_epoch)


def _batch_size(reference: Reference) -> int:
    """Returns the batch size of `fit` where it gets none."""
    if reference.steps_per_epoch is None:
        return BATCH_SIZE
    return math.ceil(len(keras.tree.flatten(reference.x)[0]) / reference.steps_per_epoch)


def order_of(number: int) -> np.ndarray:
    """Returns the order in which `fit` takes so many samples of arrays, from the present seed.

    It is asked of the adapter that `fit` uses, which draws the same order every time.

    Args:
        number: of samples.
    """
    adapter = versions.array_adapter(np.arange(number), shuffle=True, batch_size=number)
    (batch,) = adapter.get_tf_dataset()
    return np.asarray(batch[0] if isinstance(batch, tuple) else batch)


class Written:
    """Writes down the batches of a training as they are fed.

    Args:
        most_bytes: of all batches together; those after that are counted and left out.
    """

    def __init__(self, most_bytes: int) -> None:
        self.batches: list[Any] = []
        self.num_left_out = 0
        self._most, self._size = most_bytes, 0

    def keep(self, batch: Any) -> None:
        """Keeps a batch: a nest of arrays."""
        size = sum(leaf.nbytes for leaf in keras.tree.flatten(batch) if leaf is not None)
        if self._size + size > self._most or self.num_left_out:
            self.num_left_out += 1
            return
        self._size += size
        self.batches.append(batch)

    def kept(self, most_mib: int) -> list[Any]:
        """Returns all batches.

        Raises:
            InputError: some were left out.
        """
        if self.num_left_out:
            raise InputError(
                f"`fit` was fed more than max_feed={most_mib} MiB of batches, of which "
                f"{self.num_left_out} were left out; expected arrays, fewer epochs, or a larger "
                "max_feed"
            )
        return self.batches

    def watch(self, model: keras.Model, step: str) -> None:
        """Keeps every batch that a step of a model gets.

        Args:
            model: before its first step.
            step: "train_step" or "test_step".
        """
        original = getattr(model, step)

        def watched(data: Any) -> Any:
            leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]

            def keep(*values: np.ndarray) -> None:
                found = iter([np.array(value) for value in values])
                self.keep(
                    keras.tree.map_structure(lambda x: None if x is None else next(found), data)
                )

            tf.numpy_function(keep, leaves, [])
            return original(data)

        setattr(model, step, watched)


# --- What is fed to `fit` and is known only when it has been fed: noted during a training ---------
#
# A reference goes in, and the names of what it is fed. Its callbacks with one more, the nests of
# its flows and the ends of its validations come out.


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

    def write(self, writer: KerasWriter) -> None:
        """Writes the images of training that a flow has made, and what it has drawn."""
        flow = self.flows.get("train_flow")
        if flow is None:
            return
        writer.facts["augment"] = flow.settings()["arguments"]
        writer.put("training/image_sums", flow.sums)
        draws = self.nests()["train_flow"]
        put_draws(writer, draws["sizes"], draws["index"], draws["drawn"])
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
