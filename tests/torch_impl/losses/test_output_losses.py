"""Losses of several outputs: their weighted sum, and what each says."""

import pytest
import torch
from covering import one_test
from torch import nn

from torch_impl.losses import (
    MeanAbsoluteError,
    MeanSquaredError,
    OutputLosses,
    channels_last,
    sigmoid,
    softmax,
)

OUT = {"a": torch.tensor([[0.0], [2.0]]), "b": torch.tensor([[1.0], [1.0]])}
Y = {"a": torch.tensor([[1.0], [2.0]]), "b": torch.tensor([[4.0], [1.0]])}
# By hand: mean(1, 0) = 0.5 for a, mean(3, 0) = 1.5 for b.
LOSSES = {"a": MeanSquaredError(), "b": MeanAbsoluteError()}


def test_the_loss_is_the_weighted_sum_and_each_part_has_no_weight():
    loss = OutputLosses(LOSSES, {"a": 2.0, "b": 10.0})
    assert float(loss(OUT, Y)) == 2 * 0.5 + 10 * 1.5
    assert {name: float(part) for name, part in loss.parts.items()} == {"a": 0.5, "b": 1.5}


def test_weights_of_samples_are_those_of_all_outputs_or_of_each():
    loss, weight = OutputLosses(LOSSES), torch.tensor([2.0, 0.0])
    assert float(loss(OUT, Y, weight)) == 2 * 0.5 + 2 * 1.5
    assert float(loss(OUT, Y, {"a": weight, "b": None})) == 2 * 0.5 + 1.5


def test_an_output_without_a_loss_needs_no_targets_and_has_no_part():
    loss = OutputLosses({"a": MeanSquaredError(), "b": None})
    assert float(loss(OUT, Y)) == float(loss(OUT, (Y["a"],))) == 0.5
    assert loss.parts == {}  # Keras has no columns for one loss


@one_test
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: OutputLosses([MeanSquaredError()]), "losses in a list: expected output_names"),
        (lambda: OutputLosses({"a": None}), "no output has a loss"),
        (lambda: OutputLosses(LOSSES, [1.0]), "1 loss_weights: expected 2, of the outputs a, b"),
        (lambda: OutputLosses(LOSSES)({"a": OUT["a"]}, Y), "outputs of a: expected those of"),
        (lambda: OutputLosses(LOSSES)(OUT, {"a": Y["a"]}), "none for the output 'b'"),
        (lambda: OutputLosses(LOSSES)(OUT["a"], Y), "outputs of type Tensor: expected a mapping"),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_so(call, message):
    with pytest.raises(ValueError, match=message):
        call()


SQUARE, ZERO = nn.MSELoss(), torch.zeros((2, 1))
SIZE, PLACE = torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [2.0]])  # squares: 5 and 4


def test_nested_losses_and_outputs_have_paths_as_names():
    loss = OutputLosses({"box": {"size": SQUARE, "place": SQUARE}, "score": None}, [2.0, 1.0])
    assert loss.names == ("box/size", "box/place", "score")
    wanted = {"box": {"size": ZERO, "place": ZERO}, "score": ZERO}
    for given in ({"box": {"size": SIZE, "place": PLACE}, "score": ZERO}, ((SIZE, PLACE), ZERO)):
        assert float(loss(given, wanted)) == 2 * 5 + 4


def test_lists_in_a_mapping_have_their_numbers_as_names():
    loss = OutputLosses({"maps": [SQUARE, SQUARE], "score": SQUARE}, [2.0, 1.0, 0.5])
    assert loss.names == ("maps/0", "maps/1", "score")
    wanted = {"maps/0": ZERO, "maps/1": ZERO, "score": ZERO}
    assert float(loss({"maps": (SIZE, PLACE), "score": SIZE}, wanted)) == 2 * 5 + 4 + 0.5 * 5
    with pytest.raises(ValueError, match="outputs of maps/0, score: expected those of the outputs"):
        loss({"maps": [SIZE], "score": SIZE}, wanted)


def test_channels_come_last_with_the_logits():
    x = torch.randn(2, 4, 3, 5)
    for output in (softmax(x, axis=1), sigmoid(x)):
        turned = channels_last(output)
        assert torch.equal(turned, output.permute(0, 2, 3, 1))
        assert torch.equal(turned._keras_logits, x.permute(0, 2, 3, 1))
    assert torch.equal(channels_last(x), x.permute(0, 2, 3, 1))
    assert not hasattr(channels_last(x), "_keras_logits")
