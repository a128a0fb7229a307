"""Metrics by hand as rows of both matrices."""

from __future__ import annotations

from functools import partial

from benchmarks.pairs.cases import right_ports, wrong_ports

PACKAGE = "benchmarks.metric_cases"
_pairs, _faults = partial(right_ports, PACKAGE), partial(wrong_ports, PACKAGE, level="metrics")

RIGHT = (
    *_pairs(
        "classes", "classes_functions classes_objects classes_library classes_none classes_log"
    ),
    *_pairs("one_hot", "one_hot_functions"),
    *_pairs("yes_or_no", "yes_or_no_objects yes_or_no_none"),
    *_pairs("logit", "logit_functions"),
    *_pairs("labels", "labels_objects"),
    *_pairs("values", "values_objects"),
    *_pairs("weighted", "weighted_objects"),
    *_pairs("pixels", "pixels_objects pixels_none"),
    *_pairs("custom", "custom_function custom_none"),
)
FAULTS = (
    *_faults(
        "classes",
        """
        batch_means I2
        last_batch I1
        number_of_right_ones I1
        percent I1
        error_rate I1
        other_k I1
        accuracy_for_top I1
        other_name I6
        entropy_of_logits I1
        raises I1
        """,
    ),
    *_faults(
        "yes_or_no",
        """
        threshold I1
        logits_above_half I1
        half_counts_as_yes I1
        weights_ignored I1
        weights_counted I1
        area_without_thresholds I1
        precision_recall_curve I1
        """,
    ),
    *_faults("labels", "f1_of_all_labels I1"),
    *_faults("values", "rmse_of_batches I2\nroot_left_out I1"),
    *_faults("weighted", "divided_by_number I1"),
    *_faults("pixels", "two_of_three_classes I1"),
    *_faults("custom", "of_another_sample I1"),
)
