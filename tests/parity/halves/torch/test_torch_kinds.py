"""Torch's modules have a word that both halves know them by."""

from rows import each_row
from torch import fx, nn

from parity.halves.torch.kinds import is_leaf, kind_of
from torch_impl import layers


def test_a_dropout_with_a_forward_of_its_own_is_told_by_what_it_calls():
    class Turned(nn.Dropout1d):
        def forward(self, x):
            return super().forward(x.transpose(1, 2)).transpose(1, 2)

    class Named(nn.Dropout1d):
        pass

    assert not is_leaf(Turned(0.5))
    assert (is_leaf(Named(0.5)), kind_of(Named(0.5))) == (True, "dropout")


def test_a_separable_convolution_is_the_two_that_it_holds():
    separable = layers.SeparableConv2D(3, 5, 3)
    assert kind_of(separable) == "unknown:SeparableConv2D"
    assert [kind_of(child) for child in separable.children()] == ["depthwise_conv", "conv"]


class RNN(nn.Module):
    """A user's net with the name of one of torch's layers."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 2)

    def forward(self, x):
        return self.rnn(x)[0]


def test_a_users_class_is_not_torchs_layer_of_the_same_name_also_when_torch_traced_it():
    assert kind_of(RNN()) == "unknown:RNN"
    traced = fx.symbolic_trace(RNN())
    assert kind_of(traced) == "unknown:RNN"
    assert not is_leaf(traced)
    assert kind_of(traced.rnn) == "lstm"


RELUS = {
    "plain": (layers.ReLU(), "activation:relu"),
    "six": (layers.ReLU(6.0), "activation:relu6"),
    "leaky": (layers.ReLU(negative_slope=0.2), "activation:leaky_relu"),
    "both": (layers.ReLU(6.0, negative_slope=0.2), "activation:relu"),
    "threshold": (layers.ReLU(6.0, threshold=1.0), "activation:relu"),
    "by_name": (layers.Activation("relu"), "activation:relu"),
    "by_name_six": (layers.Activation("relu", max_value=6), "activation:relu6"),
    "torchs": (nn.ReLU(), "activation:relu"),
    "torchs_six": (nn.ReLU6(), "activation:relu6"),
    "torchs_leaky": (nn.LeakyReLU(0.2), "activation:leaky_relu"),
}


@each_row("layer, kind", RELUS.values(), ids=RELUS)
def test_a_relu_of_keras_has_the_word_of_what_it_is_by_its_settings(layer, kind):
    assert kind_of(layer) == kind
