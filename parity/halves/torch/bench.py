"""Times the torch half in rounds: trains, makes single steps, or only feeds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import v2

from parity.bench.server import BenchServer, BenchTask, ProgramBenchTask, refuse
from parity.data.dataset import Data
from parity.errors import InputError
from parity.halves.torch.environment import describe_environment
from parity.programs.run_spec import Augmentation, RunSpec
from parity.programs.settings import later_seed
from torch_impl.fast import compiled
from torch_impl.layers import Dropout, Flatten
from torch_impl.models import MODELS
from torch_impl.native.origins import slow_loops
from torch_impl.native.waits import adapted
from torch_impl.seeds import KerasSeeds
from torch_impl.train import Training, evaluate, prepare, to_tensors, training_data, validation_data

# --------------------------------------------------------------------------------------------------
#
# The program in plain PyTorch, as tutorials write it: `parity bench` compares `fit` with it.
#
# It has channels-first images in memory, a shuffled DataLoader, torch's own initialisation, Dropout
# and Adam, and reads the accuracy in every step. It augments every sample with torchvision's
# RandomAffine, which draws parameters from other distributions than Keras does, and applies them in
# another order.


@dataclass
class EagerTraining:
    """A network with its data, loss and optimizer."""

    model: nn.Module
    loader: DataLoader[Any]
    optimizer: torch.optim.Optimizer
    criterion: nn.Module
    device: torch.device
    x_val: torch.Tensor
    y_val: torch.Tensor

    def batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yields the batches of an epoch, on the device."""
        for x, y in self.loader:
            yield x.to(self.device), y.to(self.device)

    def epoch(self) -> None:
        """Trains on every batch once."""
        self.model.train()
        total_loss, correct = 0.0, 0
        for x, y in self.batches():
            loss, logits = self.step(x, y)
            total_loss += loss.item() * len(y)
            correct += int((logits.argmax(1) == y).sum())

    def step(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Makes one step; returns the loss of the batch, and its logits (N, classes)."""
        self.optimizer.zero_grad()
        logits = self.model(x)
        loss = self.criterion(logits, y)
        loss.backward()
        self.optimizer.step()
        return loss, logits

    @torch.no_grad()
    def accuracy(self) -> float:
        """Returns the accuracy on the validation samples, in [0, 1]."""
        self.model.eval()
        parts = [self.model(x).argmax(1) for x in self.x_val.split(256)]
        return float((torch.cat(parts) == self.y_val).float().mean())


class _Augmented(Dataset[Any]):
    """Samples that are transformed when they are read."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor, transform: Any) -> None:
        self._x, self._y, self._transform = x, y, transform

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, index: int) -> Any:
        return self._transform(self._x[index]), self._y[index]


def prepare_eager(spec: RunSpec, data: Data) -> EagerTraining:
    """Builds the network of a spec, with its data, loss and optimizer.

    Args:
        spec: gives model, seed, batch size, learning rate, augmentation and device.
        data: the arrays of the run.
    """
    torch.manual_seed(spec.seed)
    layers = MODELS[spec.model](data.input_shape, data.num_classes)
    model = nn.Sequential(*map(_stock, layers)).to(spec.device)
    x, y = (values.cpu().contiguous() for values in to_tensors(spec, data.x_train, data.y_train))
    samples: Dataset[Any] = TensorDataset(x, y)
    if spec.augmentation is not None:
        samples = _Augmented(x, y, _transform(spec.augmentation))
    x_val, y_val = to_tensors(spec, data.x_val, data.y_val)
    return EagerTraining(
        model=model,
        loader=DataLoader(samples, batch_size=spec.batch_size, shuffle=True),
        optimizer=_optimizer(spec, model),
        criterion=nn.CrossEntropyLoss(),
        device=torch.device(spec.device),
        x_val=x_val.contiguous(),
        y_val=y_val,
    )


def _stock(layer: nn.Module) -> nn.Module:
    """Returns torch's own layer in place of one of ours."""
    if isinstance(layer, Dropout):
        return nn.Dropout(layer.rate)
    return nn.Flatten() if isinstance(layer, Flatten) else layer


def _optimizer(spec: RunSpec, model: nn.Module) -> torch.optim.Optimizer:
    """Returns Adam with the weight decay or L2 penalty of the spec."""
    weights, rate = list(model.parameters()), spec.learning_rate
    if spec.l2 and spec.weight_decay:
        raise InputError(
            f"l2={spec.l2} and weight_decay={spec.weight_decay}: torch's own optimizers take only "
            "one of them at a time; expected one of them to be 0"
        )
    if spec.weight_decay:  # decoupled, and for all weights, in torch as in Keras
        return torch.optim.AdamW(weights, lr=rate, weight_decay=spec.weight_decay)
    if spec.l2:
        # Torch's Adam adds decay * w to the gradient. The gradient of l2 * w**2 is 2 * l2 * w.
        kernels: dict[str, Any] = {"params": [weight for weight in weights if weight.ndim > 1]}
        others: dict[str, Any] = {"params": [weight for weight in weights if weight.ndim <= 1]}
        return torch.optim.Adam([{**kernels, "weight_decay": 2 * spec.l2}, others], lr=rate)
    return torch.optim.Adam(weights, lr=rate)


def _transform(given: Augmentation) -> v2.Transform:
    affine = v2.RandomAffine(
        degrees=given.rotation_range,
        translate=(given.width_shift_range, given.height_shift_range),
        scale=(1 - given.zoom_range, 1 + given.zoom_range),
        shear=given.shear_range or None,
        interpolation=v2.InterpolationMode.BILINEAR,
    )
    return v2.Compose([affine, v2.RandomHorizontalFlip(0.5)]) if given.horizontal_flip else affine


# --- run_bench: trains, makes single steps or only feeds, in rounds that a benchmark asks for -----


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
    """The program in plain PyTorch, see `bench.py`."""
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
