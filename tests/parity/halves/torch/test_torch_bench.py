"""What the torch half does in a benchmark: its rounds are `fit`, no more and no less."""

import numpy as np
import pytest
import torch
from bench_children import Rounds, collected, task
from helpers import assert_same_weights, small_data
from rows import each_row

from parity.bench.server import NoMoreRounds
from parity.errors import InputError
from parity.halves.torch import bench
from parity.halves.torch.bench import ScaledTraining, run_bench
from parity.programs.scenarios import scenario
from torch_impl.train import Training, fit
from torch_impl.weights import get_weights

AUGMENTATION = scenario("augmentation").augmentation
DATA = small_data()


@pytest.fixture
def built(monkeypatch):
    """All trainings that are built, in order."""
    return collected(monkeypatch, bench, "prepare")


def timed(given, num=2, **options):
    rounds = Rounds(num, **options)
    with pytest.raises(NoMoreRounds):
        run_bench(given, DATA, rounds)
    return rounds


RUNS = {
    "dropout": {"model": "dropout"},
    "augmentation": {"model": "capacity", "augmentation": AUGMENTATION},
    "l2": {"model": "capacity", "l2": 0.01, "weight_decay": 0.1},
}


@pytest.mark.parametrize(
    ("variant", "name"), [("torch", "augmentation"), ("torch", "l2"), ("torch-own", "dropout")]
)
def test_rounds_of_training_are_the_epochs_of_fit_to_the_bit(built, variant, name):
    given = task(variant, **RUNS[name])
    rounds = timed(given, 3)
    mode = "independent" if variant == "torch-own" else "seeded"
    expected = fit(given.spec.replace(epochs=3, mode=mode), DATA)
    (training,) = built
    assert_same_weights(get_weights(training.model), expected.weights)
    assert rounds.accuracies == expected.history["val_accuracy"]
    assert rounds.samples == [70] * 3


def test_rounds_of_accuracy_are_whole_trainings_of_one_seed_after_the_other():
    given = task(part="accuracy", model="underfit", epochs=2, seed=7)
    rounds = timed(given)
    expected = [fit(given.spec.replace(seed=seed), DATA).history for seed in (7, 8)]
    assert rounds.accuracies == [history["val_accuracy"][-1] for history in expected]
    assert rounds.samples == [140, 140]


@each_row(
    "part, batch_size, count, samples",
    [("step", 8, 8, 64), ("step", 32, 2, 64), ("step", 128, 1, 70), ("startup", 8, 1, 8)],
)
@each_row("variant", ["torch", "torch-eager"])
def test_steps_are_of_one_batch_and_as_many_as_fill_an_epoch(
    monkeypatch, variant, part, batch_size, count, samples
):
    found = []
    owner = Training if variant == "torch" else bench.prepare_eager.__globals__["EagerTraining"]
    right = owner.step

    def step(self, *batch):
        found.append(batch)
        return right(self, *batch)

    monkeypatch.setattr(owner, "step", step)
    assert timed(task(variant, part=part, batch_size=batch_size)).samples == [samples] * 2
    assert len(found) == 2 * count
    assert len({id(batch[0]) for batch in found}) == 1


@pytest.mark.parametrize("part", ["input", "augment"])
@pytest.mark.parametrize("variant", ["torch", "torch-own", "torch-eager"])
def test_feeding_takes_every_sample_once_a_round_and_trains_nothing(
    monkeypatch, built, variant, part
):
    augmentation = AUGMENTATION if part == "augment" else None
    steps = collected(monkeypatch, Training, "step")
    drained, drain = [], bench._drain
    monkeypatch.setattr(bench, "_drain", lambda batches: drain(map(drained.append, batches)))
    assert timed(task(variant, part=part, augmentation=augmentation)).samples == [70, 70]
    images = [batch[0] if isinstance(batch, tuple | list) else batch.x for batch in drained]
    assert sorted(len(x) for x in images) == [6, 6, 32, 32, 32, 32]
    assert {tuple(x.shape[1:]) for x in images} == {(3, 12, 20)}
    # Whether they are the samples, or moved ones.
    known = {x.tobytes() for x in DATA.x_train}
    seen = [x.permute(1, 2, 0).contiguous().numpy().tobytes() for batch in images for x in batch]
    if augmentation is None:
        assert set(seen) == known
        assert len(seen) == 140
    else:
        assert not known & set(seen)
    assert steps == built == []


