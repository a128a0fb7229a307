"""The idioms as rows of both matrices.

A row has the name of a case, the accepted IDs of its mistake, and the first level at which the
mistake is visible. A twin of `TRIPLES` has three mistakes at once, each with its own IDs and level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.held_out.table import RightPort, fault_of
from parity.ladder.items import FAIL

PACKAGE = "benchmarks.idioms"


@dataclass(frozen=True)
class Triple:
    """A port with three mistakes.

    Attributes:
        keras: factory of the model, "module:function".
        torch: factory of the port.
        mistakes: (accepted IDs, level) of each.
    """

    keras: str
    torch: str
    mistakes: tuple[tuple[tuple[str, ...], str], ...]

    @property
    def name(self) -> str:
        """The name of the case."""
        return self.keras.rpartition(":")[0].rpartition(".")[2]


def _triple(row: str) -> Triple:
    case, *mistakes = row.split()
    parts = (mistake.partition("@") for mistake in mistakes)
    return Triple(
        f"{PACKAGE}.{case}:keras_model",
        f"{PACKAGE}.{case}:faulty_port",
        tuple((tuple(ids.split(",")), level) for ids, _, level in parts),
    )


FAULTS = tuple(
    fault_of(row, PACKAGE)
    for row in """
    a_activity_penalty C8 loss
    a_batch_norm_subclass C2 forward
    a_bidirectional_sequence A23,A25 forward
    a_channel_shuffle A26 forward
    a_conv_raw_parameter A18 forward
    a_decoder_rows_loaded A3,A32 structure
    a_global_pool_both_ways A23 forward
    a_lazy_modules B9 init
    a_linear_by_weight A11 forward
    a_lstm_dropout_between C16 forward
    a_one_channel_view A18 forward
    a_permute_movedim A26 forward
    a_relu_after_pool A16 forward
    a_repeat_vector A26 forward
    a_silu_by_hand A16 forward
    a_stacked_gru A26,A22 forward
    a_stacked_lstm A22 forward
    a_swish_function E7 gradient
    a_time_distributed_fold A26 forward
    a_upsampling_repeat C14,A26 forward
    a_wavenet_sum A27 forward
    a_weight_norm A32 structure
    b_autoencoder_target D16 loss
    b_batch_norm_stock C2 forward
    b_bce_saturated D2 loss
    b_bce_with_logits D1 loss
    b_cbam A22 forward
    b_class_token A22,A23 forward
    b_column_labels D9 loss
    b_compiled_module A13 forward
    b_config_module_dict A16 forward
    b_constants_float32 H7 data
    b_cosine_ten_thousand G15 schedule
    b_drop_path A27,C6 forward
    b_float32_softmax D1 loss
    b_gated_attention_pool A21 forward
    b_inception_pools A16 forward
    b_layer_scale B9 init
    b_log_softmax_nll D17 loss
    b_nll_of_log_probabilities D2 loss
    b_one_hot_labels D4 loss
    b_scheduler_hold_then_decay G9 schedule
    b_scheduler_ignores_compile F6 optimizer
    b_segmentation_labels D16 loss
    b_squeeze_excite E9,E6 gradient
    c_attention_axis A21 forward
    c_autoencoder_linear A16 loss
    c_char_rnn_gates A29 forward
    c_cifar_resnet_kaiming B10,B8 init
    c_ecg_bilstm A25 forward
    c_inception_no_scale A31 structure
    c_mixer_view A26 forward
    c_mobilenet_staircase G14 schedule
    c_nbeats_huber D14 loss
    c_one_cycle_per_epoch G10 schedule
    c_pyramid_shared_head A30 structure
    c_resnet_v2_stem A7 forward
    c_siamese_square A16 forward
    c_squeezenet_ceil A24 forward
    c_tabular_dropout_order C16 forward
    c_text_cnn_max_norm F16 optimizer
    d_bag_of_words_weighted D5 loss
    d_bigru_two_layers A22,N1 forward
    d_conv_autoencoder_view A26,N1 forward
    d_convnext_droppath A27,N1,N2 forward
    d_gray_mlp_smoothing D4 loss
    d_lstm_autoencoder_clip E1,E8 optimizer
    d_preact_resnet_compiled A22 forward
    d_prelu_epoch_decay G9,G1 schedule
    d_relu_behind_pool A22,N1 forward
    d_shuffle_unit A26,N1 forward
    d_sparse_activity_lazy C8 loss
    d_stacked_lstm_huber D14 loss
    d_subpixel_superres D12 loss
    d_swish_function_gap E7 gradient
    d_tcn_long_cosine G13,G15 schedule
    d_text_cnn_moduledict E6,E9,E7 gradient
    d_video_timedistributed A26,N1 forward
    d_weightnorm_mlp B2,B9 init
    e_bilstm_hidden_cat A25 forward
    e_convnext_gamma E6 gradient
    e_deepfm_hashed_fields D1 loss
    e_densenet_milestones G9,G15 schedule
    e_espcn_depth_to_space A26 forward
    e_gru_from_scratch N2 forward
    e_mlp_mixer_conv1d H13 data
    e_mobilenetv3_hswish_se F4 optimizer
    e_neumf_table_penalty C8 loss
    e_pinn_raw_lists E8 optimizer
    e_preact_resnet_hasattr A22 forward
    e_shufflenet_v2_units A26,N1 forward
    e_siamese_abs_difference E9 gradient
    e_tcn_chomp C15 forward
    e_textcnn_conv2d_filters B8 init
    e_unet_pad_and_cat C2 forward
    e_wavenet_valid_slices N1,A22 forward
    """.strip().splitlines()
)
TRIPLES = tuple(
    _triple(row)
    for row in """
    t_attention_focal A21@forward D13@loss E8@optimizer
    t_crnn_frames A26,N1@forward D12@loss E8@optimizer
    t_distill_kl A16@forward D12@loss G1@schedule
    t_focal_tabular B10,B8@init A20@forward D13@loss
    t_gmlp_smoothing A13@forward D4@loss C11@optimizer
    t_gru_forecast B10,B8@init A18@forward E1,E8@optimizer
    t_mnist_example_nll C15@forward F8@optimizer G15,G13@schedule
    t_mobilenet_se A16,A13@forward C2@forward C11@optimizer
    t_mobilenet_v2 A16@forward C2@forward F4@optimizer
    t_monotone_hinge B10,B8@init D13@loss F16@optimizer
    t_multilabel_pool A8@forward D12@loss G12,G15@schedule
    t_selu_distill B3,B8@init D12@loss F14,F13@optimizer
    t_series_embedding A20@forward C11@optimizer G9@schedule
    t_tabular_selu_huber B3,B8@init D14@loss G1@schedule
    t_transformer_fused_qkv B8@init A27,N1@forward C11@optimizer
    t_unet_dice A22,N1@forward D12,D13@loss B8,B3@init
    t_unet_nesterov C14@forward D4@loss F14@optimizer
    t_vae_decoder A9@forward D12@loss F14@optimizer
    t_wavenet_counts A16@forward D13@loss G9,G15@schedule
    """.strip().splitlines()
)
RIGHT = tuple(
    RightPort(case.keras, case.torch.replace(":faulty_port", ":right_port"))
    for case in (*FAULTS, *TRIPLES)
)
# Right ports that differ all the same, and the name of the difference, which a user accepts with
# --accept: torch's BatchNorm keeps an unbiased variance; Keras's KLDivergence clips what the model
# returns at 1e-7, F.kl_div of logarithms does not.
TRULY = {
    "b_batch_norm_stock.right_port": ("C3",),
    "t_selu_distill.right_port": ("D13",),
}


def differs_truly(name: str, verdict: str, ids: Sequence[str]) -> bool:
    """Whether a check of a right port found the difference that it has.

    Args:
        name: of the port.
        verdict: of the check.
        ids: of the causes of the first divergence, the likeliest first.
    """
    return verdict == FAIL and tuple(ids[:1]) == TRULY.get(name)
