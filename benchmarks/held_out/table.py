"""The held-out cases as rows of both matrices.

A case is a file with `keras_model`, `right_port` and `faulty_port`. A row has its name, the
accepted IDs of its mistake, and the first level at which the mistake is visible.
"""

from __future__ import annotations

from benchmarks.pairs.fault_table import Fault
from benchmarks.pairs.table import Pair

PACKAGE = "benchmarks.held_out"


class RightPort(Pair):
    """A right port, named after its file, since all functions have the same name."""

    @property
    def name(self) -> str:
        """The name of the port, with that of the case."""
        return ".".join(self.torch.replace(":", ".").rsplit(".", 2)[1:])


def fault_of(row: str, package: str) -> Fault:
    """Reads a fault from its name, the accepted IDs and the level; its case is in a package."""
    name, ids, level = row.split()
    names = f"{package}.{name}:keras_model", f"{package}.{name}:faulty_port"
    return Fault(name, *names, tuple(ids.split(",")), level)


# The second set was written after what the first showed was mended.
FAULTS = tuple(
    fault_of(row, PACKAGE)
    for row in """
    layers_align_corners C14 forward
    layers_batch_norm_epsilon C1 forward
    layers_bidirectional_last_step A25,N1 forward
    layers_causal_symmetric A18 forward
    layers_conv1d_symmetric A5 forward
    layers_dilation_forgotten A18 forward
    layers_dropout_always C7 forward
    layers_embedding_padding_idx E7 gradient
    layers_flatten_rows_loaded A3 structure
    layers_frozen_norm_active C4 forward
    layers_gelu_tanh A20 forward
    layers_kernel_axes_swapped A1 structure
    layers_l2_as_decay C9 loss
    layers_layer_norm_epsilon A13 forward
    layers_lstm_forget_bias B9 init
    layers_norm_after_relu A16,N1 forward
    layers_pool_counts_padding A8 forward
    layers_separable_depthwise_bias A11 structure
    layers_shortcut_before_norm A22 forward
    layers_spatial_dropout_by_value C15 forward
    layers_transposed_off_by_one A9 forward
    layers_trunc_normal_absolute B3 init
    layers_unet_concat_order A22 forward
    layers_vgg_conv_missing A17 structure
    training_accumulated_sum E3 optimizer
    training_adadelta_epsilon F8 optimizer
    training_binary_smoothing D4 loss
    training_classifier_left_out F15 optimizer
    training_clip_over_all E1 optimizer
    training_cosine_too_short G15,G13 schedule
    training_crossentropy_clipped D2 loss
    training_decay_of_biases C11 optimizer
    training_embedding_frozen E6 gradient
    training_l1_mean C8 loss
    training_l2_as_decay C9 loss
    training_lion_betas_swapped F14 optimizer
    training_milestones_late G9 schedule
    training_nadam_momentum_decay F14 optimizer
    training_nesterov_stock F5 optimizer
    training_plateau_relative G3 schedule
    training_pos_weight D5 loss
    training_rate_digits_swapped F6 optimizer
    training_rmsprop_not_centered F14 optimizer
    training_skip_detached E9,E7 gradient
    training_smooth_l1 D14,D13 loss
    training_staircase_forgotten G14,G13 schedule
    training_stopping_late G8 schedule
    training_sum_over_labels D12 loss
    second_attention_detached E9,E7,E6 gradient
    second_autoencoder_output_padding A9 forward
    second_bidirectional_last_step A25,N1 forward
    second_bottleneck_symmetric A5 forward
    second_class_weights_mean D5 loss
    second_clip_over_all E1 optimizer
    second_cosine_rises_again G13 schedule
    second_crnn_not_permuted A26,A22,N1 forward
    second_decay_of_norms C11 optimizer
    second_depthwise_fan B8 init
    second_dropout_of_steps C15 forward
    second_group_norm_for_layer_norm A17 structure
    second_hard_sigmoid_of_keras_2 A16 forward
    second_image_reshaped H13 data
    second_inception_counts_padding A8 forward
    second_l2_of_all C8 loss
    second_lenet_max_pool A23 forward
    second_momentum_stock F5 optimizer
    second_multi_label_smoothing D4 loss
    second_norm_before_relu A16 forward
    second_plateau_no_floor G4 schedule
    second_rmsprop_epsilon_outside F4 optimizer
    second_siamese_two_towers A30,A17 structure
    second_skip_rectified A16 forward
    second_smooth_l1 D14,D13 loss
    second_step_decay_late G9 schedule
    second_stopping_late G8 schedule
    second_text_cnn_padding_idx E7 gradient
    second_unet_concat_order A22 forward
    second_wavenet_cut_in_front A18 forward
    """.strip().splitlines()
)
RIGHT = tuple(
    RightPort(fault.keras, fault.torch.replace(":faulty_port", ":right_port")) for fault in FAULTS
)
