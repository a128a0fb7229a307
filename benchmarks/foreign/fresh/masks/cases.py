"""Which model each port is of, what its mistake is, and what a reader wants to be told."""

from ..fault import Fault

RIGHT = {
    "bag_mean": "bag",
    "bag_embedding_bag": "bag",
    "sentiment_packed": "sentiment",
    "sentiment_gather": "sentiment",
    "sentiment_cell": "sentiment",
    "both_mean_packed": "both_ways_mean",
    "both_last_packed": "both_ways_last",
    "both_last_by_hand": "both_ways_last",
    "tagger_masked_mean": "tagger",
    "tagger_selected": "tagger",
    "sensor_packed": "sensor",
    "forecast_pair": "forecast",
    "two_floors_packed": "two_floors",
    "attentive_module": "attentive",
    "scored_infinite": "scored",
    "question_bmm": "question",
    "weighted_tagger_mean": "weighted_tagger",
}

WRONG = {
    "bag_padding_in_mean": Fault(
        "bag", "the mean counts the padding", "padding counts in the mean", ("A64",)
    ),
    "bag_mask_inverted": Fault(
        "bag", "the mean counts the padding alone", "mask inverted", ("A65",)
    ),
    "bag_padding_idx": Fault(
        "bag", "padding_idx in the place of a mask", "padding counts in the mean", ("A64",)
    ),
    "bag_divided_by_all_steps": Fault(
        "bag",
        "the sum of valid steps is divided by all steps",
        "divided by the number of all steps",
        ("A65",),
    ),
    "sentiment_last_step": Fault(
        "sentiment", "the last step, not the last valid one", "padding is not skipped", ("A64",)
    ),
    "sentiment_one_step_too_late": Fault(
        "sentiment",
        "the step behind the last valid one",
        "another step than the last valid one",
        ("A67",),
    ),
    "sentiment_cell_zeroed": Fault(
        "sentiment",
        "padding sets the state to zero, and does not keep it",
        "the state is not kept in the padding",
        ("A67",),
    ),
    "both_mean_backward_starts_in_padding": Fault(
        "both_ways_mean",
        "the backward direction begins in the padding",
        "backward direction reads the padding",
        ("A64",),
    ),
    "both_mean_over_all_steps": Fault(
        "both_ways_mean", "pooled over all steps", "padding counts in the mean", ("A64", "A65")
    ),
    "both_last_valid_step_of_backward": Fault(
        "both_ways_last",
        "the backward output of the last step, which has seen one token",
        "backward: another step",
        ("A25",),
    ),
    "both_last_not_packed": Fault(
        "both_ways_last", "both directions read the padding", "padding is not skipped", ("A64",)
    ),
    "tagger_loss_over_all_tokens": Fault(
        "tagger", "the loss counts the padding", "the loss ignores the mask", ("D19",)
    ),
    "tagger_masked_sum_over_all": Fault(
        "tagger",
        "the masked sum is divided by all steps",
        "the loss is divided by all steps, not by the valid ones",
        ("D19",),
    ),
    "tagger_mean_of_means": Fault(
        "tagger",
        "mean of each sample first, then over samples",
        "the loss is a mean of means",
        ("D19",),
    ),
    "tagger_accuracy_over_all_tokens": Fault(
        "tagger", "the metric counts the padding", "the metric ignores the mask", ("I8",)
    ),
    "sensor_other_mask_value": Fault(
        "sensor", "another value is masked", "mask value / steps that are masked", ("A64",)
    ),
    "sensor_any_value_is_a_gap": Fault(
        "sensor",
        "a step with one masked value is masked",
        "all of a step's values, not any",
        ("A65",),
    ),
    "forecast_mask_shifted": Fault(
        "forecast", "the mask is shifted by one step", "the loss uses another mask", ("D19",)
    ),
    "forecast_loss_mask_missing": Fault(
        "forecast", "the loss counts the padding", "the loss ignores the mask", ("D19",)
    ),
    "two_floors_mask_in_the_first": Fault(
        "two_floors",
        "the second layer reads the padding",
        "the upper layer does not skip the padding",
        ("A64",),
    ),
    "attentive_mask_inverted": Fault(
        "attentive", "True means ignore in torch", "mask of attention inverted", ("A35",)
    ),
    "attentive_no_mask": Fault(
        "attentive", "no mask for the keys", "mask of attention missing", ("A35",)
    ),
    "scored_zero_for_infinity": Fault(
        "scored",
        "masked scores are 0 and not -inf",
        "the softmax counts the padding",
        ("A35", "A64", "A65"),
    ),
    "question_mask_on_queries": Fault(
        "question", "the mask of keys on queries", "mask of the keys missing", ("A64",)
    ),
    "question_pooled_over_padding": Fault(
        "question", "pooled over all steps", "padding counts in the mean", ("A64",)
    ),
    "weighted_tagger_mask_forgotten": Fault(
        "weighted_tagger",
        "weights of steps without the mask",
        "the loss ignores the mask",
        ("D19",),
    ),
}
