"""Faults of residual_torch: each function is the right port with one fault."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
from after_epochs import AfterEpochs
from residual_torch import build

from torch_impl.layers import BatchNormalization
from torch_impl.schedule import ReduceLROnPlateau


def patience_three():
    """ReduceLROnPlateau has patience 3 instead of 2; from the epoch after Keras's first cut on."""
    port = build()
    plateau = ReduceLROnPlateau(port.optimizer, factor=0.5, patience=3, min_delta=1e-3, min_lr=1e-4)
    return replace(port, scheduler=plateau)


def monitors_training_loss():
    """ReduceLROnPlateau watches loss; from the epoch after Keras's first cut on."""
    port = build()
    plateau = ReduceLROnPlateau(
        port.optimizer, factor=0.5, patience=2, min_delta=1e-3, min_lr=1e-4, monitor="loss"
    )
    return replace(port, scheduler=plateau)


def large_min_delta():
    """ReduceLROnPlateau has min_delta 0.1, not 0.001; from the first smaller gain on."""
    port = build()
    plateau = ReduceLROnPlateau(port.optimizer, factor=0.5, patience=2, min_delta=0.1, min_lr=1e-4)
    return replace(port, scheduler=plateau)


def dropout_off_from_epoch_6():
    """Both dropouts are off from epoch 6 on (step 81)."""
    port = build()

    def switch_off():
        port.module.dropout.p = 0.0
        port.module.spatial_dropout.p = 0.0

    return replace(port, scheduler=[port.scheduler, AfterEpochs(5, switch_off)])


def momentum_lost_at_epoch_5():
    """The momentum of SGD starts from zero again at epoch 5 (step 65)."""
    port = build()

    def forget():
        for slots in port.optimizer.state.values():
            slots["momentum"].zero_()

    return replace(port, scheduler=[port.scheduler, AfterEpochs(4, forget)])


def norms_frozen_from_epoch_7():
    """All batch normalisations use and keep the moving statistics from epoch 7 on (step 97)."""
    port = build()

    def freeze():
        for layer in port.module.modules():
            if isinstance(layer, BatchNormalization):
                layer.trainable = False

    return replace(port, scheduler=[port.scheduler, AfterEpochs(6, freeze)])


def norm_momentum_from_epoch_4():
    """The momentum of all batch normalisations is 0.99 instead of 0.9 from epoch 4 on (step 49)."""
    port = build()

    def slow_down():
        for layer in port.module.modules():
            if isinstance(layer, BatchNormalization):
                layer.momentum = 0.99

    return replace(port, scheduler=[port.scheduler, AfterEpochs(3, slow_down)])


def kernels_clipped_from_step_150():
    """Kernels of convolutions are clipped to [-0.25, 0.25] before each update from step 150 on."""
    port = build()
    count = 0

    @torch.no_grad()
    def clip(net):
        nonlocal count
        count += 1
        if count >= 150:
            for layer in net.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.weight.clamp_(-0.25, 0.25)

    return replace(port, before_step=clip)
