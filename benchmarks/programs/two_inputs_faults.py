"""Faults of two_inputs_torch: each function is the right port with one fault."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
from after_epochs import AfterEpochs
from two_inputs_torch import POSITIVE_WEIGHT, build, plateau

from torch_impl.metrics import AUC, BinaryAccuracy


class WeightedFor(nn.Module):
    """The loss with the class weight in its first calls, and without it in later ones."""

    def __init__(self, calls):
        super().__init__()
        self.calls, self.count = calls, 0
        self.weighted = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(POSITIVE_WEIGHT))
        self.plain = nn.BCEWithLogitsLoss()

    def forward(self, output, target):
        self.count += 1
        loss = self.weighted if self.count <= self.calls else self.plain
        return loss(output, target)


class ClassWeightedAccuracy(BinaryAccuracy):
    """Counts each sample by the weight of its class."""

    def update(self, y_pred, y_true, sample_weight=None, mask=None):
        weight = torch.where(y_true.reshape(-1) > 0, POSITIVE_WEIGHT, 1.0)
        super().update(y_pred, y_true, weight, mask)


def class_weights_in_validation():
    """The class weights count in validation too; from val_loss of epoch 1 on."""
    return replace(build(), validation_loss=None)


def class_weights_in_accuracy():
    """Accuracy counts samples by their class weights; from epoch 1 on."""
    accuracy = ClassWeightedAccuracy(name="accuracy", threshold=0.0)
    return replace(build(), metrics=[accuracy, AUC(name="auc", from_logits=True)])


def class_weights_lost_from_step_150():
    """The loss has no class weights any more from step 150 on."""
    return replace(build(), loss=WeightedFor(149))


def plateau_mode_min():
    """ReduceLROnPlateau takes a smaller val_auc as better; from its first rise on."""
    port = build()
    return replace(port, scheduler=plateau(port.optimizer, mode="min"))


def plateau_on_loss():
    """ReduceLROnPlateau watches val_loss; from the first cut on."""
    port = build()
    return replace(port, scheduler=plateau(port.optimizer, monitor="val_loss", mode="min"))


def plateau_patience_three():
    """ReduceLROnPlateau has patience 3 instead of 2; from the epoch after Keras's first cut on."""
    port = build()
    return replace(port, scheduler=plateau(port.optimizer, patience=3))


def plateau_cooldown():
    """ReduceLROnPlateau waits 2 epochs after a cut; from the epoch on in which Keras cuts again."""
    port = build()
    return replace(port, scheduler=plateau(port.optimizer, cooldown=2))


def area_of_precision_and_recall():
    """Auc is the area under precision against recall; from epoch 1 on (and the rate follows it)."""
    accuracy = BinaryAccuracy(name="accuracy", threshold=0.0)
    return replace(build(), metrics=[accuracy, AUC(name="auc", from_logits=True, curve="PR")])


def few_thresholds():
    """Auc has 20 thresholds instead of 200; from epoch 1 on (and the rate follows it)."""
    accuracy = BinaryAccuracy(name="accuracy", threshold=0.0)
    auc = AUC(name="auc", from_logits=True, num_thresholds=20)
    return replace(build(), metrics=[accuracy, auc])


def accuracy_of_logits():
    """Accuracy compares the logits with 0.5; from epoch 1 on."""
    return replace(build(), metrics=["accuracy", AUC(name="auc", from_logits=True)])


def nadam_product_restarts_at_epoch_7():
    """The product of momentums in Nadam starts from 1 again at epoch 7 (step 85)."""
    port = build()

    def restart():
        for group in port.optimizer.param_groups:
            group["u_product"] = 1.0

    return replace(port, scheduler=[port.scheduler, AfterEpochs(6, restart)])
