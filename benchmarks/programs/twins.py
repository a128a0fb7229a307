"""Ports whose networks `torch_impl.from_keras_config` makes from the configs of the Keras models.

`python benchmarks/programs/write_configs.py` writes configs.json again.
"""

from __future__ import annotations

import json
from pathlib import Path

import autoencoder_torch
import finetune_torch
import two_inputs_torch

from torch_impl import Port, from_keras_config
from torch_impl.keras_config import KerasModel
from torch_impl.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from torch_impl.metrics import AUC, CosineSimilarity, SparseTopKCategoricalAccuracy
from torch_impl.optim import SGD, Adadelta, Adam, Nadam, RMSprop
from torch_impl.penalty import Penalty, RegularizedLoss, kernel_l2
from torch_impl.regularizers import L2
from torch_impl.schedule import EarlyStopping, LearningRateScheduler, ReduceLROnPlateau

CONFIGS = Path(__file__).with_name("configs.json")


def _net(name: str) -> KerasModel:
    return from_keras_config(json.loads(CONFIGS.read_text())[name])


def residual() -> Port:
    net = _net("residual")
    optimizer = SGD(net.parameters(), learning_rate=0.05, momentum=0.9, nesterov=True, clipnorm=1.0)
    return Port(
        net,
        loss=RegularizedLoss(SparseCategoricalCrossentropy(from_logits=True), kernel_l2(net, 5e-4)),
        optimizer=optimizer,
        scheduler=ReduceLROnPlateau(optimizer, factor=0.5, patience=2, min_delta=1e-3, min_lr=1e-4),
        metrics=["accuracy"],
    )


def text() -> Port:
    net = _net("text")
    penalty = Penalty(net, {"embedding.weight": L2(1e-4)})
    return Port(
        net,
        loss=RegularizedLoss(SparseCategoricalCrossentropy(), penalty),
        optimizer=RMSprop(net.parameters(), learning_rate=0.005),
        early_stopping=EarlyStopping(net, patience=3, restore_best_weights=True),
        metrics=["accuracy", SparseTopKCategoricalAccuracy(k=2, name="top2")],
    )


def series() -> Port:
    net = _net("series")
    return Port(
        net,
        loss=MeanSquaredError(),
        optimizer=Adadelta(net.parameters(), learning_rate=1.0),
        early_stopping=EarlyStopping(net, min_delta=0.005, patience=4, restore_best_weights=True),
        metrics=["mae", "mse"],
    )


def autoencoder() -> Port:
    net = _net("autoencoder")
    optimizer = Adam(net.parameters(), learning_rate=0.005)
    return Port(
        net,
        loss=MeanSquaredError(),
        optimizer=optimizer,
        scheduler=LearningRateScheduler(optimizer, autoencoder_torch.schedule),
        metrics=["mae", CosineSimilarity()],
    )


def two_inputs() -> Port:
    net = _net("two_inputs")
    optimizer = Nadam(net.parameters(), learning_rate=0.004)
    return Port(
        net,
        loss=BinaryCrossentropy(),
        class_weight={0: 1.0, 1: 2.5},
        optimizer=optimizer,
        scheduler=two_inputs_torch.plateau(optimizer),
        metrics=["accuracy", AUC(name="auc")],
    )


def finetune() -> Port:
    net = _net("finetune")
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    return Port(
        net,
        loss=CategoricalCrossentropy(label_smoothing=0.1),
        optimizer=Adam(trained, learning_rate=finetune_torch.cosine()),
        early_stopping=EarlyStopping(
            net, monitor="val_accuracy", mode="max", patience=10, restore_best_weights=True
        ),
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
