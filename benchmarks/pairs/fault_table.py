"""Which wrong port belongs to which Keras model, where it must be caught, and under which name."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.pairs.table import PACKAGE


@dataclass(frozen=True)
class Fault:
    """A wrong port.

    Attributes:
        name: of its factory.
        keras: factory of the model, which has a right port in `NULL`.
        torch: factory of the port.
        ids: of the divergences that name the mistake, any of them.
        level: of the ladder that fails first.
    """

    name: str
    keras: str
    torch: str
    ids: tuple[str, ...]
    level: str


def _wrong(keras: str, torch: str, lines: str) -> tuple[Fault, ...]:
    """Faults of two modules, a line each: port, model, ids, level."""
    faults = []
    for line in lines.strip().splitlines():
        port, model, ids, level = line.split()
        names = f"{PACKAGE}.{keras}:{model}", f"{PACKAGE}.{torch}:{port}"
        faults.append(Fault(port, *names, tuple(ids.split(",")), level))
    return tuple(faults)


FAULTS = (
    *_wrong(
        "keras_convolutions",
        "faults_weights",
        """
        fed_in_bytes conv_valid H7 data
        imagenet_statistics conv_valid H7 data
        fed_bgr conv_valid H12 data
        kernel_reversed conv_square A1 structure
        kernel_in_out conv_square A1 structure
        """,
    ),
    *_wrong(
        "keras_activations",
        "faults_weights",
        """
        fed_twice_divided rescaled H7 data
        not_rescaled rescaled H7 data
        """,
    ),
    *_wrong(
        "keras_layers",
        "faults_weights",
        """
        dense_not_transposed mlp_square A2 structure
        flatten_not_permuted flatten A3 structure
        norm_statistics_swapped batch_norm A10 structure
        norm_gamma_beta_swapped batch_norm A10 structure
        """,
    ),
    *_wrong(
        "keras_branches",
        "faults_weights",
        """
        gates_not_reordered gru A14c structure
        """,
    ),
    *_wrong(
        "keras_convolutions",
        "faults_structure",
        """
        bias_missing conv_valid A11 structure
        kernel_size conv_valid A15 structure
        norm_extra conv_valid A17 structure
        conv_kaiming conv_valid B1 init
        features_detached conv_valid E6 gradient
        features_frozen conv_valid E6 gradient
        """,
    ),
    *_wrong(
        "keras_layers",
        "faults_structure",
        """
        bias_extra batch_norm A11 structure
        activation_other mlp_square A16 structure
        activation_missing mlp_square A16 forward
        layer_missing mlp_square A17 structure
        """,
    ),
    *_wrong(
        "keras_activations",
        "faults_structure",
        """
        num_units gelu A15 structure
        dropout_missing dropout A17 structure
        dropout_extra gelu A17 structure
        """,
    ),
    *_wrong(
        "keras_branches",
        "faults_structure",
        """
        embedding_normal embedding B8 init
        lstm_recurrent_uniform lstm B8,B1 init
        lstm_second_bias lstm A14 optimizer
        gru_reset_after gru_before A14b structure
        """,
    ),
    *_wrong(
        "keras_convolutions",
        "faults_forward",
        """
        same_symmetric conv_same_stride_2 A5 forward
        same_symmetric_5 conv_same_kernel_5 A5 forward
        same_symmetric_stride_3 conv_same_stride_3 A5 forward
        same_symmetric_1d conv_1d A5 forward
        same_symmetric_pad conv_same_stride_2 A5 forward
        same_symmetric_depthwise depthwise_same A5 forward
        valid_for_same conv_same A18 forward
        stride_missing conv_same_stride_2 A18 forward
        dilation_missing conv_dilated A18 forward
        causal_as_same conv_1d_causal A18 forward
        transposed_symmetric transposed A9 forward
        """,
    ),
    *_wrong(
        "keras_layers",
        "faults_forward",
        """
        max_pool_symmetric max_pool_same A7 forward
        max_pool_zeros max_pool_same A7 forward
        average_pool_counts average_pool_same A8 forward
        average_pool_symmetric average_pool_same A8 forward
        layer_norm_epsilon layer_norm A13 forward
        group_norm_epsilon group_norm A13 forward
        norm_epsilon batch_norm C1 forward
        norm_stock batch_norm C1 forward
        norm_momentum batch_norm C2 forward
        norm_momentum_copied batch_norm C2 forward
        norm_unbiased batch_norm C3 forward
        norm_frozen_by_gradient batch_norm_frozen C4 forward
        norm_frozen_in_torch batch_norm C4 forward
        norm_of_one batch_norm_dense C5 trajectory
        upsampled_nearest upsampled_bilinear C14 forward
        upsampled_corners upsampled_bilinear C14 forward
        """,
    ),
    *_wrong(
        "keras_activations",
        "faults_forward",
        """
        leaky_slope leaky A13 forward
        gelu_tanh gelu A20 forward
        softmax_last_axis softmax_axis A21 forward
        dropout_inverted dropout C6 forward
        dropout_rate dropout C6 forward
        dropout_always dropout C7 forward
        dropout_never dropout C7 forward
        """,
    ),
    *_wrong(
        "keras_losses",
        "faults_losses",
        """
        kernels_kaiming wide B1 init
        kernels_normal wide B8 init
        biases_drawn wide B2 init
        normal_not_truncated he_normal B3 init
        softmax_twice softmax D1 loss
        sigmoid_twice sigmoid D1 loss
        softmax_clipped softmax D2 loss
        smoothing_missing smoothed D4 loss
        smoothing_other smoothed D4 loss
        class_weights_mean class_weights D5 loss
        class_weights_missing class_weights D5 loss
        broadcast mse_one D9 loss
        loss_summed mse D12 loss
        loss_absolute mse D13 loss
        smooth_l1 huber D13 loss
        l2_half l2 C8 loss
        l2_biases l2 C8 loss
        l2_everywhere l2 C8 loss
        l2_missing l2 C9 loss
        l2_as_decay l2 C9 loss
        """,
    ),
    *_wrong(
        "keras_optimizers",
        "faults_optimizers",
        """
        clip_over_all clipnorm E1 optimizer
        clip_with_epsilon global_clipnorm E2 optimizer
        clip_missing clipnorm E8 optimizer
        clip_by_value clipnorm E8 optimizer
        decay_coupled adam_decay C11,F2 optimizer
        decay_coupled_sgd sgd_decay C11,F5 optimizer
        decay_missing adam_decay C11 optimizer
        decay_other adam_decay F9,C11 optimizer
        adamw_decay adamw F9,C11 optimizer
        adam_epsilon adam F1 optimizer
        adam_stock adam F2,F1 optimizer
        adam_stock_epsilon adam F2 optimizer
        adamw_stock adamw F2 optimizer
        nadam_stock nadam F14 optimizer
        rmsprop_stock rmsprop F4 optimizer
        rmsprop_rho rmsprop F4 optimizer
        momentum_stock momentum F5 optimizer
        rate_other sgd F6 optimizer
        rate_default rmsprop F6 optimizer
        adagrad_stock adagrad F8 optimizer
        adadelta_stock adadelta F8 optimizer
        sgd_for_adam adam F13 optimizer
        adamax_for_adam adam F13 optimizer
        momentum_other momentum F14 optimizer
        momentum_missing momentum F14 optimizer
        nesterov_missing nesterov F14 optimizer
        amsgrad_missing amsgrad F14 optimizer
        beta_other amsgrad F14 optimizer
        head_only adam F15 optimizer
        biases_left_out adam F15 optimizer
        not_frozen frozen E6 trajectory
        frozen adam E6 gradient
        """,
    ),
    *_wrong(
        "keras_schedules",
        "faults_schedules",
        """
        plateau_patience plateau G1 schedule
        plateau_relative plateau G3 schedule
        plateau_factor plateau G4 schedule
        plateau_floor plateau G4 schedule
        plateau_cooldown plateau_cooldown G2 schedule
        plateau_mode plateau_accuracy G6 schedule
        plateau_metric plateau_cooldown G6 schedule
        plateau_missing plateau G12 schedule
        stopping_by_hand stopping G8 schedule
        stopping_missing stopping G8 schedule
        scheduler_late scheduler G9 schedule
        scheduler_missing scheduler G12 schedule
        exponential_by_epoch exponential G10 schedule
        exponential_missing exponential G12,G13 schedule
        exponential_other exponential G12,G13 schedule
        staircase_missing staircase G12,G13 schedule
        cosine_no_warmup cosine G12,G13 schedule
        piecewise_early piecewise G9,G13 schedule
        """,
    ),
)
