"""The program in plain PyTorch, as tutorials write it: `parity bench` compares `fit` with it.

It has channels-first images in memory, a shuffled DataLoader, torch's own initialisation, Dropout
and Adam, and reads the accuracy in every step. It augments every sample with torchvision's
RandomAffine, which draws parameters from other distributions than Keras does, and applies them in
another order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import v2

from parity.data.dataset import Data
from parity.errors import InputError
from parity.programs.run_spec import Augmentation, RunSpec
from torch_impl.data import to_tensors
from torch_impl.layers import Dropout, Flatten
from torch_impl.models import MODELS


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
