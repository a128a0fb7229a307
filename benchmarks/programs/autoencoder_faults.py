"""Faults of autoencoder_torch: each function is the right port with one fault."""

import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from after_epochs import AfterEpochs
from autoencoder_torch import build, schedule

from torch_impl.metrics import CosineSimilarity
from torch_impl.schedule import LearningRateScheduler


def decay_one_epoch_late():
    """The rate falls from epoch 10 on instead of epoch 9 on; from epoch 9 on (step 121)."""
    port = build()

    def late(epoch, rate):
        return rate if epoch < 9 else rate * 0.8

    return replace(port, scheduler=LearningRateScheduler(port.optimizer, late))


def decay_of_the_first_rate():
    """The rate falls once to 0.8 of the first one, not further; from epoch 10 on (step 136)."""
    port = build()

    def once(epoch, rate):
        return rate * 0.8 if epoch == 8 else rate

    return replace(port, scheduler=LearningRateScheduler(port.optimizer, once))


def schedule_restarts_at_epoch_12():
    """The rate goes back to the first one at epoch 12 (step 166) and stays."""
    port = build()

    def restarts(epoch, rate):
        if epoch == 11:
            return rate / 0.8**3
        return schedule(epoch, rate) if epoch < 11 else rate

    return replace(port, scheduler=LearningRateScheduler(port.optimizer, restarts))


def schedule_counts_steps():
    """The schedule of epochs is stepped after every step; the rate falls from step 9 on."""
    port = build()
    by_step = torch.optim.lr_scheduler.LambdaLR(
        port.optimizer, lambda count: 0.8 ** max(0, count - 7)
    )
    return replace(port, scheduler=by_step, scheduler_interval="step")


def cosine_along_rows():
    """cosine_similarity is that of rows of pixels instead of that of colours; from epoch 1 on."""
    return replace(build(), metrics=["mae", CosineSimilarity(axis=-1)])


def mae_of_rounded_outputs():
    """Mae is that of outputs rounded to two digits; from epoch 1 on."""

    def mae(output, target):
        return ((output * 100).round() / 100 - target).abs().mean((1, 2, 3))

    return replace(build(), metrics=[mae, CosineSimilarity(axis=1)])


def encoder_frozen_from_epoch_4():
    """The encoder does not train any more from epoch 4 on (step 46)."""
    port = build()

    def freeze():
        for parameter in port.module.encoder.parameters():
            parameter.requires_grad_(False)
            parameter.grad = None

    return replace(port, scheduler=[port.scheduler, AfterEpochs(3, freeze)])


def bias_correction_restarts_at_epoch_6():
    """Adam counts its steps from zero again at epoch 6 (step 76), and keeps its moments."""
    port = build()

    def recount():
        for group in port.optimizer.param_groups:
            group["step"] = 0

    return replace(port, scheduler=[port.scheduler, AfterEpochs(5, recount)])
