"""Faults of text_torch: each function is the right port with one fault."""

import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from after_epochs import AfterEpochs
from text_torch import build

from torch_impl.metrics import SparseTopKCategoricalAccuracy
from torch_impl.schedule import EarlyStopping


def patience_four():
    """EarlyStopping has patience 4 instead of 3; from the epoch on in which Keras stops."""
    port = build()
    stopping = EarlyStopping(port.module, patience=4, restore_best_weights=True)
    return replace(port, early_stopping=stopping)


def patience_two():
    """EarlyStopping has patience 2 instead of 3; from the second bad epoch in a row on."""
    port = build()
    stopping = EarlyStopping(port.module, patience=2, restore_best_weights=True)
    return replace(port, early_stopping=stopping)


def best_weights_not_restored():
    """The weights of the last epoch are kept instead of the best; after the last epoch."""
    port = build()
    stopping = EarlyStopping(port.module, patience=3, restore_best_weights=False)
    return replace(port, early_stopping=stopping)


def stops_on_accuracy():
    """EarlyStopping watches val_accuracy; from the first stop on."""
    port = build()
    stopping = EarlyStopping(
        port.module, patience=3, restore_best_weights=True, monitor="val_accuracy", mode="max"
    )
    return replace(port, early_stopping=stopping)


def top_three():
    """The metric top2 counts the three greatest outputs; from epoch 1 on."""
    port = build()
    top = SparseTopKCategoricalAccuracy(k=3, name="top2")
    return replace(port, metrics=["accuracy", top])


def balanced_accuracy():
    """Accuracy is the mean of the recalls of the classes of a batch; from epoch 1 on."""

    def accuracy(output, target):
        labels = target.reshape(-1).long()
        is_right = (output.argmax(-1) == labels).to(output.dtype)
        counts = torch.bincount(labels, minlength=output.shape[-1])
        share = len(labels) / ((counts > 0).sum() * counts[labels])
        return is_right * share

    top = SparseTopKCategoricalAccuracy(k=2, name="top2")
    return replace(build(), metrics=[accuracy, top])


def squares_forgotten_at_epoch_5():
    """The running squares of RMSprop start from zero again at epoch 5 (step 101)."""
    port = build()
    return replace(port, scheduler=AfterEpochs(4, port.optimizer.state.clear))


def embedding_frozen_from_step_100():
    """The embedding gets no update any more from step 100 on."""
    port = build()
    count = 0

    def freeze(net):
        nonlocal count
        count += 1
        if count >= 100:
            net.embedding.weight.grad = None

    return replace(port, before_step=freeze)
