"""What torch's own optimizers compute otherwise than Keras's is told, and nothing else."""

import torch
from rows import each_row

from parity.conversions.optimizer import notes_on_equations
from torch_impl import optim


def told(kind, config=None, **settings):
    made = kind([torch.nn.Parameter(torch.zeros(2))], **settings)
    return [text.partition(":")[0] for text in notes_on_equations(made, config or {})]


@each_row(
    "kind, settings, expected",
    [
        (torch.optim.SGD, {"lr": 0.1}, []),
        (torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.01}, ["C11"]),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}, ["F5", "C11"]),
        (torch.optim.Adam, {}, ["F2"]),
        (torch.optim.Adam, {"weight_decay": 0.01}, ["F2", "C11"]),
        (torch.optim.Adam, {"weight_decay": 0.01, "decoupled_weight_decay": True}, ["F2"]),
        (torch.optim.AdamW, {}, ["F2"]),
        (torch.optim.NAdam, {}, ["F14"]),
        (torch.optim.NAdam, {"momentum_decay": 1}, []),
        (torch.optim.RMSprop, {"momentum": 0.5}, ["F4", "F4"]),
        (torch.optim.Adagrad, {}, ["F8"]),
        (torch.optim.Adadelta, {}, []),
        (optim.SGD, {"momentum": 0.9, "weight_decay": 0.01}, []),
        (optim.Adam, {}, []),
    ],
)
def test_each_other_equation_is_told(kind, settings, expected):
    assert told(kind, **settings) == expected


def test_a_decay_is_told_by_what_keras_does():
    made = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1, weight_decay=0.01)
    (text,) = notes_on_equations(made, {"weight_decay": 0.01})
    assert "added to the gradients, Keras decouples it; torch_impl.optim.SGD" in text
    assert "Keras has none" in next(notes_on_equations(made, {}))


def test_settings_that_torch_has_not_are_told():
    config = {"use_ema": True, "gradient_accumulation_steps": 4}
    assert len(told(torch.optim.SGD, config, lr=0.1)) == 2


def test_of_a_class_of_the_users_nothing_is_known():
    class Own(torch.optim.SGD):
        pass

    assert told(Own, lr=0.1, momentum=0.9) == []
