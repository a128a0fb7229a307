"""Faults of finetune_torch: each function is the right port with one fault."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from after_epochs import AfterEpochs
from finetune_torch import build, cosine, loss

from torch_impl.metrics import CategoricalAccuracy
from torch_impl.schedule import EarlyStopping, as_lambda_lr


def cosine_steps_per_epoch():
    """The cosine moves on after every epoch instead of every step; from step 2 on."""
    port = build(learning_rate=0.01)
    return replace(port, scheduler=as_lambda_lr(port.optimizer, cosine()))


def cosine_restarts_at_step_200():
    """The cosine starts again: step 200 has the rate of the first step."""
    port = build(learning_rate=0.01)
    decay = cosine()

    def restarting(step):
        return decay(step if step < 199 else step - 199)

    by_step = as_lambda_lr(port.optimizer, restarting)
    return replace(port, scheduler=by_step, scheduler_interval="step")


def cosine_stands_from_epoch_9():
    """The rate stays at that of step 160 from epoch 9 on (step 161)."""
    port = build(learning_rate=0.01)
    decay = cosine()
    by_step = as_lambda_lr(port.optimizer, lambda step: decay(min(step, 159)))
    return replace(port, scheduler=by_step, scheduler_interval="step")


def weighted_accuracy_without_weights():
    """weighted_accuracy does not use the sample weights; from epoch 1 on."""
    unweighted = CategoricalAccuracy(name="weighted_accuracy")
    return replace(build(), metrics=["accuracy", unweighted], weighted_metrics=[])


def validation_without_weights():
    """val_loss does not use the sample weights of the validation data; from epoch 1 on."""

    def plain(output, target):
        return loss(output, target)

    return replace(build(), validation_loss=plain)


def stem_norm_thaws_at_epoch_4():
    """The frozen normalisation moves its statistics from epoch 4 on (step 61)."""
    port = build()

    def thaw():
        port.module.stem_bn.trainable = True

    return replace(port, scheduler=AfterEpochs(3, thaw))


def best_weights_by_loss():
    """The best weights are those of the least val_loss; final weights."""
    port = build()
    stopping = EarlyStopping(
        port.module, monitor="val_loss", mode="min", patience=10, restore_best_weights=True
    )
    return replace(port, early_stopping=stopping)


class SavesTooEarly(EarlyStopping):
    """Keeps the weights with which the best epoch began."""

    before = None

    def step(self, value):
        has_ended = super().step(value)
        now = {
            name: tensor.detach().clone()
            for name, tensor in [*self.model.named_parameters(), *self.model.named_buffers()]
        }
        if self.best_epoch == self.epoch and self.before is not None:
            self._best_weights = self.before
        self.before = now
        return has_ended


def weights_of_the_epoch_before():
    """The weights of the epoch before the best one are restored; final weights."""
    port = build()
    stopping = SavesTooEarly(
        port.module, monitor="val_accuracy", mode="max", patience=10, restore_best_weights=True
    )
    return replace(port, early_stopping=stopping)


def only_parameters_restored():
    """Restoring leaves out the moving statistics of the normalisations; final weights."""
    port = build()

    class ParametersOnly(EarlyStopping):
        def restore(self):
            moving = {name: value.clone() for name, value in self.model.named_buffers()}
            super().restore()
            for name, value in self.model.named_buffers():
                value.copy_(moving[name])

    stopping = ParametersOnly(
        port.module, monitor="val_accuracy", mode="max", patience=10, restore_best_weights=True
    )
    return replace(port, early_stopping=stopping)


def dropout_off_from_epoch_8():
    """Dropout is off from epoch 8 on (step 141)."""
    port = build()

    def switch_off():
        port.module.dropout.p = 0.0

    return replace(port, scheduler=AfterEpochs(7, switch_off))


def second_convolution_frozen_from_step_180():
    """conv2 gets no update any more from step 180 on."""
    port = build()
    count = 0

    def freeze(net):
        nonlocal count
        count += 1
        if count >= 180:
            for parameter in net.conv2.parameters():
                parameter.grad = None

    return replace(port, before_step=freeze)
