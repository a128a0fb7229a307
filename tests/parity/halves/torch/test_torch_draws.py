"""What a torch program draws: its kind, and how the output follows from what is drawn."""

import torch
from rows import each_row
from torch.overrides import TorchFunctionMode

from parity.halves.torch.kinds import INTEGERS, MASK, NORMAL, UNIFORM, drawing_of, uniform_of


class Given(TorchFunctionMode):
    """Takes threes in the place of all that is drawn, and notes its kinds."""

    def __init__(self):
        super().__init__()
        self.kinds = []

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        output = function(*arguments, **(keywords or {}))
        drawing = drawing_of(function, arguments, keywords or {})
        if drawing is None:
            return output
        self.kinds.append(drawing.kind)
        return output.copy_(drawing.scaled(torch.full_like(output, 3)))


@each_row(
    "draw, kind, expected",
    [
        (lambda: torch.randn(2), NORMAL, 3),
        (lambda: torch.randn_like(torch.ones(2)), NORMAL, 3),
        (lambda: torch.empty(2).normal_(), NORMAL, 3),
        (lambda: torch.empty(2).normal_(1.0, 2.0), NORMAL, 7),
        (lambda: torch.empty(2).normal_(mean=1.0, std=0.5), NORMAL, 2.5),
        (lambda: torch.normal(torch.ones(2), 2 * torch.ones(2)), NORMAL, 7),
        (lambda: torch.distributions.Normal(torch.ones(2), 2.0).rsample(), NORMAL, 7),
        (lambda: torch.rand(2), UNIFORM, 3),
        (lambda: torch.empty(2).uniform_(1, 2), UNIFORM, 4),
        (lambda: torch.randint(0, 9, (2,)), INTEGERS, 3),
        (lambda: torch.bernoulli(torch.full((2,), 0.5)), MASK, 3),
    ],
)
def test_what_is_drawn_has_a_kind_and_is_scaled_as_the_function_scales_it(draw, kind, expected):
    with Given() as given:
        output = draw()
    assert given.kinds == [kind]
    assert output.tolist() == [expected, expected]


@each_row("function", [torch.randperm, torch.ones, torch.poisson])
def test_what_draws_nothing_or_something_else_has_no_kind(function):
    assert drawing_of(function, (3,), {}) is None


def test_uniform_numbers_make_a_mask_by_either_comparison():
    mask = torch.tensor([1.0, 0.0, 1.0])
    low, high = uniform_of(mask, keeps_low=True), uniform_of(mask, keeps_low=False)
    for keep in (0.1, 0.5, 0.9):
        assert torch.equal((low < keep).float(), mask)
        assert torch.equal(torch.floor(keep + high), mask)
