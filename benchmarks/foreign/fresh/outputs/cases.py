"""Which model each port is of, what its mistake is, and what a reader wants to be told."""

from ..fault import Fault

RIGHT = {
    "heads_by_name": "heads",
    "heads_one_function": "heads",
    "heads_tuple": "heads",
    "towers_lists": "towers",
    "towers_one_function": "towers",
    "confused_by_name": "confused",
    "coder_added": "coder",
    "coder_returns": "coder",
    "penalised_in_loss": "penalised",
    "sparse_code_added": "sparse_code",
    "weighted_mean": "weighted",
    "weighted_pair_function": "weighted_pair",
    "classes_in_loss": "classes",
    "classes_by_port": "classes",
    "joined_by_name": "joined",
    "joined_dictionary": "joined",
    "twins_logits": "twins",
}

WRONG = {
    "heads_weights_exchanged": Fault(
        "heads", "weights of the losses exchanged", "weights of the losses", ("I7",)
    ),
    "heads_no_weights": Fault(
        "heads", "no weights of the losses", "weights of the losses", ("I7",)
    ),
    "heads_one_loss_missing": Fault(
        "heads", "the place has no loss", "the loss of one output is missing", ("I7",)
    ),
    "heads_sum_of_squares": Fault("heads", "sum for mean", "reduction of one loss", ("D12",)),
    "heads_sum_over_coordinates": Fault(
        "heads", "sum over the last axis", "reduction of one loss", ("D12",)
    ),
    "heads_metric_of_squares": Fault(
        "heads", "squares under the name mae", "definition of the metric", ("I1",)
    ),
    "towers_outputs_exchanged": Fault(
        "towers", "the outputs are exchanged", "outputs exchanged", ("A33",)
    ),
    "towers_target_of_the_other": Fault(
        "towers", "aux gets the targets of main", "target of another output", ("D16",)
    ),
    "towers_aux_in_eval": Fault(
        "towers", "the second loss in eval alone", "the loss of one output is missing", ("I7",)
    ),
    "towers_aux_detached": Fault(
        "towers", "the second head is detached", "gradient is cut / a detach", ("E9",)
    ),
    "towers_aux_from_above": Fault(
        "towers", "the second head begins elsewhere", "input of the head", ("A22",)
    ),
    "confused_sigmoid_twice": Fault(
        "confused", "probabilities taken for logits", "from_logits of one loss", ("D1",)
    ),
    "confused_logits_squashed": Fault(
        "confused", "a sigmoid too much", "another activation", ("A16",)
    ),
    "coder_summed": Fault(
        "coder", "sum over the batch", "the added loss is scaled: sum for mean", ("C8",)
    ),
    "coder_mean_of_all": Fault("coder", "mean over the code", "the added loss is scaled", ("C8",)),
    "coder_sign": Fault("coder", "the sign", "the added loss has the other sign", ("C8",)),
    "coder_no_half": Fault("coder", "0.5 forgotten", "the added loss is scaled", ("C8",)),
    "coder_forgotten": Fault("coder", "no divergence", "the added loss is missing", ("C9",)),
    "coder_log_of_deviation": Fault(
        "coder", "log deviation for log variance", "the added loss is another one", ("C8",)
    ),
    "penalised_weight_decay": Fault(
        "penalised", "weight_decay=l2", "weight decay for a penalty", ("C9", "C11")
    ),
    "penalised_biases": Fault("penalised", "biases, too", "the penalty has other weights", ("C8",)),
    "penalised_first_layer_alone": Fault(
        "penalised", "one layer alone", "the penalty of one layer is missing", ("C8",)
    ),
    "penalised_norm": Fault("penalised", "norm for its square", "another penalty", ("C8",)),
    "sparse_code_mean": Fault(
        "sparse_code", "mean over the code", "the added loss is scaled", ("C8",)
    ),
    "sparse_code_forgotten": Fault(
        "sparse_code", "no penalty", "the added loss is missing", ("C9",)
    ),
    "sparse_code_before_activation": Fault(
        "sparse_code", "before the ReLU", "the added loss is another one", ("C8",)
    ),
    "weighted_normalised": Fault(
        "weighted", "divided by the sum of weights", "weights of samples are normalised", ("D18",)
    ),
    "weighted_ignored": Fault(
        "weighted", "weights ignored", "weights of samples are ignored", ("D18",)
    ),
    "weighted_smooth_l1": Fault("weighted", "smooth_l1 for huber", "another loss", ("D14",)),
    "weighted_pair_first_for_both": Fault(
        "weighted_pair",
        "weights of the first output for both",
        "weights of samples of another output",
        ("D18",),
    ),
    "weighted_pair_one_unweighted": Fault(
        "weighted_pair",
        "one output without weights",
        "weights of samples are ignored by one loss",
        ("D18",),
    ),
    "classes_normalised": Fault(
        "classes", "divided by the sum of weights", "weights of classes are normalised", ("D5",)
    ),
    "classes_forgotten": Fault(
        "classes", "no weights of classes", "weights of classes are missing", ("D5",)
    ),
    "joined_other_order": Fault(
        "joined", "two inputs exchanged", "order of the concatenation", ("A22",)
    ),
    "joined_sorted": Fault(
        "joined", "in the order of names", "order of the concatenation", ("A22",)
    ),
    "twins_difference_reversed": Fault(
        "twins", "b - a", "sign / order of the difference", ("A22",)
    ),
    "twins_two_bodies": Fault(
        "twins", "two bodies in the place of one", "a shared layer is not shared", ("A30",)
    ),
}
