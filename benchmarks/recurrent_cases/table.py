"""Recurrent cases as rows of both matrices."""

from __future__ import annotations

from benchmarks.pairs.fault_table import Fault
from benchmarks.pairs.table import Pair

PACKAGE = "benchmarks.recurrent_cases"

RIGHT = tuple(
    Pair(f"{PACKAGE}.keras_side:{model}", f"{PACKAGE}.right:{model}_{style}")
    for model, styles in (
        row.split(maxsplit=1)
        for row in """
        dropped by_ones by_bernoulli by_channels by_library
        dropped_gru by_ones
        recurrent_dropped by_library by_hand
        states_dropped by_hand
        encoder_decoder modules cells
        encoder_decoder_gru modules
        state_used module
        backwards flipped
        both_summed halves library
        cells modules library
        one_cell loop
        reset_before library
        images by_hand library two_convolutions
        valid_images library
        stateful attribute library
        """.strip().splitlines()
    )
    for style in styles.split()
)
FAULTS = tuple(
    Fault(
        port,
        f"{PACKAGE}.keras_side:{model}",
        f"{PACKAGE}.wrong:{port}",
        tuple(ids.split(",")),
        level,
    )
    for model, port, ids, level in (
        row.split()
        for row in """
        dropped dropped_each_step C15 forward
        dropped dropped_not C16 forward
        dropped dropped_behind C16 forward
        dropped dropped_other_rate C6 forward
        dropped biases_doubled F1 trajectory
        dropped forget_bias_missing B9 init
        recurrent_dropped recurrent_dropped_not C16 forward
        recurrent_dropped recurrent_dropped_each_step C15 forward
        recurrent_dropped recurrent_dropped_shared C15 forward
        states_dropped states_dropped_not C16 forward
        states_dropped states_dropped_each_step C15 forward
        encoder_decoder states_not_passed A22 forward
        encoder_decoder h_for_c A22 forward
        encoder_decoder_gru states_swapped A22 forward
        state_used h_used_for_c A22 forward
        backwards backwards_flipped_back A26 forward
        backwards backwards_not A22 forward
        both_summed both_averaged A22 forward
        both_summed both_multiplied A22 forward
        both_summed backward_not_flipped A26 forward
        one_cell c_for_h A22 forward
        one_cell gate_order A29 forward
        reset_before reset_after A14 forward
        reset_before reset_after_stock A14 structure
        images images_gate_order A29 forward
        images images_sigmoid A29 forward
        images images_hard_sigmoid_of_keras_2 A29 forward
        valid_images valid_images_padded A18 forward
        stateful stateful_forgets A22 trajectory
        """.strip().splitlines()
    )
)
