"""Right ports, in the styles in which people write them."""

from __future__ import annotations

from typing import Any

from benchmarks.held_out.late import Late
from benchmarks.held_out.torch_side import F
from benchmarks.recurrent_cases import nets
from benchmarks.recurrent_cases.torch_side import locked, port

kl = Late("torch_impl.layers")


def dropped_by_ones() -> Any:
    """One mask for all steps by `F.dropout` of ones."""
    return port(nets.Dropped(lambda x, training: locked(x, 0.4, training)))


def dropped_by_bernoulli() -> Any:
    """One mask for all steps by `bernoulli_`, as in AWD-LSTM."""

    def drop(x: Any, training: bool) -> Any:
        if not training:
            return x
        mask = x.new_empty(x.size(0), 1, x.size(2)).bernoulli_(1 - 0.4)
        return x * mask / (1 - 0.4)

    return port(nets.Dropped(drop))


def dropped_by_channels() -> Any:
    """One mask for all steps by `F.dropout1d` with the features first."""

    def drop(x: Any, training: bool) -> Any:
        return F.dropout1d(x.transpose(1, 2), 0.4, training).transpose(1, 2)

    return port(nets.Dropped(drop))


def dropped_by_library() -> Any:
    """The layer of torch_impl, which draws Keras's masks."""
    return port(nets.Plain(kl.LSTM(3, 5, dropout=0.4)))


def dropped_gru_by_ones() -> Any:
    """The same in front of a GRU."""
    return port(nets.DroppedGRU(lambda x, training: locked(x, 0.3, training)))


def recurrent_dropped_by_library() -> Any:
    """The layer of torch_impl, which draws Keras's masks."""
    return port(nets.Plain(kl.LSTM(3, 5, dropout=0.2, recurrent_dropout=0.3)))


def recurrent_dropped_by_hand() -> Any:
    """A loop over the steps with a mask for each gate, drawn before it."""
    return port(nets.GatedLSTM(0.2, 0.3))


def states_dropped_by_hand() -> Any:
    """A loop over `nn.RNNCell`, whose state is dropped by one mask."""
    return port(nets.LoopedRNN("once"))


def encoder_decoder_modules() -> Any:
    """`nn.LSTM`, whose states are given to another."""
    return port(nets.EncoderDecoder())


def encoder_decoder_cells() -> Any:
    """Loops over `nn.LSTMCell`."""
    return port(nets.CellEncoderDecoder())


def encoder_decoder_gru_modules() -> Any:
    """`nn.GRU` of both directions, whose last states are joined."""
    return port(nets.GRUEncoderDecoder())


def state_used_module() -> Any:
    """Both h and c of an `nn.LSTM`, joined."""
    return port(nets.StateUsed())


def backwards_flipped() -> Any:
    """The input is flipped, the output is not."""
    return port(nets.Backwards())


def both_summed_halves() -> Any:
    """The two halves of what `nn.LSTM` gives are added."""
    return port(nets.BothSummed())


def both_summed_library() -> Any:
    """Two layers of torch_impl."""
    parts = [kl.LSTM(3, 4, return_sequences=True, go_backwards=back) for back in (False, True)]
    return port(nets.Pooled(kl.Bidirectional(*parts, "sum")))


def cells_modules() -> Any:
    """One `nn.LSTM` and one `nn.GRU` behind it."""
    return port(nets.TwoLayers())


def cells_library() -> Any:
    """The cells of torch_impl."""
    both = kl.StackedRNNCells([kl.LSTMCell(3, 5), kl.GRUCell(5, 4)], ["lstm_cell", "gru_cell"])
    return port(nets.Plain(kl.RNN(both, "stacked_rnn_cells"), 4))


def one_cell_loop() -> Any:
    """A loop over `nn.LSTMCell`, whose outputs are stacked."""
    return port(nets.CellLoop())


def one_cell_other_gates() -> Any:
    """An LSTM by hand, with gates in the order i, f, o, g."""
    return port(nets.OneCellByHand("ifog"))


def reset_before_library() -> Any:
    """The layer of torch_impl."""
    return port(nets.Plain(kl.GRU(3, 5, reset_after=False, return_sequences=True)))


def images_by_hand() -> Any:
    """One convolution of input and state for all gates."""
    return port(nets.Images())


def images_other_gates() -> Any:
    """Gates in the order i, f, o, g, as in most implementations: the same model, trained anew."""
    return port(nets.Images("ifog"))


def images_library() -> Any:
    """The layers of torch_impl."""
    return port(nets.LibraryImages())


def images_two_convolutions() -> Any:
    """A convolution of the input and one of the state, gates in Keras's order."""
    return port(nets.TwoConvolutionImages())


def valid_images_library() -> Any:
    """The layer of torch_impl, which draws Keras's masks."""
    return port(nets.ValidImages())


def stateful_attribute() -> Any:
    """States in an attribute, without their gradients."""
    return port(nets.Stateful())


def stateful_library() -> Any:
    """The layer of torch_impl."""
    return port(nets.Plain(kl.LSTM(3, 5, stateful=True)))
