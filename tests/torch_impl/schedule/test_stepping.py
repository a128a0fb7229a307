"""When a scheduler is stepped, and with what."""

import torch
from torch import nn

from torch_impl.schedule import EarlyStopping, LearningRateScheduler
from torch_impl.schedule.callbacks import acts_at_the_beginning, begin_epoch, takes_value


def optimizer():
    return torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1)


def test_a_rule_by_epoch_gets_the_number_of_the_epoch():
    rule = LearningRateScheduler(optimizer(), lambda epoch: 0.1 * (epoch + 1))
    assert acts_at_the_beginning(rule)
    assert begin_epoch(rule, 4)
    assert rule.optimizer.param_groups[0]["lr"] == 0.5
    assert rule.epoch == 5


def test_a_scheduler_of_the_user_may_act_at_the_beginning():
    class Own:
        def on_epoch_begin(self, epoch):
            self.seen = epoch

    own = Own()
    assert acts_at_the_beginning(own)
    assert begin_epoch(own, 3)
    assert own.seen == 3


def test_other_schedulers_act_at_the_end():
    other = torch.optim.lr_scheduler.StepLR(optimizer(), 1)
    assert not acts_at_the_beginning(other)
    assert not begin_epoch(other, 0)
    assert other.last_epoch == 0


def test_a_metric_is_passed_where_step_takes_one():
    schedulers = torch.optim.lr_scheduler
    assert takes_value(schedulers.ReduceLROnPlateau(optimizer()))
    assert takes_value(EarlyStopping(nn.Linear(1, 1)))
    assert not takes_value(schedulers.StepLR(optimizer(), 1))  # its epoch has a default
