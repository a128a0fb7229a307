"""Which model each port of the second set is of, and what its mistake is."""

from ..fault import Fault

RIGHT = {
    "masks_gated_text": "gated_text",
    "masks_labelled_steps": "labelled_steps",
    "attention_decoder": "decoder",
    "attention_pooled": "pooled",
    "recurrent_forecaster": "forecaster",
    "recurrent_both_states": "both_states",
    "outputs_three_heads": "three_heads",
    "outputs_centred": "centred",
}

WRONG = {
    "masks_merged_by_sum": Fault(
        "gated_text", "sum for mean of the directions", "merge mode", ("A27", "R4")
    ),
    "masks_second_layer_not_packed": Fault(
        "gated_text",
        "the second layer reads the padding",
        "memory does not skip the padding",
        ("A64",),
    ),
    "masks_turned_with_padding": Fault(
        "labelled_steps",
        "the backward direction begins in the padding",
        "backward reads padding",
        ("A64",),
    ),
    "masks_loss_by_samples": Fault(
        "labelled_steps",
        "sum over steps, mean over samples",
        "the loss divides by the samples",
        ("D19",),
    ),
    "attention_memory_not_read": Fault(
        "decoder",
        "cross attention reads the decoder",
        "keys and values of another tensor",
        ("A22",),
    ),
    "attention_scaled_by_key_dim": Fault(
        "decoder",
        "1 / key_dim, and value before key",
        "factor of the scores, or key and value",
        ("A34",),
    ),
    "attention_softmax_over_batch": Fault(
        "pooled", "softmax over the batch", "axis of the softmax", ("A21",)
    ),
    "attention_sigmoid_for_softmax": Fault(
        "pooled", "sigmoid for softmax", "another activation", ("A16",)
    ),
    "recurrent_not_repeated": Fault(
        "forecaster",
        "the decoder reads the outputs of the encoder",
        "input of the decoder",
        ("A22",),
    ),
    "recurrent_zeros_behind_the_first": Fault(
        "forecaster", "zeros behind the first step", "input of the decoder", ("A22",)
    ),
    "recurrent_backward_states_first": Fault(
        "both_states", "backward states first", "states in another order", ("A22",)
    ),
    "recurrent_states_viewed": Fault(
        "both_states",
        "a view across samples and directions",
        "reshaped, not concatenated",
        ("A26",),
    ),
    "outputs_flags_summed": Fault(
        "three_heads", "sum over the flags", "reduction of one loss", ("D12",)
    ),
    "outputs_size_is_mse": Fault(
        "three_heads", "mse for log cosh", "another loss of size", ("D13",)
    ),
    "outputs_mean_of_squares": Fault(
        "centred",
        "mean of squares, not square of the mean",
        "the added loss is another one",
        ("C8",),
    ),
    "outputs_added_loss_weighted": Fault(
        "centred",
        "divided by the sum of the weights",
        "weights of samples are normalised",
        ("D18",),
    ),
}
