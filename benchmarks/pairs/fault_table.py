"""The wrong ports with their Keras models, the level that must catch each, and its name."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.pairs.table import PACKAGE


@dataclass(frozen=True)
class Fault:
    """A wrong port.

    Attributes:
        name: name of its factory.
        keras: factory of the model, which has a right port in `NULL`.
        torch: factory of the port.
        ids: IDs of the divergences that are accepted as names of the mistake.
        level: the first level of the ladder that fails.
        about: the mistake in words, as in `docs/matrices.md`; "" if its file says it.
    """

    name: str
    keras: str
    torch: str
    ids: tuple[str, ...]
    level: str
    about: str = ""


def _wrong(keras: str, torch: str, lines: str) -> tuple[Fault, ...]:
    """Reads faults of two modules from lines: port, model, ids, level: about."""
    faults = []
    for line in lines.strip().splitlines():
        row, _, about = line.partition(": ")
        port, model, ids, level = row.split()
        names = f"{PACKAGE}.{keras}:{model}", f"{PACKAGE}.{torch}:{port}"
        faults.append(Fault(port, *names, tuple(ids.split(",")), level, about))
    return tuple(faults)


FAULTS = (
    *_wrong(
        "keras_convolutions",
        "faults_weights",
        """
        fed_in_bytes conv_valid H7 data: Divided by 255; Keras does not
        imagenet_statistics conv_valid H7 data: Normalised with ImageNet's statistics out of habit
        fed_bgr conv_valid H12 data: OpenCV's order of the channels
        kernel_reversed conv_square A1 structure: All four axes reversed: height and width swapped
        kernel_in_out conv_square A1 structure: Inputs and outputs swapped
        """,
    ),
    *_wrong(
        "keras_activations",
        "faults_weights",
        """
        fed_twice_divided rescaled H7 data: Divided when loaded, and again in the model
        not_rescaled rescaled H7 data: Keras divides in the model, the port does not
        """,
    ),
    *_wrong(
        "keras_layers",
        "faults_weights",
        """
        dense_not_transposed mlp_square A2 structure: A square kernel is not transposed
        flatten_not_permuted flatten A3 structure: Rows after a flatten keep Keras's order
        norm_statistics_swapped batch_norm A10 structure: Mean for variance
        norm_gamma_beta_swapped batch_norm A10 structure: Gamma for beta
        """,
    ),
    *_wrong(
        "keras_branches",
        "faults_weights",
        """
        gates_not_reordered gru A14c structure: Keras's gates z, r, h instead of r, z, n
        """,
    ),
    *_wrong(
        "keras_convolutions",
        "faults_structure",
        """
        bias_missing conv_valid A11 structure: No bias, which Keras's convolution has by default
        kernel_size conv_valid A15 structure: 5 for 3
        norm_extra conv_valid A17 structure: A normalisation that Keras does not have
        conv_kaiming conv_valid B1 init: Torch's own kernel
        features_detached conv_valid E9,E6 gradient: A leftover `detach` cuts the gradient
        features_frozen conv_valid E6 gradient: The first layer does not need a gradient
        """,
    ),
    *_wrong(
        "keras_layers",
        "faults_structure",
        """
        bias_extra batch_norm A11 structure: A convolution with the bias that torch has by default
        activation_other mlp_square A16 forward: ReLU for tanh
        activation_missing mlp_square A16 forward: No activation for tanh
        layer_missing mlp_square A17 structure: One of two hidden layers is missing
        """,
    ),
    *_wrong(
        "keras_activations",
        "faults_structure",
        """
        num_units gelu A15 structure: 8 units for 6
        dropout_missing dropout A17 forward: One of two is missing
        dropout_extra gelu A17 forward: A dropout that Keras does not have
        """,
    ),
    *_wrong(
        "keras_branches",
        "faults_structure",
        """
        embedding_normal embedding B8 init: Torch's own initialiser
        lstm_recurrent_uniform lstm B8,B1 init: Torch's own recurrent kernel, the others as in Keras
        frames_joined frames C17 forward: The frames of a TimeDistributed in one batch
        biases_clipped_apart gru_clipped E10 optimizer: Each of two biases of a GRU has its own norm
        lstm_second_bias lstm A14 optimizer: Both biases are trained: their sum moves twice as far
        gru_reset_after gru_before A14b structure: Torch's GRU resets after its product
        """,
    ),
    *_wrong(
        "keras_convolutions",
        "faults_forward",
        """
        same_symmetric conv_same_stride_2 A5 forward: `padding=1` at stride 2
        same_symmetric_5 conv_same_kernel_5 A5 forward: `padding=2` at stride 2
        same_symmetric_stride_3 conv_same_stride_3 A5 forward: `padding=(1, 2)` at stride 3
        same_symmetric_1d conv_1d A5 forward: `padding=1` at stride 2, for sequences
        same_symmetric_pad conv_same_stride_2 A5 forward: Padded by hand, on both sides
        same_symmetric_depthwise depthwise_same A5 forward: `padding=1` at stride 2, depthwise
        valid_for_same conv_same A18 forward: No padding
        stride_missing conv_same_stride_2 A18 forward: Stride 1 for 2
        dilation_missing conv_dilated A18 forward: No dilation
        causal_as_same conv_1d_causal A18 forward: Padded on both sides for a causal convolution
        transposed_symmetric transposed A9 forward: `padding=1, output_padding=1`
        """,
    ),
    *_wrong(
        "keras_layers",
        "faults_forward",
        """
        max_pool_symmetric max_pool_same A7 forward: `padding=1`
        max_pool_zeros max_pool_same A7 forward: Padded with zeros, which win over negative values
        average_pool_counts average_pool_same A8 forward: Padded with zeros, which count
        average_pool_symmetric average_pool_same A8 forward: `padding=1`, and the zeros count
        layer_norm_epsilon layer_norm A13 forward: Torch's default of 1e-5 for Keras's 1e-3
        group_norm_epsilon group_norm A13 forward: Torch's default of 1e-5 for Keras's 1e-3
        norm_epsilon batch_norm C1 forward: 1e-5, the others as in Keras
        norm_stock batch_norm C1 forward: Torch's defaults: epsilon, momentum and variance
        norm_momentum batch_norm C2 forward: The epsilon was looked up, the momentum was not
        norm_momentum_copied batch_norm C2 forward: Keras's 0.99, which is 0.01 in torch
        norm_unbiased batch_norm C3 forward: Both constants are right; the variance has n - 1
        norm_frozen_by_gradient batch_norm_frozen C4 forward: Only the parameters are frozen
        norm_frozen_in_torch batch_norm C4 forward: Keras trains it
        norm_of_one batch_norm_of_33_rows C5 trajectory: A last batch of one sample raises
        upsampled_nearest upsampled_bilinear C14 forward: Torch's default
        upsampled_corners upsampled_bilinear C14 forward: Corners are aligned
        """,
    ),
    *_wrong(
        "keras_activations",
        "faults_forward",
        """
        leaky_slope leaky A13 forward: Torch's default of 0.01 for Keras's 0.3
        gelu_tanh gelu A20 forward: The approximation for the exact one
        softmax_last_axis softmax_axis A21 forward: The last axis: channels in Keras, width in torch
        dropout_inverted dropout C6 forward: The rate is the share that is kept, as in TensorFlow 1
        dropout_rate dropout C6 forward: Torch's default
        dropout_always dropout C7 forward: The function without `training`
        dropout_never dropout C7 forward: The function with `training=False`
        """,
    ),
    *_wrong(
        "keras_losses",
        "faults_losses",
        """
        kernels_kaiming wide B1 init: Torch's own kernels
        kernels_normal wide B8 init: Glorot's normal for Glorot's uniform
        biases_drawn wide B2 init: Torch's own biases
        normal_not_truncated he_normal B3 init: Torch's kaiming_normal_
        softmax_twice softmax D1 loss: Softmax in the model, and again in the loss
        sigmoid_twice sigmoid D1 loss: Sigmoid in the model, and again in the loss
        softmax_clipped softmax D2 loss: Keras's clipping, though Keras itself finds the logits
        smoothing_missing smoothed D4 loss: No label smoothing
        smoothing_other smoothed D4 loss: 0.2 for 0.1
        class_weights_mean class_weights D5 loss: Torch divides by the sum of the weights
        class_weights_missing class_weights D5 loss: No class weights
        broadcast mse_one D9 loss: Outputs (N, 1) and targets (N,)
        loss_summed mse D12 loss: The sum for the mean
        loss_of_samples mse D21 loss: Without its mean: a value for each sample
        loss_absolute mse D13 loss: Absolute for squared error
        smooth_l1 huber D14,D13 loss: Divided by delta
        l2_half l2 C8 loss: Half of the sum of squares
        l2_biases l2 C8 loss: The bias is penalised too
        l2_everywhere l2 C8 loss: All kernels are penalised
        l2_missing l2 C9 loss: No penalty
        l2_as_decay l2 C9 loss: The decay of the optimizer instead
        """,
    ),
    *_wrong(
        "keras_optimizers",
        "faults_optimizers",
        """
        clip_over_all clipnorm E1 optimizer: clip_grad_norm_ for clipnorm
        clip_with_epsilon global_clipnorm E2 optimizer: clip_grad_norm_ adds 1e-6 to the norm
        clip_missing clipnorm E8 optimizer: No clipping
        clip_by_value clipnorm E8 optimizer: Clipvalue for clipnorm
        decay_coupled adam_decay C11,F2 optimizer: Torch's Adam adds it to the gradient
        decay_coupled_sgd sgd_decay C11,F5 optimizer: Torch's SGD too
        decay_missing adam_decay C11 optimizer: No decay
        decay_other adam_decay F9,C11 optimizer: 0.003 for 0.03
        adamw_decay adamw F9,C11 optimizer: Torch's default of 0.01
        adam_epsilon adam F1 optimizer: 1e-8 for Keras's 1e-7
        adam_stock adam F2,F1 optimizer: Torch's defaults
        adam_stock_epsilon adam F2 optimizer: Torch's with Keras's epsilon
        adamw_stock adamw F2 optimizer: Torch's with Keras's constants
        nadam_stock nadam F14 optimizer: Torch's with Keras's epsilon
        rmsprop_stock rmsprop F4 optimizer: Torch's with Keras's constants
        rmsprop_rho rmsprop F4 optimizer: Torch's 0.99 for Keras's 0.9
        rate_other sgd F6 optimizer: 0.01 for 0.03
        rate_default rmsprop F6 optimizer: Torch's default for RMSprop, 0.01
        adagrad_stock adagrad F8 optimizer: Torch's starts at 0
        adadelta_stock adadelta F8 optimizer: Torch's constants
        sgd_for_adam adam F13 optimizer: SGD for Adam
        adamax_for_adam adam F13 optimizer: Adamax for Adam
        momentum_other momentum F14 optimizer: 0.8 for 0.9
        momentum_missing momentum F14 optimizer: No momentum
        nesterov_missing nesterov F14 optimizer: Plain momentum
        amsgrad_missing amsgrad F14 optimizer: Plain Adam
        beta_other amsgrad F14 optimizer: The defaults for 0.8 and 0.99
        head_only adam F15 optimizer: Only the last layer is given to the optimizer
        biases_left_out adam F15 optimizer: Biases are not given to the optimizer
        constraint_missing constrained F16 optimizer: The norms of the kernel may be greater
        not_frozen frozen E6 trajectory: Keras does not train the first layer
        frozen adam E6 gradient: Keras trains the first layer
        """,
    ),
    *_wrong(
        "keras_schedules",
        "faults_schedules",
        """
        momentum_stock plateau_momentum F5 optimizer: Torch's SGD keeps gradients, not steps
        plateau_patience plateau G1 schedule: The same number: one epoch more in torch
        plateau_relative plateau G3 schedule: Torch's default is relative
        plateau_factor plateau G4 schedule: Torch's default of 0.1
        plateau_floor plateau G4 schedule: No minimum rate
        plateau_cooldown plateau_cooldown G2 schedule: The same number: one epoch more in torch
        plateau_mode plateau_accuracy G6 schedule: Lower accuracy counts as better
        plateau_metric plateau_cooldown G6 schedule: Watches the training loss
        plateau_missing plateau G12 schedule: No callback
        stopping_by_hand stopping G8 schedule: A handwritten early stopping
        stopping_missing stopping G8 schedule: No early stopping
        scheduler_late scheduler G9 schedule: The rate of an epoch is that of the next one
        scheduler_missing scheduler G12 schedule: No scheduler
        exponential_by_epoch exponential G10 schedule: Torch's ExponentialLR after every epoch
        exponential_missing exponential G12,G13 schedule: A constant rate
        exponential_other exponential G15 schedule: 0.9 for 0.8
        staircase_missing staircase G14 schedule: Continuous instead of a staircase
        cosine_no_warmup cosine G12,G13 schedule: Torch's CosineAnnealingLR, without warm-up
        piecewise_early piecewise G15,G9 schedule: Keras's boundary belongs to what comes before it
        """,
    ),
)
