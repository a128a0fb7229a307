"""The right ports and their Keras models."""

from __future__ import annotations

from dataclasses import dataclass

PACKAGE = "benchmarks.pairs"


@dataclass(frozen=True)
class Pair:
    """A right port.

    Attributes:
        keras: factory of the model, "module:function".
        torch: factory of the port.
    """

    keras: str
    torch: str

    @property
    def name(self) -> str:
        """The name of the port."""
        return self.torch.rpartition(":")[2]


def _right(keras: str, torch: str, names: str) -> tuple[Pair, ...]:
    """Reads pairs of two modules: "model" for a port with the same name, else "model=port,port"."""
    pairs = []
    for entry in names.split():
        model, _, ports = entry.partition("=")
        pairs += [
            Pair(f"{PACKAGE}.{keras}:{model}", f"{PACKAGE}.{torch}:{port}")
            for port in (ports or model).split(",")
        ]
    return tuple(pairs)


NULL = (
    *_right(
        "keras_convolutions",
        "torch_convolutions",
        """
        conv_valid=conv_valid,conv_valid_functional conv_same
        conv_same_stride_2=conv_same_stride_2,conv_same_stride_2_layers conv_same_kernel_5
        conv_same_stride_3 conv_dilated conv_square conv_1d conv_1d_causal conv_3d depthwise
        depthwise_same separable transposed=transposed,transposed_cropped transposed_valid
        """,
    ),
    *_right(
        "keras_layers",
        "torch_layers",
        """
        batch_norm batch_norm_dense=batch_norm_dense,batch_norm_dense_torch batch_norm_of_33_rows
        batch_norm_frozen=batch_norm_frozen,batch_norm_frozen_stock batch_norm_plain
        layer_norm layer_norm_sequence group_norm max_pool
        max_pool_same=max_pool_same,max_pool_same_padded average_pool average_pool_same pool_1d
        global_max=global_max,global_max_adaptive flatten=flatten,flatten_keras,flatten_view
        flatten_norm mlp_square reshaped padded upsampled upsampled_bilinear
        """,
    ),
    *_right(
        "keras_activations",
        "torch_activations",
        """
        leaky gelu activations softmax_axis dropout=dropout,dropout_functional spatial_dropout
        rescaled normalized
        """,
    ),
    *_right(
        "keras_branches",
        "torch_branches",
        """
        residual branches shared embedding embedding_conv lstm=lstm,lstm_one_bias lstm_sequence
        gru=gru,gru_torch gru_before gru_clipped simple_rnn bidirectional frames
        """,
    ),
    *_right(
        "keras_losses",
        "torch_losses",
        """
        mse mse_one softmax=softmax,softmax_log,softmax_keras
        softmax_one_hot=softmax_one_hot,softmax_one_hot_index smoothed
        sigmoid=sigmoid,sigmoid_squeezed labels class_weights huber mae summed
        l2=l2,l2_by_hand,l2_module l1_l2 wide he_normal
        """,
    ),
    *_right(
        "keras_optimizers",
        "torch_optimizers",
        """
        sgd=sgd,sgd_keras momentum=momentum,momentum_torch nesterov=nesterov,nesterov_torch
        adam amsgrad adamw adam_decay sgd_decay rmsprop
        rmsprop_centered adagrad adadelta adamax nadam lion clipnorm=clipnorm,clipnorm_by_hand
        global_clipnorm clipvalue=clipvalue,clipvalue_by_hand frozen=frozen,frozen_left_out
        constrained
        """,
    ),
    *_right(
        "keras_schedules",
        "torch_schedules",
        """
        exponential=exponential,exponential_lambda staircase=staircase,staircase_step_lr cosine
        cosine_restarts polynomial=polynomial,polynomial_torch inverse_time piecewise
        plateau=plateau,plateau_torch plateau_cooldown plateau_accuracy
        plateau_momentum stopping
        stopping_and_plateau scheduler=scheduler,scheduler_exponential scheduler_steps
        """,
    ),
    *_right(
        "keras_programs",
        "torch_programs",
        """
        resnet_stem three_branches squeeze_excite two_inputs segmentation autoencoder nested
        subclassed=subclassed,subclassed_module operations not_compiled
        """,
    ),
    *_right(
        "keras_branches",
        "torch_configs",
        """
        residual=residual_twin embedding_conv=embedding_conv_twin
        """,
    ),
    *_right(
        "keras_layers",
        "torch_configs",
        """
        flatten=flatten_twin batch_norm=batch_norm_twin
        """,
    ),
)
