"""fit: trains one spec as Keras's `model.fit` does, epoch by epoch."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import nn

from torch_impl.fast import fused
from torch_impl.losses import SparseCategoricalCrossentropy
from torch_impl.models import build_model
from torch_impl.native.waits import adapted
from torch_impl.optim import Adam
from torch_impl.penalty import RegularizedLoss, kernel_l2
from torch_impl.schedule import EarlyStopping, ReduceLROnPlateau
from torch_impl.seeds import KerasSeeds
from torch_impl.weights import get_weights

if TYPE_CHECKING:
    from parity.data.dataset import Data
    from parity.programs.run_spec import Augmentation, RunSpec
    from parity.traces.training_recorder import Observer
    from torch_impl.augment import ImageDataGenerator, KerasTransform, Parameters


# --- image_data_generator: the augmentation of a spec ---------------------------------------------


def image_data_generator(
    augmentation: Augmentation, dtype: str, seeds: KerasSeeds | None = None
) -> ImageDataGenerator:
    """Returns the generator with the arguments of a spec.

    Args:
        augmentation: of the spec.
        dtype: of the images, "float32" or "float64".
        seeds: of the program; None: it draws from torch's seed.
    """
    from torch_impl.augment import ImageDataGenerator  # torchvision takes as long as torch

    return ImageDataGenerator(
        **asdict(augmentation),
        data_format="channels_first",
        dtype=dtype,
        random_state=None if seeds is None else seeds.numpy,
    )


# --- Feeds the training samples, epoch by epoch in the order of Keras's `fit` ---------------------


# Batch size of evaluations, which larger batches make faster.
EVALUATION_BATCH_SIZE = 256

# Pixels that are augmented at once: enough for all threads, few enough for the processor's cache.
AHEAD = 2**19


@dataclass(frozen=True)
class Batch:
    """One batch.

    Attributes:
        x: (N, C, H, W) images in channels-last memory.
        y: (N,) int64 labels.
        index: (N,) int64, the numbers of the training samples.
        params: the parameters of the augmentation, or None.
    """

    x: torch.Tensor
    y: torch.Tensor
    index: torch.Tensor
    params: Parameters | None


class Batches(Protocol):
    """Iterating once is one epoch; the next iteration is the next epoch."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


class ArrayBatches:
    """Feeds what `model.fit(x, y, shuffle=True)` feeds: one permutation, the same in every epoch.

    The samples are put into this order once, so that a batch is a view and not a copy.
    """

    def __init__(
        self, x: torch.Tensor, y: torch.Tensor, batch_size: int, order: torch.Tensor
    ) -> None:
        on_device = order.to(x.device)
        parts = zip(
            x[on_device].split(batch_size),
            y[on_device].split(batch_size),
            order.split(batch_size),
            strict=True,
        )
        self._batches = [Batch(images, labels, index, None) for images, labels, index in parts]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)


