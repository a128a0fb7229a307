"""Ports with recurrent layers by hand: right ones in six styles, and wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.recurrent_cases import hand_nets
from benchmarks.recurrent_cases.torch_side import port

TORCH_GRU, TORCH_LSTM = (1, 0, 2), (0, 1, 3, 2)  # r, z, n; and o in front of g


def grus(style: str = "linears", order: Any = (0, 1, 2), fault: str = "", upper: str = "") -> Any:
    """Returns a port of `grus_by_hand`."""
    first = hand_nets.HandGRU(3, 5, style, order, fault)
    second = hand_nets.HandGRU(5, 4, "gates", order, upper, after=False)
    return port(hand_nets.Stacked(first, second))


def lstms(style: str = "linears", order: Any = (0, 1, 2, 3), fault: str = "") -> Any:
    """Returns a port of `lstms_by_hand`."""
    first = hand_nets.HandLSTM(3, 5, style, order, fault)
    return port(hand_nets.Stacked(first, hand_nets.HandLSTM(5, 4, style, order)))


def rnns(style: str = "linears", fault: str = "", upper: str = "") -> Any:
    """Returns a port of `rnns_by_hand`."""
    first, second = hand_nets.HandRNN(3, 5, style, fault), hand_nets.HandRNN(5, 4, style, upper)
    return port(hand_nets.Stacked(first, second))


def inline(number: int, fault: str = "") -> Any:
    """Returns a port with the loop of the upper layer in its own code."""
    if number == 4:
        return port(hand_nets.Inline(hand_nets.HandLSTM(3, 5, "keras"), 4, fault))
    return port(hand_nets.Inline(hand_nets.HandRNN(3, 5, "linears"), 1, fault))


# Name -> the port of it; the first word is the model's.
MADE: dict[str, Callable[[], Any]] = {
    "grus_linears": lambda: grus(),
    "grus_parameters": lambda: grus("parameters", TORCH_GRU),
    "grus_keras": lambda: grus("keras"),
    "grus_gates": lambda: grus("gates", TORCH_GRU),
    "lstms_linears": lambda: lstms("linears", TORCH_LSTM),
    "lstms_joined": lambda: lstms("joined"),
    "lstms_gates": lambda: lstms("gates"),
    "lstms_inline": lambda: inline(4),
    "rnns_linears": lambda: rnns(),
    "rnns_keras": lambda: rnns("keras"),
    "rnns_joined": lambda: rnns("joined"),
    "rnns_inline": lambda: inline(1),
    "grus_update_exchanged": lambda: grus("parameters", TORCH_GRU, "z exchanged"),
    "grus_reset_before": lambda: grus("keras", fault="reset before"),
    "grus_not_reset": lambda: grus("gates", TORCH_GRU, "no reset"),
    "grus_sigmoid": lambda: grus("parameters", TORCH_GRU, "sigmoid"),
    "grus_input_reset": lambda: grus("linears", TORCH_GRU, "input reset"),
    "grus_all_new": lambda: grus("keras", fault="no 1 - z"),
    "grus_late": lambda: grus("linears", fault="late"),
    "grus_hard_gates": lambda: grus("linears", TORCH_GRU, upper="hard gate"),
    "grus_both": lambda: grus("linears", TORCH_GRU, "sigmoid", "z exchanged"),
    "lstms_plain_c": lambda: lstms("joined", TORCH_LSTM, "plain c"),
    "lstms_plain_g": lambda: lstms("gates", TORCH_LSTM, "plain g"),
    "lstms_coupled": lambda: lstms("linears", fault="coupled"),
    "lstms_not_forgotten": lambda: lstms("keras", TORCH_LSTM, "no forget"),
    "lstms_forget_more": lambda: lstms("parameters", fault="forget + 1"),
    "lstms_o_inside": lambda: lstms("linears", TORCH_LSTM, "o inside"),
    "lstms_c_before": lambda: lstms("parameters", TORCH_LSTM, "c before"),
    "lstms_of_input": lambda: lstms("keras", fault="gates of input"),
    "lstms_inline_plain_c": lambda: inline(4, "plain c"),
    "rnns_relu": lambda: rnns("linears", "relu"),
    "rnns_partly": lambda: rnns("keras", "partly"),
    "rnns_residual": lambda: rnns("parameters", "residual"),
    "rnns_without_state": lambda: rnns("linears", "no state"),
    "rnns_late": lambda: rnns("keras", "late"),
    "rnns_upper_relu": lambda: rnns("joined", upper="relu"),
    "rnns_inline_relu": lambda: inline(1, "relu"),
}
globals().update(MADE)
