"""run_bench: trains, makes single steps or only feeds, in rounds that a benchmark asks for."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch

from parity.bench.child import BenchTask, ProgramBenchTask, refuse
from parity.bench.server import BenchServer
from parity.data.dataset import Data
from parity.halves.torch.eager import prepare_eager
from parity.halves.torch.environment import describe_environment
from parity.programs.settings import later_seed
from torch_impl.data import training_data, validation_data
from torch_impl.fast import compiled
from torch_impl.native.origins import slow_loops
from torch_impl.native.waits import adapted
from torch_impl.seeds import KerasSeeds
from torch_impl.train import Training, evaluate, prepare

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}

# (one round, samples of a round, accuracy on the validation samples)
Work = tuple[Callable[[], Any], int, Callable[[], float] | None]


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
    is_plain = task.variant == "torch-eager"
    round_, samples, accuracy = (_eager if is_plain else _ours)(task, data)
    environment = {
        **describe_environment(task.spec),
        "precision": task.precision,
        "variant": task.variant,
        "slow_loops": slow_loops(),
    }
    server.ready(environment, *clock(task))
    with nullcontext() if is_plain else adapted():
        while True:
            server.begin(accuracy)
            round_()
            server.end(samples)


def clock(
    task: BenchTask | ProgramBenchTask,
) -> tuple[Callable[[], Any], Callable[[], float] | None]:
    """Returns what waits for the device, and what reads its peak memory in MB.

    The second is None on a CPU, where the memory of the process counts.
    """
    if task.spec.device == "cpu":
        return time.perf_counter, None
    device = torch.device(task.spec.device)  # without it torch takes the first GPU
    return (
        lambda: torch.cuda.synchronize(device),
        lambda: torch.cuda.max_memory_allocated(device) / 2**20,
    )


def _set_precision(task: BenchTask) -> None:
    is_cuda = task.spec.device != "cpu"
    if task.precision == "tf32":
        if not is_cuda or torch.cuda.get_device_capability(task.spec.device)[0] < 8:
            raise refuse(task, "TF32 needs a GPU of compute capability 8.0 or above; use fp32")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    if task.precision == "fp16" and not is_cuda:
        raise refuse(task, "half precision needs a GPU; use fp32 or bf16")


class ScaledTraining(Training):
    """A training whose loss is scaled, so that gradients in half precision do not vanish.

    Skips a step whose gradients overflow, as Keras's LossScaleOptimizer does.
    """

    def __init__(self, training: Training, scaler: torch.amp.GradScaler) -> None:
        super().__init__(**vars(training))
        self.scaler = scaler

    def descend(self, loss: torch.Tensor) -> None:
        """Changes the weights by the gradient of a loss."""
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()


def _ours(task: BenchTask, data: Data) -> Work:
    """`torch_impl.fit`: the program of the article in its fast form."""
    spec = task.spec
    if task.variant == "torch-own":
        spec = spec.replace(mode="independent")
    if task.part in ("input", "augment"):
        batches = training_data(spec, data, KerasSeeds(spec.seed))
        return lambda: _drain(batches), len(data.x_train), None
    current: list[Training] = []

    def accuracy() -> float:
        training = current[0]
        batches = validation_data(spec, data)
        return evaluate(training.network, training.criterion, batches, training.forward)[1]

    def built(seed: int) -> Training:
        training = prepare(spec.replace(seed=seed), data)
        if task.variant == "torch-compiled":
            training.network = training.forward = compiled(training.model)
        training.forward = _autocast(training.forward, task)
        if task.precision == "fp16":
            return ScaledTraining(training, torch.amp.GradScaler(_device_type(task)))
        return training

    if task.part == "accuracy":
        seeds = map(partial(later_seed, spec.seed), itertools.count())

        def whole() -> None:
            current[:] = [built(next(seeds))]
            for _ in range(spec.epochs):
                current[0].epoch()

        return whole, len(data.x_train) * spec.epochs, accuracy
    training = built(spec.seed)
    current.append(training)
    if task.part == "train":
        return training.epoch, len(data.x_train), accuracy
    batch = next(iter(training.batches))
    training.network.train()
    num_steps = 1 if task.part == "startup" else max(1, len(data.x_train) // spec.batch_size)

    def steps() -> None:
        for _ in range(num_steps):
            training.step(batch)

    return steps, num_steps * len(batch.y), None


def _autocast(forward: Callable[..., torch.Tensor], task: BenchTask) -> Callable[..., torch.Tensor]:
    """Calls a network in half precision; logits and loss are float32."""
    dtype = _HALF.get(task.precision)
    if dtype is None:
        return forward
    device = _device_type(task)

    def lower(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device, dtype):
            output = forward(x)
        return output.float()

    return lower


def _device_type(task: BenchTask) -> str:
    return torch.device(task.spec.device).type


def _drain(batches: Iterable[Any]) -> None:
    """Takes every batch and keeps none, as a training does."""
    for _ in batches:
        pass


def _eager(task: BenchTask, data: Data) -> Work:
    """The program in plain PyTorch, see `eager.py`."""
    if task.precision in _HALF:
        raise refuse(task, "the plain PyTorch program is timed in fp32 and tf32 only")
    spec = task.spec
    if task.part == "accuracy":
        current: list[Any] = []
        seeds = map(partial(later_seed, spec.seed), itertools.count())

        def whole() -> None:
            current[:] = [prepare_eager(spec.replace(seed=next(seeds)), data)]
            for _ in range(spec.epochs):
                current[0].epoch()

        return whole, len(data.x_train) * spec.epochs, lambda: current[0].accuracy()
    training = prepare_eager(spec, data)
    if task.part == "train":
        return training.epoch, len(data.x_train), training.accuracy
    if task.part in ("input", "augment"):
        return lambda: _drain(training.batches()), len(data.x_train), None
    x, y = next(iter(training.batches()))
    training.model.train()
    num_steps = 1 if task.part == "startup" else max(1, len(data.x_train) // spec.batch_size)

    def steps() -> None:
        for _ in range(num_steps):
            training.step(x, y)

    return steps, num_steps * len(y), None