class FlowBatches:
    """Feeds what `model.fit(datagen.flow(x, y))` feeds, see `FitFlow`.

    Several batches are augmented at once. They get the same parameters as one after the other,
    since these are drawn image by image.
    """

    def __init__(
        self,
        x: torch.Tensor,
        y: torch.Tensor,
        batch_size: int,
        datagen: ImageDataGenerator,
        seeds: KerasSeeds,
    ) -> None:
        from torch_impl.augment import FitFlow  # torchvision takes as long as torch

        self._flow = datagen.flow(x, y, batch_size)
        self._fed = FitFlow(self._flow, seeds)

    def __len__(self) -> int:
        return len(self._flow)

    def __iter__(self) -> Iterator[Batch]:
        indices = [self._flow.indices(number) for number in self._fed.begin()]
        at_once = max(1, AHEAD // (self._flow.batch_size * self._flow.x[0].numel()))
        for start in range(0, len(indices), at_once):
            yield from self._augmented(indices[start : start + at_once])
        self._fed.end()

    def _augmented(self, indices: list[torch.Tensor]) -> Iterator[Batch]:
        x, y = self._flow.batch_of(torch.cat(indices))
        assert self._flow.params is not None
        sizes = [len(index) for index in indices]
        ends = np.cumsum(sizes)[:-1]
        drawn = [np.split(values, ends) for values in self._flow.params.values()]
        params = [
            dict(zip(self._flow.params, part, strict=True)) for part in zip(*drawn, strict=True)
        ]
        for batch in zip(x.split(sizes), y.split(sizes), indices, params, strict=True):
            yield Batch(*batch)


class OwnBatches:
    """Feeds what `fit` feeds, but draws from torch's own generator.

    As in a seeded Keras program, arrays have one order for all epochs, and augmented batches have a
    new one in each. (A DataLoader with shuffle=True draws a new order for both, with which a
    network memorises the training samples later; see docs/behaviour.md.)

    Args:
        x: (N, C, H, W) images.
        y: (N,) labels.
        batch_size: samples per step.
        transform: applied to a batch of images, or None.
    """

    def __init__(
        self,
        x: torch.Tensor,
        y: torch.Tensor,
        batch_size: int,
        transform: KerasTransform | None = None,
    ) -> None:
        self._x, self._y, self._batch_size, self._transform = x, y, batch_size, transform
        self._order = torch.randperm(len(x))

    def __len__(self) -> int:
        return -(-len(self._x) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        batches = ArrayBatches(self._x, self._y, self._batch_size, self._order)
        if self._transform is None:
            yield from batches
            return
        for batch in batches:
            yield replace(batch, x=self._transform(batch.x))
        self._order = torch.randperm(len(self._x))


def training_data(spec: RunSpec, data: Data, seeds: KerasSeeds) -> Batches:
    """Returns the training batches of a spec.

    Args:
        spec: gives batch size, augmentation, dtype and device.
        data: the arrays of the run.
        seeds: the seeds after the model was built.
    """
    x, y = to_tensors(spec, data.x_train, data.y_train)
    is_independent = spec.mode == "independent"
    if spec.augmentation is None:
        if is_independent:
            return OwnBatches(x, y, spec.batch_size)
        return ArrayBatches(x, y, spec.batch_size, seeds.fit_order(len(x)))
    if is_independent:
        transform = image_data_generator(spec.augmentation, spec.dtype).transform
        return OwnBatches(x, y, spec.batch_size, transform)
    datagen = image_data_generator(spec.augmentation, spec.dtype, seeds)
    return FlowBatches(x, y, spec.batch_size, datagen, seeds)


def validation_data(spec: RunSpec, data: Data) -> Batches:
    """Returns the validation batches of a spec: in order, not augmented.

    For arrays Keras uses the batch size of the training. For a `flow` it uses 32.
    """
    x, y = to_tensors(spec, data.x_val, data.y_val)
    batch_size = spec.batch_size if spec.augmentation is None else 32
    return ArrayBatches(x, y, batch_size, torch.arange(len(x)))


def evaluation_data(spec: RunSpec, data: Data) -> Batches:
    """Returns batches of the training samples for evaluation: in order, not augmented."""
    x, y = to_tensors(spec, data.x_train, data.y_train)
    return ArrayBatches(x, y, EVALUATION_BATCH_SIZE, torch.arange(len(x)))


def to_tensors(spec: RunSpec, x: object, y: object) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns images (N, H, W, C) and labels as (N, C, H, W) and (N,) tensors on the device.

    The permuted view of an array with channels last is already torch's channels-last layout.
    """
    images = torch.tensor(x, dtype=getattr(torch, spec.dtype), device=spec.device)
    return images.permute(0, 3, 1, 2), torch.tensor(y, dtype=torch.int64, device=spec.device)


# --- Epochs: does after each epoch what the callbacks of Keras's `model.fit` do -------------------


KEYS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


class Epochs:
    """Keeps the history of a run, cuts its learning rate, and stops it early.

    Args:
        spec: has the settings of the callbacks.
        model: its best weights may be restored at the end.
        optimizer: its learning rate is cut.

    Attributes:
        history: from Keras's key to a value for each epoch.
    """

    def __init__(self, spec: RunSpec, model: nn.Module, optimizer: Adam) -> None:
        self.history: dict[str, list[float]] = {key: [] for key in KEYS}
        self._optimizer = optimizer
        self._reduce_lr = reduce_lr(spec, optimizer)
        self._early_stopping = early_stopping(spec, model)

    def keep(self, trained: tuple[float, float], validated: tuple[float, float]) -> None:
        """Keeps (loss, accuracy) of an epoch in training and validation, and its rate."""
        rate = self._optimizer.param_groups[0]["lr"]
        for key, value in zip(KEYS, (*trained, *validated, rate), strict=True):
            self.history[key].append(value)

    def is_over(self) -> bool:
        """Applies the callbacks to the epoch that was kept last; returns whether to stop."""
        if self._reduce_lr is not None:
            self._reduce_lr.step(self.history[self._reduce_lr.monitor][-1])
        if self._early_stopping is None:
            return False
        return self._early_stopping.step(self.history[self._early_stopping.monitor][-1])

    def restore(self) -> None:
        """Restores the best weights if the spec says so. Call it once, after training."""
        if self._early_stopping is not None:
            self._early_stopping.restore()


def reduce_lr(spec: RunSpec, optimizer: Adam) -> ReduceLROnPlateau | None:
    """Returns the rule of a spec that cuts the rate, if it has one."""
    rule = spec.reduce_lr
    return None if rule is None else ReduceLROnPlateau(optimizer, **dataclasses.asdict(rule))


def early_stopping(spec: RunSpec, model: nn.Module) -> EarlyStopping | None:
    """Returns the rule of a spec that ends a training, if it has one."""
    rule = spec.early_stopping
    return None if rule is None else EarlyStopping(model, **dataclasses.asdict(rule))


# --- fit: trains one spec as Keras's `model.fit` does, epoch by epoch -----------------------------


class Result(NamedTuple):
    """What `fit` returns.

    Attributes:
        history: Keras's keys (loss, accuracy, val_loss, val_accuracy, learning_rate), each with one
            float an epoch; learning_rate is the rate with which the epoch was trained.
        weights: name to array in the portable layout, such as "conv1.kernel".
        wall_s: seconds spent training, model building and data preparation not counted.
    """

    history: dict[str, list[float]]
    weights: dict[str, np.ndarray]
    wall_s: float


@adapted()
def fit(spec: RunSpec, data: Data, observer: Observer | None = None) -> Result:
    """Trains the network of a spec from its seed.

    Args:
        spec: the run; every random number follows from `spec.seed`.
        data: the arrays of the run.
        observer: is called during the run, which it does not change.

    Returns:
        History with Keras's keys, the final weights, and the seconds spent training.
    """
    training = prepare(spec, data)
    epochs = Epochs(spec, training.model, training.optimizer)
    known = None if observer is None else evaluation_data(spec, data)
    on_step = None if observer is None else observer.on_step
    started = time.perf_counter()
    for _ in range(spec.epochs):
        epochs.keep(training.epoch(on_step), training.validate())
        if observer is not None and known is not None:
            observer.on_epoch_end(partial(evaluate, training.network, training.criterion, known))
        if epochs.is_over():
            break
    wall_s = time.perf_counter() - started
    epochs.restore()
    return Result(epochs.history, get_weights(training.model), wall_s)


@dataclass
class Training:
    """A network with its data, loss and optimizer.

    Attributes:
        model: the network as it was built, with the names of the layers.
        network: the network that is called: the same layers in fewer passes.
        batches: those of an epoch.
        val_batches: the validation samples.
        criterion: the loss, with penalties.
        optimizer: has the parameters of the model.
        forward: calls the network, in the precision of the training.
    """

    model: nn.Module
    network: nn.Module
    batches: Batches
    val_batches: Batches
    criterion: nn.Module
    optimizer: Adam
    forward: Callable[[torch.Tensor], torch.Tensor]

    def epoch(self, on_step: Callable[[], Any] | None = None) -> tuple[float, float]:
        """Trains on every batch once.

        Args:
            on_step: called after each step.

        Returns:
            (loss, accuracy) as Keras reports them.
        """
        self.network.train()
        metrics = RunningMetrics(self.model)
        for batch in self.batches:
            metrics.update(*self.step(batch), batch.y)
            if on_step is not None:
                on_step()
        return metrics.result()

    def validate(self) -> tuple[float, float]:
        """Returns (loss, accuracy) on the validation samples."""
        return evaluate(self.network, self.criterion, self.val_batches)

    def step(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Makes one step; returns the loss of the batch and its logits (N, classes)."""
        self.optimizer.zero_grad()
        logits = self.forward(batch.x)
        loss = self.criterion(logits, batch.y)
        self.descend(loss)
        return loss.detach(), logits.detach()

    def descend(self, loss: torch.Tensor) -> None:
        """Changes the weights by the gradient of a loss."""
        loss.backward()
        self.optimizer.step()


def prepare(spec: RunSpec, data: Data) -> Training:
    """Builds the network of a spec from its seed, with its data, loss and optimizer.

    Args:
        spec: the run.
        data: the arrays of the run.
    """
    model, seeds = build_model(spec, data.input_shape, data.num_classes)
    batches = training_data(spec, data, seeds)
    criterion, optimizer = criterion_of(spec, model), optimizer_of(spec, model)
    network = fused(model)
    val_batches = validation_data(spec, data)
    return Training(model, network, batches, val_batches, criterion, optimizer, network)


def criterion_of(spec: RunSpec, model: nn.Module) -> RegularizedLoss:
    """Returns the loss of a spec, with the penalties of the kernels of its network."""
    loss = SparseCategoricalCrossentropy(from_logits=True)
    return RegularizedLoss(loss, kernel_l2(model, spec.l2))


def optimizer_of(spec: RunSpec, model: nn.Module) -> Adam:
    """Returns the optimizer of a spec, for the parameters of its network."""
    return Adam(
        model.parameters(), learning_rate=spec.learning_rate, weight_decay=spec.weight_decay
    )


class RunningMetrics:
    """Loss and accuracy of an epoch as Keras reports them: means over samples, not over batches.

    They are summed in the dtype of the run, and stay on the device until `result` is called.

    Args:
        model: has the dtype and device of the sums.
    """

    def __init__(self, model: nn.Module) -> None:
        weight = next(model.parameters())
        self._loss, self._correct = weight.new_zeros(()), weight.new_zeros(())
        self._count = 0

    def update(self, loss: torch.Tensor, logits: torch.Tensor, y: torch.Tensor) -> None:
        """Adds a batch: `loss` is its mean, `logits` are (N, classes), `y` is (N,)."""
        self._loss += loss * len(y)
        self._correct += (logits.argmax(1) == y).sum()
        self._count += len(y)

    def result(self) -> tuple[float, float]:
        """Returns (loss, accuracy) of all batches so far."""
        return float(self._loss / self._count), float(self._correct / self._count)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    criterion: nn.Module,
    batches: Batches,
    forward: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> tuple[float, float]:
    """Returns (loss, accuracy) in eval mode of a model, which is called by `forward` if given."""
    model.eval()
    metrics = RunningMetrics(model)
    for batch in batches:
        logits = (forward or model)(batch.x)
        metrics.update(criterion(logits, batch.y), logits, batch.y)
    return metrics.result()
