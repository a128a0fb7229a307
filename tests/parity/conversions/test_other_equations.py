"""What torch's own optimizers compute otherwise than Keras's is told, and nothing else."""

import torch
from rows import each_row

from parity.conversions.optimizer import notes_on_equations
from torch_impl import optim


class Own(torch.optim.SGD):
    """Of a user, of whose equations nothing is known."""


SGD, DECAY = torch.optim.SGD, {"weight_decay": 0.01}


def told(kind, config=None, **settings):
    made = kind([torch.nn.Parameter(torch.zeros(2))], **settings)
    return list(notes_on_equations(made, config or {}))


@each_row(
    "kind, settings, expected",
    [
        (SGD, {"lr": 0.1}, []),
        (SGD, {"lr": 0.1, **DECAY}, ["C11"]),
        (SGD, {"lr": 0.1, "momentum": 0.9, **DECAY}, ["F5", "C11"]),
        (torch.optim.Adam, {}, ["F2"]),
        (torch.optim.Adam, DECAY, ["F2", "C11"]),
        (torch.optim.Adam, {**DECAY, "decoupled_weight_decay": True}, ["F2"]),
        (torch.optim.AdamW, {}, ["F2"]),
        (torch.optim.NAdam, {}, ["F14"]),
        (torch.optim.NAdam, {"momentum_decay": 1}, []),
        (torch.optim.RMSprop, {"momentum": 0.5}, ["F4", "F4"]),
        (torch.optim.Adagrad, {}, ["F8"]),
        (torch.optim.Adadelta, {}, []),
        (optim.SGD, {"momentum": 0.9, **DECAY}, []),
        (optim.Adam, {}, []),
        (Own, {"lr": 0.1, "momentum": 0.9}, []),
    ],
)
def test_each_other_equation_is_told(kind, settings, expected):
    assert [text.partition(":")[0] for text in told(kind, **settings)] == expected


def test_a_decay_is_told_by_what_keras_does_and_settings_that_torch_has_not():
    (text,) = told(SGD, DECAY, lr=0.1, **DECAY)
    assert "added to the gradients, Keras decouples it; torch_impl.optim.SGD" in text
    assert "Keras has none" in told(SGD, lr=0.1, **DECAY)[0]
    assert len(told(SGD, {"use_ema": True, "gradient_accumulation_steps": 4}, lr=0.1)) == 2
