"""AdamW, and Adam with amsgrad, move weights as Keras's do, up to rounding."""

import numpy as np
import pytest
import torch
from optimizer_runs import (
    TorchRun,
)

from torch_impl.optim import AdamW


def test_the_greatest_velocity_of_each_entry_is_kept():
    run = TorchRun("Adam", [np.zeros(2)], amsgrad=True, beta_2=0.5)
    for gradient in ([2.0, 1.0], [0.0, 4.0]):
        run.step([np.array(gradient)])
    # v: (2, 0.5), then (1, 8.25).
    assert run.slots()[0]["velocity"].tolist() == [1.0, 8.25]
    assert run.slots()[0]["velocity_hat"].tolist() == [2.0, 8.25]


def test_no_decay_at_all_is_an_error_of_adamw():
    with pytest.raises(ValueError, match="weight_decay=None: expected a number"):
        AdamW([torch.nn.Parameter(torch.ones(1))], weight_decay=None)