def test_half_precision_is_that_of_layers_and_not_of_weights_and_loss(built):
    seen = []
    round_, _, accuracy = bench._ours(task(precision="bf16", model="capacity"), DATA)
    (training,) = built
    training.network.conv2.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    round_()
    assert set(seen) == {torch.bfloat16}
    assert {weight.dtype for weight in training.model.parameters()} == {torch.float32}
    loss, logits = training.step(next(iter(training.batches)))
    assert loss.dtype == logits.dtype == torch.float32
    assert 0 <= accuracy() <= 1


@each_row("variant", ["torch", "torch-eager", "torch-own"])
@each_row("precision", ["fp16", "tf32"])
def test_what_a_processor_cannot_do_is_refused_with_the_reason(variant, precision):
    reason = rf"^{variant}, {precision} on cpu: .*needs a GPU.*use fp32"
    with pytest.raises(InputError, match=reason):
        run_bench(task(variant, precision=precision), DATA, Rounds(1))
    with pytest.raises(InputError, match="torch-eager, bf16 on cpu: the plain PyTorch program"):
        run_bench(task("torch-eager", precision="bf16"), DATA, Rounds(1))


def trainings(num, **settings):
    given = task(model="capacity", **settings)
    return [bench.prepare(given.spec, DATA) for _ in range(num)]


def test_a_scaled_loss_trains_as_the_loss_itself_does():
    """The scale is a power of two, so that it changes no digit."""
    plain, other = trainings(2)
    scaled = ScaledTraining(other, torch.amp.GradScaler("cpu", init_scale=2.0**10))
    for _ in range(2):
        assert scaled.epoch() == plain.epoch()
    assert_same_weights(get_weights(scaled.model), get_weights(plain.model))


def test_a_step_that_overflows_is_left_out_and_the_scale_halved():
    (training,) = trainings(1)
    scaled = ScaledTraining(training, torch.amp.GradScaler("cpu", init_scale=2.0**127))
    batch, before = next(iter(scaled.batches)), get_weights(training.model)
    scaled.criterion = lambda logits, y: 1e3 * training.criterion(logits, y)
    loss, _ = scaled.step(batch)
    assert torch.isfinite(loss)
    assert scaled.scaler.get_scale() == 2.0**126
    assert_same_weights(get_weights(training.model), before)


def test_in_fp16_the_loss_is_scaled(built, monkeypatch):
    """Computed here on the CPU, which a benchmark refuses since it is slow."""
    round_, _, _ = bench._ours(task(precision="fp16", model="underfit"), DATA)
    owner = round_.__self__
    assert isinstance(owner, ScaledTraining)
    assert owner.scaler.get_scale() == 2.0**16
    before = get_weights(owner.model)
    unscaled = collected(monkeypatch, Training, "descend")
    loss, _ = round_()
    assert np.isfinite(loss)
    assert unscaled == []  # not the step without a scale
    assert any((before[name] != value).any() for name, value in get_weights(owner.model).items())


def test_the_compiled_variant_trains_and_evaluates_with_the_compiled_network(built, monkeypatch):
    """What compiling does is torch's; to have it done takes half a minute."""
    calls = []

    class Compiled(torch.nn.Module):
        def __init__(self, model, mode):
            super().__init__()
            self.model = model

        def forward(self, x):
            calls.append(self.training)
            return self.model(x)

    monkeypatch.setattr(torch, "compile", Compiled)
    given = task("torch-compiled", model="underfit")
    rounds = timed(given)
    expected = fit(given.spec.replace(epochs=2), DATA)
    assert rounds.accuracies == expected.history["val_accuracy"]
    assert calls == ([True] * 3 + [False]) * 2
    (training,) = built
    assert_same_weights(get_weights(training.model), expected.weights)


def test_the_device_that_works_is_waited_for_and_asked_for_its_memory(monkeypatch):
    """Torch would wait for the first one."""
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: device.index * 2**22)
    synchronise, memory = bench.clock(task(device="cuda:1"))
    synchronise()
    assert waited == [torch.device("cuda:1")]
    assert memory() == 4.0
