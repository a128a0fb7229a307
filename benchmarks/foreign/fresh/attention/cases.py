"""Which model each port is of, what its mistake is, and what a reader wants to be told."""

from ..fault import Fault

RIGHT = {
    "narrow_by_hand": "narrow",
    "narrow_fused": "narrow",
    "pre_norm_module": "pre_norm",
    "post_norm_encoder": "post_norm",
    "post_norm_by_hand": "post_norm",
    "language_module": "language",
    "language_fused": "language",
    "cross_einsum": "cross",
    "cross_linear": "cross",
    "grouped_repeat": "grouped",
    "grouped_fused": "grouped",
    "dots_bmm": "dots",
    "additive_tanh": "additive",
    "concatenated_fused": "concatenated",
}

WRONG = {
    "narrow_scaled_by_model_width": Fault(
        "narrow", "scores by sqrt(8), not sqrt(key_dim)", "factor of the scores", ("A34",)
    ),
    "narrow_heads_inside": Fault(
        "narrow", "heads are the inner axis of the split", "order of the heads", ("A36",)
    ),
    "narrow_view_for_transpose": Fault(
        "narrow", "view(N, heads, T, d) without transpose", "how heads are split", ("A36",)
    ),
    "narrow_not_transposed_back": Fault(
        "narrow", "heads are not moved back before the join", "how heads are joined", ("A36",)
    ),
    "narrow_softmax_over_queries": Fault(
        "narrow", "softmax over the queries", "axis of the softmax", ("A21",)
    ),
    "narrow_no_output_bias": Fault(
        "narrow", "the output projection has no bias", "bias without a place", ("A11",)
    ),
    "narrow_key_and_value_exchanged": Fault(
        "narrow", "key and value exchanged", "key and value exchanged", ("A22",)
    ),
    "narrow_scaled_twice": Fault(
        "narrow", "the query is scaled, and the scores are", "factor of the scores", ("A34",)
    ),
    "pre_norm_epsilon": Fault("pre_norm", "epsilon 1e-5", "epsilon of the normalisation", ("A13",)),
    "pre_norm_residual_after_norm": Fault(
        "pre_norm",
        "the residual is taken behind the normalisation",
        "place of the normalisation or residual",
        ("A22",),
    ),
    "pre_norm_approximate_gelu": Fault("pre_norm", "gelu by tanh", "approximate gelu", ("A20",)),
    "post_norm_dropout_on_the_output": Fault(
        "post_norm",
        "dropout of the output, not of the weights",
        "dropout at another place",
        ("C16",),
    ),
    "post_norm_no_dropout_of_weights": Fault(
        "post_norm", "weights are not dropped", "dropout missing", ("A17",)
    ),
    "post_norm_norm_first": Fault(
        "post_norm", "norm_first=True", "normalisation at another place", ("A22",)
    ),
    "post_norm_gelu": Fault("post_norm", "gelu for relu", "another activation", ("A16",)),
    "post_norm_dropout_in_eval": Fault(
        "post_norm", "dropout_p also in eval", "dropout in eval mode", ("C7",)
    ),
    "language_mask_inverted": Fault(
        "language", "True is ignored in torch", "mask inverted", ("A35",)
    ),
    "language_sees_the_next_token": Fault(
        "language", "triu(diagonal=2)", "mask shifted by one", ("A35",)
    ),
    "language_not_causal": Fault("language", "no mask", "mask missing", ("A35",)),
    "language_no_positions": Fault(
        "language", "no positions", "weight of positions without a place", ("A22",)
    ),
    "language_embedding_not_scaled": Fault(
        "language", "embedding not scaled", "a factor of the embedding", ("A27",)
    ),
    "language_positions_scaled": Fault(
        "language", "positions are scaled, too", "a factor of the positions", ("A22",)
    ),
    "cross_scaled_by_value_width": Fault(
        "cross", "scores by sqrt(value_dim)", "factor of the scores", ("A34",)
    ),
    "cross_residual_outside_norm": Fault(
        "cross",
        "residual outside of the normalisation",
        "place of the normalisation or residual",
        ("A22",),
    ),
    "grouped_heads_tiled": Fault(
        "grouped", "heads are tiled, not repeated", "order of the heads", ("A36",)
    ),
    "dots_scaled_by_width": Fault(
        "dots", "1 / sqrt(d), which Attention has not", "factor of the scores", ("A34",)
    ),
    "dots_scale_not_learned": Fault(
        "dots", "the learned scale is missing", "weight scale without a place", ("A34",)
    ),
    "additive_no_tanh": Fault("additive", "no tanh", "tanh missing in the scores", ("A16",)),
    "additive_mean_of_scores": Fault(
        "additive", "mean for sum in the scores", "factor of the scores", ("A34",)
    ),
    "concatenated_other_order": Fault(
        "concatenated", "query first", "order of the concatenation", ("A22",)
    ),
    "concatenated_scaled_scores": Fault(
        "concatenated", "1 / sqrt(d), which Attention has not", "factor of the scores", ("A34",)
    ),
}
