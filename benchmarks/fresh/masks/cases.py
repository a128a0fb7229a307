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
        "bag", "the mean counts the padding", "padding counts in the mean"
    ),
    "bag_mask_inverted": Fault("bag", "the mean counts the padding alone", "mask inverted"),
    "bag_padding_idx": Fault(
        "bag", "padding_idx in the place of a mask", "padding counts in the mean"
    ),
    "bag_divided_by_all_steps": Fault(
        "bag",
        "the sum of valid steps is divided by all steps",
        "divided by the number of all steps",
    ),
    "sentiment_last_step": Fault(
        "sentiment", "the last step, not the last valid one", "padding is not skipped"
    ),
    "sentiment_one_step_too_late": Fault(
        "sentiment", "the step behind the last valid one", "another step than the last valid one"
    ),
    "sentiment_cell_zeroed": Fault(
        "sentiment",
        "padding sets the state to zero, and does not keep it",
        "the state is not kept in the padding",
    ),
    "both_mean_backward_starts_in_padding": Fault(
        "both_ways_mean",
        "the backward direction begins in the padding",
        "backward direction reads the padding",
    ),
    "both_mean_over_all_steps": Fault(
        "both_ways_mean", "pooled over all steps", "padding counts in the mean"
    ),
    "both_last_valid_step_of_backward": Fault(
        "both_ways_last",
        "the backward output of the last step, which has seen one token",
        "backward: another step",
    ),
    "both_last_not_packed": Fault(
        "both_ways_last", "both directions read the padding", "padding is not skipped"
    ),
    "tagger_loss_over_all_tokens": Fault(
        "tagger", "the loss counts the padding", "the loss ignores the mask"
    ),
    "tagger_masked_sum_over_all": Fault(
        "tagger",
        "the masked sum is divided by all steps",
        "the loss is divided by all steps, not by the valid ones",
    ),
    "tagger_mean_of_means": Fault(
        "tagger", "mean of each sample first, then over samples", "the loss is a mean of means"
    ),
    "tagger_accuracy_over_all_tokens": Fault(
        "tagger", "the metric counts the padding", "the metric ignores the mask"
    ),
    "sensor_other_mask_value": Fault(
        "sensor", "another value is masked", "mask value / steps that are masked"
    ),
    "sensor_any_value_is_a_gap": Fault(
        "sensor", "a step with one masked value is masked", "all of a step's values, not any"
    ),
    "forecast_mask_shifted": Fault(
        "forecast", "the mask is shifted by one step", "the loss uses another mask"
    ),
    "forecast_loss_mask_missing": Fault(
        "forecast", "the loss counts the padding", "the loss ignores the mask"
    ),
    "two_floors_mask_in_the_first": Fault(
        "two_floors",
        "the second layer reads the padding",
        "the upper layer does not skip the padding",
    ),
    "attentive_mask_inverted": Fault(
        "attentive", "True means ignore in torch", "mask of attention inverted"
    ),
    "attentive_no_mask": Fault("attentive", "no mask for the keys", "mask of attention missing"),
    "scored_zero_for_infinity": Fault(
        "scored", "masked scores are 0 and not -inf", "the softmax counts the padding"
    ),
    "question_mask_on_queries": Fault(
        "question", "the mask of keys on queries", "mask of the keys missing"
    ),
    "question_pooled_over_padding": Fault(
        "question", "pooled over all steps", "padding counts in the mean"
    ),
    "weighted_tagger_mask_forgotten": Fault(
        "weighted_tagger", "weights of steps without the mask", "the loss ignores the mask"
    ),
}
