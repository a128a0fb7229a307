"""Recurrent layers, their cells, and layers that run another one over the steps of a sequence."""

from __future__ import annotations

from typing import Any

from keras import layers

from benchmarks.public_layers.setting import (
    FEATURES,
    IMAGES,
    SEQUENCES,
    VOLUMES,
    Given,
    Setting,
    settings,
)

_MASKED = Given(SEQUENCES, is_masked=True)
_CELL_RULES = {
    "kernel_initializer": "he_normal",
    "recurrent_initializer": "glorot_uniform",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "recurrent_regularizer": "l1",
    "bias_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "recurrent_constraint": "unit_norm",
    "bias_constraint": "non_neg",
}
_RULES = {**_CELL_RULES, "activity_regularizer": "l2"}
_ALL = {"return_sequences": True, "return_state": True}
_DROPPED = {"dropout": 0.3, "recurrent_dropout": 0.2, "seed": 4}
_GATE = {"recurrent_activation": "hard_sigmoid"}


def _layers(kind: str, gate: dict[str, Any], *more: dict[str, Any]) -> list[Setting]:
    return [
        *settings(
            kind,
            SEQUENCES,
            {"units": 3},
            {"units": 3, **_ALL, "activation": "relu", **gate},
            {"units": 3, "use_bias": False, "go_backwards": True, "unroll": True},
            {"units": 3, **_DROPPED, "return_sequences": True},
            {"units": 3, **_RULES},
            *more,
        ),
        *settings(kind, _MASKED, {"units": 3}, {"units": 3, **_ALL}),
    ]


def _cells(kind: str, gate: dict[str, Any], *more: dict[str, Any]) -> list[Setting]:
    return settings(
        kind,
        SEQUENCES,
        {"units": 3},
        {"units": 3, "activation": "relu", "use_bias": False, **gate},
        {"units": 3, **_DROPPED},
        {"units": 3, **_CELL_RULES},
        *more,
        around=lambda cell: layers.RNN(cell, return_sequences=True),
    )


def _convolved(rank: int) -> list[Setting]:
    shape = ((3, 5, 2), (3, 4, 5, 2), (2, 4, 5, 3, 2))[rank - 1]
    size = (2, 3, 2)[:rank]
    return [
        *settings(
            f"ConvLSTM{rank}D",
            shape,
            {"filters": 3, "kernel_size": 2},
            {"filters": 2, "kernel_size": size, "padding": "same", **_ALL, "activation": "relu"},
            {"filters": 2, "kernel_size": 2, "strides": 2, "use_bias": False, **_GATE},
            {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "unit_forget_bias": False},
            {"filters": 2, "kernel_size": 2, **_DROPPED, "go_backwards": True},
            {"filters": 2, "kernel_size": 2, **_RULES},
        )
    ]


_INNER = (
    lambda: {"layer": layers.Dense(3, activation="relu")},
    lambda: {"layer": layers.BatchNormalization()},
    lambda: {"layer": layers.Dropout(0.4, seed=3)},
    lambda: {"layer": layers.LayerNormalization()},
    lambda: {"layer": layers.Activation("softmax")},
)
_INNER_OF_IMAGES = (
    lambda: {"layer": layers.Conv2D(3, 2, activation="relu")},
    lambda: {"layer": layers.MaxPooling2D(2)},
    lambda: {"layer": layers.GlobalAveragePooling2D()},
    lambda: {"layer": layers.Flatten()},
    lambda: {"layer": layers.SeparableConv2D(3, 2)},
    lambda: {"layer": layers.BatchNormalization()},
)
_INNER_OF_SEQUENCES = (
    lambda: {"layer": layers.LSTM(3)},
    lambda: {"layer": layers.LSTM(3, dropout=0.3, seed=2)},
    lambda: {"layer": layers.GRU(3, return_sequences=True)},
    lambda: {"layer": layers.Bidirectional(layers.LSTM(3))},
    lambda: {"layer": layers.Conv1D(3, 2)},
)
_INNER_WITH_MASKS = (
    lambda: {"layer": layers.GRU(3, reset_after=False, return_sequences=True, **_DROPPED)},
    lambda: {"layer": layers.Bidirectional(layers.LSTM(3, **_DROPPED))},
)


def _both(**more: Any) -> Any:
    return lambda: {"layer": layers.LSTM(3, return_sequences=True), **more}


SETTINGS = [
    *_layers("LSTM", _GATE, {"units": 3, "unit_forget_bias": False}),
    *_layers("GRU", _GATE, {"units": 3, "reset_after": False}),
    *_layers("SimpleRNN", {}),
    *_cells("LSTMCell", _GATE, {"units": 3, "unit_forget_bias": False}),
    *_cells("GRUCell", _GATE, {"units": 3, "reset_after": False}),
    *_cells("SimpleRNNCell", {}),
    *settings(
        "StackedRNNCells",
        SEQUENCES,
        lambda: {"cells": [layers.LSTMCell(3), layers.LSTMCell(2)]},
        lambda: {"cells": [layers.GRUCell(3), layers.SimpleRNNCell(2), layers.LSTMCell(4)]},
        around=lambda cells: layers.RNN(cells, return_sequences=True),
    ),
    *settings(
        "RNN",
        SEQUENCES,
        lambda: {"cell": layers.LSTMCell(3)},
        lambda: {"cell": layers.GRUCell(3), **_ALL},
        lambda: {"cell": layers.SimpleRNNCell(3), "go_backwards": True, "unroll": True},
        lambda: {"cell": [layers.LSTMCell(3), layers.SimpleRNNCell(2)]},
    ),
    *settings(
        "RNN",
        _MASKED,
        lambda: {"cell": layers.LSTMCell(3), **_ALL, "zero_output_for_mask": True},
        lambda: {"cell": layers.GRUCell(3), "return_sequences": True},
    ),
    *(setting for rank in (1, 2, 3) for setting in _convolved(rank)),
    *settings(
        "Bidirectional",
        SEQUENCES,
        _both(),
        *(_both(merge_mode=mode) for mode in ("sum", "mul", "ave", None)),
        lambda: {"layer": layers.GRU(3, return_state=True)},
        lambda: {"layer": layers.SimpleRNN(3)},
        lambda: {
            "layer": layers.LSTM(3, return_sequences=True),
            "backward_layer": layers.LSTM(3, return_sequences=True, go_backwards=True),
        },
    ),
    *settings("Bidirectional", _MASKED, _both(), lambda: {"layer": layers.GRU(3)}),
    *settings("Bidirectional", (3, 4, 5, 2), lambda: {"layer": layers.ConvLSTM2D(2, 2)}),
    *settings("TimeDistributed", SEQUENCES, *_INNER),
    *settings("TimeDistributed", (3, *IMAGES), *_INNER_OF_IMAGES),
    *settings("TimeDistributed", (3, *VOLUMES), lambda: {"layer": layers.Conv3D(2, 2)}),
    *settings("TimeDistributed", (3, *SEQUENCES), *_INNER_OF_SEQUENCES),
    *settings("TimeDistributed", (3, *FEATURES), lambda: {"layer": layers.RepeatVector(2)}),
    *settings("TimeDistributed", _MASKED, lambda: {"layer": layers.Dense(3)}),
    *settings("TimeDistributed", (3, *SEQUENCES), *_INNER_WITH_MASKS),
]
