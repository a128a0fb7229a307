"""Several losses, added losses and weights as rows of both matrices."""

from __future__ import annotations

from functools import partial

from benchmarks.pairs.cases import right_ports, wrong_ports

PACKAGE = "benchmarks.loss_cases"
_pairs, _faults = partial(right_ports, PACKAGE), partial(wrong_ports, PACKAGE)

RIGHT = (
    *_pairs("heads", "heads heads_in_order heads_function heads_by_name heads_alone"),
    *_pairs("nested", "nested nested_paths"),
    *_pairs("weighted", "weighted weighted_metrics weighted_function"),
    *_pairs("autoencoder", "autoencoder autoencoder_reads autoencoder_returns"),
    *_pairs("classes", "classes classes_inside"),
    *_pairs("speech", "speech"),
    *_pairs("scenes", "scenes"),
    *_pairs("of_its_own", "of_its_own"),
)
FAULTS = (
    *_faults(
        "heads",
        """
        weights_exchanged I7 loss
        weights_forgotten I7 loss
        mean_of_losses I7 loss
        loss_forgotten I7 loss
        other_loss D13 loss
        activated_twice D1 loss
        summed D12 loss
        entropy_of_labels D4 loss
        output_detached E9 gradient
        outputs_exchanged A33 forward
        metric_of_another_output I1,I6 metrics
        metric_of_logits I1,I6 metrics
        """,
    ),
    *_faults("nested", "losses_exchanged D13,D14 loss"),
    *_faults(
        "weighted",
        """
        sample_weights_ignored D18 loss
        sample_weights_normalised D18 loss
        metric_without_weights I1 metrics
        """,
    ),
    *_faults(
        "autoencoder",
        """
        divergence_forgotten C9 loss
        divergence_summed C8 loss
        divergence_scaled C8 loss
        divergence_detached E7,E9 gradient
        """,
    ),
    *_faults(
        "classes",
        """
        class_weights_normalised D5 loss
        class_weights_forgotten D5 loss
        """,
    ),
    *_faults("speech", "mean_over_labels D13,D12 loss"),
    *_faults("scenes", "sum_of_scenes D12 loss\nbox_where_nothing_is D13 loss"),
    *_faults("of_its_own", "weight_of_a_list I7 loss"),
)
