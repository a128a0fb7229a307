"""Initial weights of any module, drawn from one seed in the order of a Keras program."""

import keras
import numpy as np
import pytest
import torch
from torch import nn

from torch_impl.initial_weights import SEED, SKIPPED, draw_initial
from torch_impl.initializers import GlorotUniform, HeNormal, Orthogonal, UnitForgetBias, Zeros
from torch_impl.layers import LSTM, Dropout, RandomCrop, RandomFlip
from torch_impl.seeds import KerasSeeds


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.dropout = Dropout(0.5)
        self.lstm = LSTM(4, 5)
        self.flip = RandomFlip(seed=3)


DRAWS = [
    ("conv.kernel", HeNormal()),
    ("", SKIPPED),
    ("dropout", SEED),
    ("lstm.lstm_cell/kernel", GlorotUniform()),
    ("lstm.lstm_cell/recurrent_kernel", Orthogonal()),
    ("lstm.lstm_cell/bias", UnitForgetBias()),
    ("conv.bias", Zeros()),
]


def keras_layers():
    keras.utils.set_random_seed(7)
    conv = keras.layers.Conv2D(4, 3, kernel_initializer="he_normal")
    keras.layers.Dropout(0.1)  # which the model leaves out
    dropout = keras.layers.Dropout(0.5)
    lstm = keras.layers.LSTM(5)
    conv.build((None, 8, 8, 3))
    lstm.build((None, 6, 4))
    return conv, dropout, lstm


def test_the_weights_are_those_of_keras():
    conv, dropout, lstm = keras_layers()
    net = Net()
    draw_initial(net, KerasSeeds(7), DRAWS)
    assert np.array_equal(net.conv.weight.detach().permute(2, 3, 1, 0), conv.kernel)
    assert np.array_equal(net.conv.bias.detach(), conv.bias)
    assert net.dropout.seed == int(np.asarray(dropout.seed_generator.state)[0])
    assert np.array_equal(net.lstm.weight_ih_l0.detach().T, lstm.cell.kernel)
    # Orthogonal rows come from a QR decomposition, in which two libraries round differently.
    difference = net.lstm.weight_hh_l0.detach().T.numpy() - np.asarray(lstm.cell.recurrent_kernel)
    assert np.abs(difference).max() <= 1e-6
    assert np.array_equal(net.lstm.bias_ih_l0.detach(), lstm.cell.bias)


def test_a_number_too_few_changes_all_that_follows():
    net, other = Net(), Net()
    draw_initial(net, KerasSeeds(7), DRAWS)
    draw_initial(other, KerasSeeds(7), [draw for draw in DRAWS if draw[1] != SKIPPED])
    assert torch.equal(net.conv.weight, other.conv.weight)
    assert net.dropout.seed != other.dropout.seed


def test_layers_of_images_take_as_many_numbers_as_keras_draws_for_them():
    keras.utils.set_random_seed(7)
    theirs = [
        keras.layers.RandomCrop(4, 4),
        keras.layers.RandomFlip(),
        keras.layers.Dropout(0.5),
    ]
    generators = [theirs[0].generator, theirs[1].generator, theirs[2].seed_generator]
    ours = nn.Sequential(RandomCrop(4, 4), RandomFlip(), Dropout(0.5))
    draw_initial(ours, KerasSeeds(7), [(str(number), SEED) for number in range(3)])
    seeds = [int(np.asarray(generator.state)[0]) for generator in generators]
    assert [layer.seed for layer in ours] == seeds


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (("conv.gamma", Zeros()), ValueError, "expected one of .*'kernel'"),
        (("none.kernel", Zeros()), ValueError, "expected one of"),
        (("conv", SEED), ValueError, "expected a layer with a seed"),
        (("flip", SEED), ValueError, "has a seed of its own"),
    ],
)
def test_a_draw_that_nothing_takes_is_an_error(draw, error, message):
    with pytest.raises(error, match=message):
        draw_initial(Net(), KerasSeeds(0), [draw])
