"""Recurrent layers over (N, T, C): Keras's equations, torch's gates and names of weights."""

from __future__ import annotations

from typing import Any

from torch_impl.layers.recurrent_gates import (
    Function,
    Gates,
    GRUGates,
    LSTMGates,
    SimpleGates,
)
from torch_impl.layers.rnn import Loop


class Recurrent(Loop, Gates):
    """Base of the three layers: the loop around their own gates."""

    suffix = "_l0"


class LSTM(Recurrent, LSTMGates):
    """Long short-term memory.

    i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b), c = f c + i g, h = o tanh(c).

    Differs from torch.nn.LSTM in:
    1. only one bias is trained; `bias_hh_l0` is a buffer of zeros, kept for the state_dict;
    2. any activations are allowed;
    3. it returns the last output, not (outputs, states), unless `return_sequences` or
       `return_state` say otherwise. Both work as in Keras, and so does `go_backwards`: outputs are
       then in the order in which they were computed;
    4. `dropout` drops inputs, and `recurrent_dropout` states, with Keras's masks: one for all time
       steps of a call. Torch's drops outputs between two layers, each time step for itself;
    5. `stateful` keeps the states from call to call.

    Gates are in torch's order i, f, g, o, which is Keras's i, f, c, o. There is one layer and one
    direction.

    Source: keras 3.15 `layers/rnn/lstm.py`.

    Args:
        input_size: features of a time step.
        units: of the output.
        activation: of g and c, a name of `activations`, or a function.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        dropout: fraction of the inputs to drop in train mode, in [0, 1]; with 1, Keras drops
            nothing.
        recurrent_dropout: fraction of the states to drop, each gate by a mask of its own.
        seed: of the masks; see `RecurrentDropout`.
        implementation: 1 draws a mask of the inputs for each gate, 2 one for all; with
            recurrent_dropout it is 1.
        return_sequences: whether to return the outputs of all time steps.
        return_state: whether to return the last h and c too.
        go_backwards: whether to go from the last time step to the first.
        zero_output_for_mask: whether the output is 0 where a mask leaves a step out, in the place
            of the last output.
        stateful: whether a call begins where the one before ended; `reset_states()` begins anew.
        **options: device and dtype of the weights.
    """

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: Function = "tanh",
        recurrent_activation: Function = "sigmoid",
        **options: Any,
    ) -> None:
        super().__init__(input_size, units, activation, recurrent_activation, **options)


class GRU(Recurrent, GRUGates):
    """Gated recurrent unit.

    z, r = sigmoid(W x + U h + b), h = z h + (1 - z) n, with
    n = tanh(W x + b + r (U h + b')) if reset_after, else tanh(W x + b + U (r h)).

    Differs from torch.nn.GRU in:
    1. reset_after=False multiplies h, not its product, by r, and has one bias: torch's second bias
       is then a buffer of zeros;
    2. any activations are allowed;
    3. it returns, drops and keeps what `LSTM` does.

    Gates are in torch's order r, z, n; Keras's is z, r, h: `torch_impl.layouts` reorders them.

    Source: keras 3.15 `layers/rnn/gru.py`.

    Args:
        input_size: features of a time step.
        units: of the output.
        activation: of n, a name of `activations`, or a function.
        recurrent_activation: of the gates.
        reset_after: see above.
        **options: those of `LSTM`.
    """

    def __init__(
        self,
        input_size: int,
        units: int,
        activation: Function = "tanh",
        recurrent_activation: Function = "sigmoid",
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            input_size, units, activation, recurrent_activation, reset_after, **options
        )


class SimpleRNN(Recurrent, SimpleGates):
    """h = tanh(W x + U h + b).

    Differs from torch.nn.RNN in:
    1. only one bias is trained, as in `LSTM`;
    2. any activation is allowed;
    3. it returns, drops and keeps what `LSTM` does. There is one mask of the inputs and one of the
       states, and a rate of 1 drops all.

    Source: keras 3.15 `layers/rnn/simple_rnn.py`.

    Args:
        input_size: features of a time step.
        units: of the output.
        activation: a name of `activations`, or a function.
        **options: those of `LSTM`.
    """

    def __init__(
        self, input_size: int, units: int, activation: Function = "tanh", **options: Any
    ) -> None:
        super().__init__(input_size, units, activation, **options)
