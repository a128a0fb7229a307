"""The ports and their models; of a wrong port the level that must fail, and accepted names."""

from __future__ import annotations

from benchmarks.pairs.fault_table import Fault
from benchmarks.pairs.table import Pair

_PACKAGE = "benchmarks.attention"
_RIGHT = """
    encoder: encoder_by_hand encoder_sdpa encoder_module encoder_module_steps_first encoder_layer
    encoder: encoder_fused encoder_fused_heads encoder_fused_kvq encoder_einsum
    decoder: decoder_by_hand decoder_is_causal decoder_module decoder_fused decoder_rms_by_hand
    cross: cross_module cross_linears
    masked: masked_sdpa masked_module
    grouped: grouped_repeated grouped_enable_gqa
    scaled: scaled_timm
    dropped: dropped_timm
    norms: norms_stock
"""
_WRONG = """
    scale_missing encoder A34 forward
    scale_of_model encoder A34 forward
    scaled_twice decoder A34 forward
    fused_scale_missing encoder A34 forward
    softmax_over_queries encoder A21 forward
    softmax_over_heads encoder A21 forward
    heads_strided encoder A36 forward
    heads_by_view encoder A36 forward
    joined_by_view encoder A36 forward
    other_heads encoder A36 forward
    output_bias_missing encoder A11 structure
    attention_dropout_missing encoder A17 forward
    dropout_of_output encoder A17,C16 forward
    dropout_rate encoder C6 forward
    norm_first encoder A22 data
    norm_first_layer encoder A22 data
    norm_last decoder A22 data
    causal_next_step decoder A35 forward
    causal_missing decoder A35 forward
    causal_later decoder A35 forward
    mask_as_number decoder A35 forward
    masked_behind decoder A35 forward
    mask_inverted masked A35 forward
    padding_inverted masked A35 forward
    key_value_exchanged cross A22 forward
    heads_tiled grouped A36 forward
    rms_epsilon decoder A13 forward
    rms_epsilon_by_hand decoder A13 data
    layer_scale_initial scaled B9,B8 init
    layer_scale_missing scaled A22 forward
    drop_path_rate dropped A27 forward
    group_count norms A13 forward
    group_epsilon norms A13 forward
    instance_as_one_group norms A13 forward
"""
RIGHT = tuple(
    Pair(f"{_PACKAGE}.keras_models:{model}", f"{_PACKAGE}.right_ports:{name}")
    for line in _RIGHT.strip().splitlines()
    for model, _, names in [line.strip().partition(": ")]
    for name in names.split()
)
FAULTS = tuple(
    Fault(
        name,
        f"{_PACKAGE}.keras_models:{model}",
        f"{_PACKAGE}.wrong_ports:{name}",
        tuple(ids.split(",")),
        level,
    )
    for line in _WRONG.strip().splitlines()
    for name, model, ids, level in [line.split()]
)
