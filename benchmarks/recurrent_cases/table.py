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
        one_cell loop other_gates
        reset_before library
        images by_hand other_gates library two_convolutions
        valid_images library
        stateful attribute library
        """.strip().splitlines()
    )
    for style in styles.split()
) + tuple(
    Pair(f"{PACKAGE}.keras_side:{port.partition('_')[0]}_by_hand", f"{PACKAGE}.by_hand:{port}")
    for port in """
    grus_linears grus_parameters grus_keras grus_gates
    lstms_linears lstms_joined lstms_gates lstms_inline
    rnns_linears rnns_keras rnns_joined rnns_inline
    """.strip().split()
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
        dropped dropped_each_step R5 forward
        dropped dropped_not R6 forward
        dropped dropped_behind C16,R6,R5 forward
        dropped dropped_other_rate C6 forward
        dropped biases_doubled A14 optimizer
        dropped forget_bias_missing B9 init
        recurrent_dropped recurrent_dropped_not R6 forward
        recurrent_dropped recurrent_dropped_each_step R5 forward
        recurrent_dropped recurrent_dropped_shared R5 forward
        states_dropped states_dropped_not R6 forward
        states_dropped states_dropped_each_step R5 forward
        encoder_decoder states_not_passed R1 forward
        encoder_decoder h_for_c R1 forward
        encoder_decoder_gru states_swapped R1,A22 forward
        state_used h_used_for_c R2 forward
        backwards backwards_flipped_back R3 forward
        backwards backwards_not R3 forward
        both_summed both_averaged R4 forward
        both_summed both_multiplied R4 forward
        both_summed backward_not_flipped R3 forward
        one_cell c_for_h R2 forward
        one_cell gate_order A14c forward
        reset_before reset_after A14b structure
        reset_before reset_after_stock A14b structure
        images images_gate_order A14c forward
        images images_sigmoid A29 forward
        images images_hard_sigmoid_of_keras_2 A29 forward
        valid_images valid_images_padded A18 forward
        stateful stateful_forgets R7 trajectory
        """.strip().splitlines()
    )
) + tuple(
    Fault(
        port,
        f"{PACKAGE}.keras_side:{port.partition('_')[0]}_by_hand",
        f"{PACKAGE}.by_hand:{port}",
        tuple(ids.split(",")),
        "forward",
    )
    for port, ids in (
        row.split()
        for row in """
        grus_update_exchanged R8
        grus_reset_before R8
        grus_not_reset R8
        grus_sigmoid A29
        grus_input_reset R8
        grus_all_new R8
        grus_late R8
        grus_hard_gates A29
        grus_both A29,R8
        lstms_plain_c R8
        lstms_plain_g R8
        lstms_coupled R8
        lstms_not_forgotten R8
        lstms_forget_more R8
        lstms_o_inside R8
        lstms_c_before R8
        lstms_of_input R8
        lstms_inline_plain_c R8
        rnns_relu A29
        rnns_partly R8
        rnns_residual R8
        rnns_without_state R8
        rnns_late R8
        rnns_upper_relu A29
        rnns_inline_relu A29
        """.strip().splitlines()
    )
)
