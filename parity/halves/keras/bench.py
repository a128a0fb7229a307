"""Times the Keras half in rounds: trains, makes single steps, or only feeds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.augment import image_data_generator
from keras_impl.data import EVALUATION_BATCH_SIZE, training_data
from keras_impl.models import build_network
from keras_impl.reference import Reference
from parity.bench.server import BenchServer, BenchTask, ProgramBenchTask, refuse
from parity.data.dataset import Data
from parity.errors import InputError
from parity.halves.environment import common_environment
from parity.halves.keras.program.feed import arrays_of, rows_of
from parity.halves.keras.program.source import Source
from parity.programs.run_spec import RunSpec
from parity.programs.settings import later_seed
from parity.traces.feed_file import read_feed

if TYPE_CHECKING:
    from parity.traces.folder import RunFolder


# --- run_bench: trains, makes single steps or only feeds, in rounds that a benchmark asks for -----
#
# Rounds are the epochs of one `fit`: a callback waits for the next round when an epoch begins, and
# stops the clock when it ends. A callback after every step would make Keras slower.


ENDLESS = 10**9  # epochs; the callback ends them
STEPS_PER_EXECUTION = 16
_POLICIES = {
    "fp32": "float32",
    "tf32": "float32",
    "bf16": "mixed_bfloat16",
    "fp16": "mixed_float16",
}


def run_bench(task: BenchTask, data: Data, server: BenchServer) -> None:
    """Times one variant.

    Args:
        task: which part, and how.
        data: the arrays of the run.
        server: asks for rounds.

    Raises:
        InputError: the device does not compute in this precision.
        NoMoreRounds: there are no more rounds.
    """
    _set_precision(task)
    if task.part in ("accuracy", "startup"):
        _whole_runs(task, data, server)
    if task.part == "augment":
        _augment(task, data, server)
    model = _Idle(name="idle") if task.part == "input" else _built(task, data)
    if task.part == "input":
        model.compile(jit_compile=False)
    fed, samples = _fed(task, data)
    ready(task, server)
    model.fit(**fed, epochs=ENDLESS, verbose=0, callbacks=[Rounds(server, samples, data)])


def _set_precision(task: BenchTask) -> None:
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(_POLICIES[task.precision])
    if keras.backend.backend() != "tensorflow":
        if task.precision != "fp32":
            raise refuse(task, "Keras on torch is timed in fp32")
        return
    import tensorflow as tf

    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    if task.precision in ("tf32", "fp16") and not has_gpu:
        raise refuse(task, "needs a GPU; use fp32 or bf16")
    tf.config.experimental.enable_tensor_float_32_execution(task.precision == "tf32")


def ready(task: BenchTask | ProgramBenchTask, server: BenchServer) -> None:
    """Reports that everything is built, and on what the process runs."""
    environment = {
        **common_environment(("keras", "tensorflow", "torch")),
        "framework": "keras",
        "backend": keras.backend.backend(),
        "precision": task.precision,
        "variant": task.variant,
        "threads": task.spec.threads,
    }
    # Keras reads the metrics of an epoch at its end, and waits for the device there.
    server.ready(environment, time.perf_counter, _device_memory(task))


def _device_memory(task: BenchTask | ProgramBenchTask) -> Callable[[], float | None] | None:
    """Returns what reads the peak memory of the device in MB; None on a CPU."""
    if task.spec.device == "cpu":
        return None
    if keras.backend.backend() != "tensorflow":
        return lambda: None  # this half does not import torch

    def peak_mb() -> float:
        import tensorflow as tf

        # TensorFlow sees only this GPU, see `configure`.
        return float(tf.config.experimental.get_memory_info("GPU:0")["peak"]) / 2**20

    return peak_mb


def _built(task: BenchTask, data: Data, seed: int | None = None) -> keras.Sequential:
    spec = task.spec if seed is None else task.spec.replace(seed=seed)
    keras.utils.set_random_seed(spec.seed)
    model = build_network(spec, data.input_shape, data.num_classes)
    if task.variant == "keras-tuned":
        model.compile(
            optimizer=model.optimizer,
            loss=model.loss,
            metrics=["accuracy"],
            steps_per_execution=_steps_per_execution(task, data),
            jit_compile=task.spec.device != "cpu",  # on a CPU, XLA is many times slower
        )
    return model


def _steps_per_execution(task: BenchTask, data: Data) -> int:
    """Returns a divisor of the steps of a round if its data never ends, since Keras rounds up."""
    if task.part != "step":
        return STEPS_PER_EXECUTION
    num_steps = _num_steps(task.spec, data)
    return max(n for n in range(1, STEPS_PER_EXECUTION + 1) if num_steps % n == 0)


def _num_steps(spec: RunSpec, data: Data) -> int:
    """Returns the number of steps in a round of the part "step"."""
    return max(1, len(data.x_train) // spec.batch_size)


class Rounds(keras.callbacks.Callback):
    """Every epoch is a round.

    Args:
        server: asks for rounds.
        samples: number of samples in one.
        data: on which the accuracy is measured; None: it is not asked for.
    """

    def __init__(self, server: BenchServer, samples: int, data: Data | None = None) -> None:
        super().__init__()
        self._server, self._samples, self._data = server, samples, data

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Waits for the next round."""
        data = self._data
        self._server.begin(None if data is None else lambda: _accuracy(self.model, data))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Ends the round."""
        self._server.end(self._samples)


class _Idle(keras.Model):
    """Takes batches and does nothing with them."""

    def call(self, x: Any) -> Any:
        """Returns the images; Keras on torch only builds a model that can be called."""
        return x

    def train_step(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Does nothing; returns a number, since TensorFlow requires one in the log."""
        return {"loss": 0.0}


