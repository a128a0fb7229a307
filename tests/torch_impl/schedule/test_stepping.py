"""When a scheduler is stepped, and with what."""

import torch
from torch import nn

from torch_impl.schedule import EarlyStopping, LearningRateScheduler
from torch_impl.schedule.callbacks import acts_at_the_beginning, begin_epoch, takes_value


def optimizer():
    return torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1)


class Own:
    """Of a user; it acts at the beginning."""

    def on_epoch_begin(self, epoch):
        self.epoch = epoch + 1


def test_a_rule_by_epoch_or_of_the_user_gets_the_number_of_the_epoch_and_others_act_at_the_end():
    rule = LearningRateScheduler(optimizer(), lambda epoch: 0.1 * (epoch + 1))
    other = torch.optim.lr_scheduler.StepLR(optimizer(), 1)
    for scheduler, acts in ((rule, True), (Own(), True), (other, False)):
        assert acts_at_the_beginning(scheduler) == begin_epoch(scheduler, 4) == acts
        assert getattr(scheduler, "epoch", 5) == 5
    assert (rule.optimizer.param_groups[0]["lr"], other.last_epoch) == (0.5, 0)


def test_a_metric_is_passed_where_step_takes_one():
    schedulers = torch.optim.lr_scheduler
    assert takes_value(schedulers.ReduceLROnPlateau(optimizer()))
    assert takes_value(EarlyStopping(nn.Linear(1, 1)))
    assert not takes_value(schedulers.StepLR(optimizer(), 1))  # its epoch has a default
