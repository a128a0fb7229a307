"""What the Keras half does in a benchmark: its rounds are `model.fit`, no more and no less."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from bench_children import Rounds, collected, task
from helpers import assert_same_weights, make_data, small_data
from rows import each_row

from keras_impl.train import fit
from keras_impl.weights import get_weights
from parity.bench.server import NoMoreRounds
from parity.errors import InputError
from parity.halves.keras import bench
from parity.halves.keras.bench import run_bench
from parity.programs.scenarios import scenario

AUGMENTATION = scenario("augmentation").augmentation
DATA = small_data()


@pytest.fixture
def built(monkeypatch):
    """All models that are built, in order."""
    return collected(monkeypatch, bench, "build_network")


@pytest.fixture(autouse=True)
def _tf32_is_left_as_found():
    """`run_bench` sets it for the whole process."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


def timed(given, num=2, *, data=DATA, **options):
    rounds = Rounds(num, **options)
    with pytest.raises(NoMoreRounds):
        run_bench(given, data, rounds)
    return rounds


RUNS = {
    "dropout": {"model": "dropout"},
    "augmentation": {"model": "underfit", "augmentation": AUGMENTATION},
}


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_rounds_of_training_are_the_epochs_of_the_unmodified_program_to_the_bit(built, name):
    given = task("keras", **RUNS[name])
    rounds = timed(given)
    expected = fit(given.spec.replace(epochs=2), DATA)
    (model,) = built
    assert_same_weights(get_weights(model), expected.weights)
    assert rounds.accuracies == pytest.approx(expected.history["val_accuracy"], abs=1e-6)
    assert rounds.samples == [70] * 2


@pytest.mark.parametrize(
    ("variant", "part", "batch_size", "samples", "steps"),
    [
        ("keras", "step", 32, 64, [4]),
        # 70 // 7 = 10 steps, of which Keras makes 16 with 16 steps an execution.
        ("keras-tuned", "step", 7, 70, [20]),
        # Every round is a start of another model, with no two batches of Keras's own 32.
        ("keras", "startup", 50, 50, [1, 1]),
    ],
)
def test_a_round_has_as_many_steps_and_samples_as_it_says(
    built, variant, part, batch_size, samples, steps
):
    rounds = timed(task(variant, part=part, batch_size=batch_size, model="underfit"))
    assert rounds.samples == [samples] * 2
    assert [int(model.optimizer.iterations) for model in built] == steps


@each_row("num_steps, expected", [(64, 16), (48, 16), (17, 1), (18, 9), (23, 1), (8, 8), (1, 1)])
def test_steps_an_execution_divide_the_steps_of_a_round(num_steps, expected):
    data = make_data((1, 1, 1), num_classes=2, num_train=num_steps, num_val=2)
    given = task("keras-tuned", part="step", batch_size=1)
    assert bench._steps_per_execution(given, data) == expected


@pytest.mark.parametrize("variant", ["keras", "keras-tuned"])
def test_feeding_takes_every_sample_once_a_round_and_trains_nothing(monkeypatch, built, variant):
    seen, step = tf.Variable(0), bench._Idle.train_step

    def counted(idle, batch):
        seen.assign_add(tf.shape(batch[0])[0])
        return step(idle, batch)

    monkeypatch.setattr(bench._Idle, "train_step", counted)
    rounds = timed(task(variant, part="input"), asks=False)
    assert (rounds.samples, int(seen), built) == ([70, 70], 140, [])


def test_augmented_batches_are_all_that_an_epoch_has(monkeypatch, built):
    fed, asked, right = [], [], bench.image_data_generator

    def generator(augmentation):
        asked.append(augmentation)
        made = right(augmentation)
        transform = made.apply_transform
        made.apply_transform = lambda x, *rest: fed.append(x.tobytes()) or transform(x, *rest)
        return made

    monkeypatch.setattr(bench, "image_data_generator", generator)
    rounds = timed(task("keras", part="augment", augmentation=AUGMENTATION))
    assert sorted(fed) == sorted(2 * [x.tobytes() for x in DATA.x_train])
    assert (rounds.samples, {*asked}, built) == ([70, 70], {AUGMENTATION}, [])


def test_the_precision_is_that_of_the_layers_and_not_of_the_weights(built):
    rounds = timed(task("keras", precision="bf16", model="underfit"), 1)
    (model,) = built
    assert {layer.dtype_policy.name for layer in model.layers} == {"mixed_bfloat16"}
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    told = rounds.environment["precision"], rounds.environment["backend"], rounds.memory
    assert told == ("bf16", "tensorflow", None)  # the memory is that of the process
    assert 0 <= rounds.accuracies[0] <= 1
    # In fp16 Keras scales the loss; a benchmark refuses that on the CPU, since it is slow.
    keras.config.set_dtype_policy(bench._POLICIES["fp16"])
    optimizer = bench._built(task("keras", precision="fp16", model="underfit"), DATA).optimizer
    scaled = keras.optimizers.LossScaleOptimizer, keras.optimizers.Adam
    assert (type(optimizer), type(optimizer.inner_optimizer)) == scaled


@pytest.mark.parametrize("variant", ["keras", "keras-tuned"])
@pytest.mark.parametrize("precision", ["fp16", "tf32"])
def test_what_a_processor_cannot_do_is_refused_with_the_reason(built, variant, precision):
    with pytest.raises(InputError, match=f"^{variant}, {precision} on cpu: needs a GPU; use fp32 "):
        run_bench(task(variant, precision=precision), DATA, Rounds(1))
    assert built == []


def test_keras_on_torch_gets_arrays_in_fp32_and_tells_no_memory(monkeypatch):
    model = bench._Idle(name="idle")  # called to build it
    np.testing.assert_array_equal(model(DATA.x_train[:2]), DATA.x_train[:2])
    assert model.weights == []
    peak = {"peak": 3 * 2**20}
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda device: peak)
    # Of the one GPU that `configure` lets TensorFlow see.
    assert bench._device_memory(task("keras", device="cuda:1"))() == 3.0
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert bench._device_memory(task("keras-torch", device="cuda"))() is None
    with pytest.raises(InputError, match="keras-torch, bf16 on cpu: Keras on torch is timed in"):
        run_bench(task("keras-torch", precision="bf16"), DATA, Rounds(1))
    fed, samples = bench._fed(task("keras-torch", part="step", batch_size=8), DATA)
    np.testing.assert_array_equal(fed["x"][8:16], DATA.x_train[:8])
    sizes = len(fed.pop("x")), len(fed.pop("y")), samples
    assert (sizes, fed["batch_size"], fed["shuffle"]) == ((64, 64, 64), 8, False)


@pytest.mark.long
def test_the_tuned_program_learns_from_every_batch_of_an_epoch(built):
    """Where a bright stripe is, which a network learns in a few steps."""
    stripes = np.zeros((5, *DATA.input_shape), np.float32)
    for label, image in enumerate(stripes):
        image[2 * label : 2 * label + 2] = 1.0
    data = replace(DATA, x_train=stripes[DATA.y_train], x_val=stripes[DATA.y_val])
    rounds = timed(task("keras-tuned", model="capacity", batch_size=4), data=data)
    assert rounds.accuracies[-1] > 0.9  # of five classes
    steps = int(built[0].optimizer.iterations)
    assert (steps, rounds.samples) == (2 * 18, [70, 70])  # no multiple of 16