def _accuracy(model: keras.Model, data: Data) -> float:
    found = model.evaluate(data.x_val, data.y_val, batch_size=EVALUATION_BATCH_SIZE, verbose=0)
    return float(found[1])


def _fed(task: BenchTask, data: Data) -> tuple[dict[str, Any], int]:
    """Returns the arguments of `fit` for one round, and the number of samples in it."""
    spec, x, y = task.spec, data.x_train, data.y_train
    if task.part == "step":
        num_steps = _num_steps(spec, data)
        batch = x[: spec.batch_size], y[: spec.batch_size]
        if keras.backend.backend() != "tensorflow":
            whole = [np.concatenate([part] * num_steps) for part in batch]
            fed = {"x": whole[0], "y": whole[1], "batch_size": len(batch[0]), "shuffle": False}
            return fed, len(whole[0])
        import tensorflow as tf

        resident = tf.data.Dataset.from_tensors(tuple(map(tf.constant, batch))).cache()
        fed = {"x": resident.repeat(), "steps_per_epoch": num_steps, "shuffle": False}
        return fed, num_steps * len(batch[0])
    if task.variant != "keras-tuned" or spec.augmentation is not None:
        return training_data(spec, data), len(x)
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x))
    batches = dataset.batch(spec.batch_size).prefetch(tf.data.AUTOTUNE)
    return {"x": batches, "shuffle": False}, len(x)  # it shuffles by itself


def _augment(task: BenchTask, data: Data, server: BenchServer) -> None:
    """Times augmented batches alone."""
    assert task.spec.augmentation is not None
    datagen = image_data_generator(task.spec.augmentation)
    flow = datagen.flow(data.x_train, data.y_train, batch_size=task.spec.batch_size)
    ready(task, server)
    while True:
        server.begin()
        for number in range(len(flow)):
            flow[number]
        flow.on_epoch_end()
        server.end(len(data.x_train))


def _whole_runs(task: BenchTask, data: Data, server: BenchServer) -> None:
    """Times rounds that each are a training: one step, or whole epochs from a new seed."""
    is_start = task.part == "startup"
    epochs = 1 if is_start else task.spec.epochs
    fed, samples = _first_batch(task.spec, data) if is_start else _fed(task, data)
    model: keras.Sequential | None = None

    def accuracy() -> float:
        assert model is not None
        return _accuracy(model, data)

    evaluate: Callable[[], float] = accuracy
    ready(task, server)
    for number in range(ENDLESS):
        server.begin(evaluate)
        model = _built(task, data, later_seed(task.spec.seed, number))
        model.fit(**fed, epochs=epochs, verbose=0)
        server.end(samples * epochs)


def _first_batch(spec: RunSpec, data: Data) -> tuple[dict[str, Any], int]:
    x, y = data.x_train[: spec.batch_size], data.y_train[: spec.batch_size]
    return {"x": x, "y": y, "batch_size": spec.batch_size}, len(x)


# --------------------------------------------------------------------------------------------------
#
# bench_program: times `fit` of a user's Keras program, in rounds that a benchmark asks for.
#
# The program is built as always, in float32, and its `fit` is called with its own arrays, weights
# and batch size, or its own flow of ImageDataGenerator. Validation, callbacks and the number of
# epochs are left out, so that an epoch is one pass. Where `fit` gets neither arrays nor such a
# flow, it is fed the samples of an epoch that were written down before.


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
        fed, samples = _fed_batches(task, reference)
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


def _fed_batches(task: ProgramBenchTask, reference: Reference) -> tuple[dict[str, Any], int]:
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
