"""bench_program: times `fit` of a user's Keras program, in rounds that a benchmark asks for.

The program is built as always, in float32, and its `fit` is called with its own arrays, weights and
batch size, or its own flow of ImageDataGenerator. Validation, callbacks and the number of epochs
are left out, so that an epoch is one pass. Where `fit` gets neither arrays nor such a flow, it is
fed the samples of an epoch that were written down before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.bench.child import ProgramBenchTask
from parity.errors import InputError
from parity.halves.keras.bench import ENDLESS, Rounds, ready
from parity.halves.keras.program.feed import arrays_of, rows_of
from parity.halves.keras.program.source import Source
from parity.traces.feed_file import read_feed

if TYPE_CHECKING:
    from parity.bench.server import BenchServer
    from parity.traces.folder import RunFolder

DTYPE = "float32"


def bench_program(task: ProgramBenchTask, folder: RunFolder, server: BenchServer) -> None:
    """Times a program.

    Args:
        task: which part, and how.
        folder: of the child; nothing is written there.
        server: asks for rounds.

    Raises:
        InputError: the program cannot be built, or computes in another precision.
        NoMoreRounds: there are no more rounds.
    """

    def on_fit(reference: Reference) -> Any:
        _check_precision(reference.model)
        fed, samples = _fed(task, reference)
        ready(task, server)
        rounds = Rounds(server, samples)
        # As `training.fit` calls it, without what needs time before the first round.
        return keras.Model.fit(
            reference.model, **fed, epochs=ENDLESS, verbose=0, callbacks=[rounds]
        )

    Source(task.spec, DTYPE).train(on_fit)


def _check_precision(model: keras.Model) -> None:
    for layer in model._flatten_layers():
        dtype = str(getattr(layer, "compute_dtype", DTYPE))
        if "float" in dtype and dtype != DTYPE:
            raise InputError(
                f"the layer {layer.name} of the Keras program computes in {dtype}; expected "
                f"{DTYPE}, in which both halves are timed"
            )


def _fed(task: ProgramBenchTask, reference: Reference) -> tuple[dict[str, Any], int]:
    """Returns the arguments of `fit` for a turn, and the number of samples in it."""
    if task.is_flow:
        given = {"class_weight": reference.class_weight, "shuffle": reference.shuffle}
        return {**given, "x": _flow(task, reference.x)}, task.samples
    x, y, weight = reference.x, reference.y, reference.sample_weight
    found: dict[str, Any] = {"class_weight": reference.class_weight, "shuffle": reference.shuffle}
    if task.is_written:
        nests, _ = read_feed(task.feed)
        x, y, weight = (nests[name] for name in ("x", "y", "weight"))
        # The weights of the classes are in those of the samples.
        found = {"class_weight": None, "shuffle": False}
    size = min(task.batch_size, task.samples)
    if task.part == "step":
        number = max(1, task.samples // task.batch_size)
        x = tuple(x) if isinstance(x, list) else x  # tf.data takes a list for one tensor
        if found.pop("class_weight") is not None:  # tf.data needs one for every label
            weight = _by_label(reference, np.asarray(y))
        batch = rows_of(arrays_of((x, y, weight)), slice(size))
        resident = batch if weight is not None else batch[:2]
        tensors = keras.tree.map_structure(tf.constant, resident)
        dataset = tf.data.Dataset.from_tensors(tensors).cache().repeat()
        return {**found, "x": dataset, "steps_per_epoch": number, "shuffle": False}, number * size
    given = {"x": x, "y": y, "sample_weight": weight}
    arrays = rows_of(arrays_of(given), slice(task.samples))
    return {**found, **arrays, "batch_size": task.batch_size}, task.samples


def _flow(task: ProgramBenchTask, given: Any) -> Any:
    """Returns the flow of a program, or one like it of fewer samples or another batch size."""
    if (task.samples, task.batch_size) == (given.n, given.batch_size):
        return given
    rows = slice(task.samples)
    x, misc = given.x[rows], [array[rows] for array in given.x_misc]
    return given.image_data_generator.flow(
        (x, misc) if misc else x,
        None if given.y is None else given.y[rows],
        batch_size=task.batch_size,
        shuffle=given.shuffle,
        sample_weight=None if given.sample_weight is None else given.sample_weight[rows],
        seed=given.seed,
    )


def _by_label(reference: Reference, y: np.ndarray) -> np.ndarray:
    """Returns the weights (N,) of samples by their labels, which are (N,), (N, 1) or one-hot."""
    labels = y.reshape(len(y)) if y.ndim < 2 or y.shape[-1] == 1 else y.argmax(-1)
    by_class = reference.class_weight or {}
    return np.array([by_class.get(int(label), 1.0) for label in labels], DTYPE)
