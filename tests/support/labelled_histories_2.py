"""Held-out histories made by hand, each with the verdict that a practitioner
gives it; no rule and no run of this project made them."""

import math

import labelled_histories
import numpy as np
from labelled_histories import history, labelled

NAN = math.nan
INF = math.inf


def _power(start, end, power, epochs, noise=0.0, seed=0):
    """From start towards end by a power law of the epoch; noise is absolute."""
    epoch = np.arange(epochs)
    values = end + (start - end) * (1.0 + epoch) ** -power
    return values + np.random.default_rng(seed).normal(0.0, 1.0, epochs) * noise


def _sigmoid(start, end, middle, width, epochs, noise=0.0, seed=0):
    epoch = np.arange(epochs)
    values = start + (end - start) / (1 + np.exp(-(epoch - middle) / width))
    return values + np.random.default_rng(seed).normal(0.0, 1.0, epochs) * noise


def _valley(start, low, at, slope, epochs, noise=0.0, seed=0):
    """Falls exponentially to about low, from epoch `at` on rises by slope each."""
    epoch = np.arange(epochs)
    values = low + (start - low) * np.exp(-3.0 * epoch / at)
    values = values + slope * np.clip(epoch - at, 0, None)
    return values + np.random.default_rng(seed).normal(0.0, 1.0, epochs) * noise


def _flat(level, epochs, noise, seed):
    return level + np.random.default_rng(seed).normal(0.0, 1.0, epochs) * noise


def _accs(*parts):
    return [round(float(v), 4) for part in parts for v in np.clip(part, 0.0, 1.0)]


def _losses(*parts):
    return [float(f"{v:.5g}") for part in parts for v in np.maximum(part, 1e-8)]


def _of(images, values):
    """Accuracies that so few images can give."""
    return [round(round(float(v) * images) / images, 4) for v in np.clip(values, 0, 1)]


def _only_every(step, values):
    """Validation run at the first epoch and then every `step` epochs."""
    return [v if i % step == 0 else NAN for i, v in enumerate(values)]


GOOD_FIT = [
    history(
        "augmented_and_dropout_with_eval_columns",
        known={"num_classes": 10, "num_val": 10000},
        loss=_losses(_power(1.21, 0.22, 0.65, 35, 0.006, 1001)),
        accuracy=_accs(_power(0.56, 0.912, 0.75, 35, 0.003, 1002)),
        eval_loss=_losses(_power(0.72, 0.10, 0.75, 35, 0.005, 1003)),
        eval_accuracy=_accs(_power(0.735, 0.967, 0.85, 35, 0.002, 1004)),
        val_loss=_losses(_power(0.74, 0.135, 0.75, 35, 0.008, 1005)),
        val_accuracy=_accs(_power(0.73, 0.953, 0.85, 35, 0.003, 1006)),
    ),
    history(
        "digits_val_loss_creeps_up",
        loss="0.1637 0.0452 0.0311 0.0228 0.0176 0.0141 0.0112 0.0093 0.0081 0.0074 0.0060 0.0057",
        accuracy="0.9502 0.9859 0.9902 0.9926 0.9943 0.9953 0.9962 "
        "0.9968 0.9974 0.9975 0.9980 0.9982",
        val_loss="0.0531 0.0402 0.0361 0.0338 0.0329 0.0351 0.0364 "
        "0.0397 0.0418 0.0442 0.0431 0.0487",
        val_accuracy="0.9827 0.9866 0.9880 0.9891 0.9898 0.9894 0.9901 "
        "0.9899 0.9903 0.9898 0.9907 0.9904",
    ),
    history(
        "one_spike_that_recovers",
        known={"num_classes": 10},
        loss=_losses(
            _power(0.92, 0.10, 0.95, 11, 0.005, 1007),
            [0.8843, 0.3127],
            _power(0.221, 0.118, 0.9, 13, 0.004, 1008),
        ),
        accuracy=_accs(
            _power(0.69, 0.972, 0.95, 11, 0.002, 1009),
            [0.7411, 0.9015],
            _power(0.934, 0.967, 0.9, 13, 0.0015, 1010),
        ),
        val_loss=_losses(
            _power(0.63, 0.13, 0.95, 11, 0.007, 1011),
            [1.3920, 0.3044],
            _power(0.228, 0.146, 0.9, 13, 0.006, 1012),
        ),
        val_accuracy=_accs(
            _power(0.78, 0.963, 0.95, 11, 0.003, 1013),
            [0.6190, 0.9032],
            _power(0.930, 0.957, 0.9, 13, 0.003, 1014),
        ),
    ),
    history(
        "reduce_on_plateau",
        known={"num_val": 6000},
        loss=_losses(
            _power(1.44, 0.25, 0.8, 16, 0.01, 1015),
            _power(0.272, 0.225, 0.8, 9, 0.003, 1016),
            _flat(0.218, 6, 0.002, 1017),
        ),
        accuracy=_accs(
            _power(0.50, 0.918, 0.8, 16, 0.004, 1018),
            _power(0.910, 0.926, 0.8, 9, 0.0015, 1019),
            _flat(0.9285, 6, 0.0008, 1020),
        ),
        val_loss=_losses(
            _power(1.26, 0.27, 0.8, 16, 0.03, 1021),
            _power(0.282, 0.254, 0.8, 9, 0.005, 1022),
            _flat(0.2485, 6, 0.002, 1023),
        ),
        val_accuracy=_accs(
            _power(0.55, 0.912, 0.8, 16, 0.011, 1024),
            _power(0.904, 0.915, 0.8, 9, 0.002, 1025),
            _flat(0.9172, 6, 0.001, 1026),
        ),
        learning_rate=[0.003] * 16 + [0.0009] * 9 + [0.00027] * 6,
    ),
    history(
        "hundred_epochs_validated_every_tenth",
        loss=_losses(_power(1.93, 0.03, 0.75, 100, 0.003, 1027)),
        accuracy=_accs(_power(0.36, 0.992, 0.8, 100, 0.0015, 1028)),
        val_loss=_only_every(10, _losses(_power(1.71, 0.085, 0.75, 100, 0.004, 1029))),
        val_accuracy=_only_every(10, _accs(_power(0.43, 0.977, 0.8, 100, 0.002, 1030))),
    ),
    history(
        "transfer_two_epochs",
        known={"num_classes": 2, "num_train": 4650, "num_val": 1160},
        loss="0.2588 0.0861",
        accuracy="0.9034 0.9712",
        val_loss="0.1042 0.0805",
        val_accuracy="0.9655 0.9741",
    ),
    history(
        "sixty_validation_images",
        known={"num_classes": 3, "num_train": 540, "num_val": 60},
        loss=_losses(_power(0.98, 0.04, 0.9, 22, 0.006, 1031)),
        accuracy=_accs(_power(0.57, 0.994, 1.0, 22, 0.005, 1032)),
        val_loss=_losses(_power(0.86, 0.085, 0.9, 22, 0.012, 1033)),
        val_accuracy=_of(60, _power(0.62, 0.975, 1.0, 22, 0.013, 1034)),
    ),
]

OVERFIT = [
    history(
        "text_classifier_classic",
        known={"num_classes": 2},
        loss="0.6213 0.3547 0.2406 0.1721 0.1218 0.0847 0.0581 0.0392 0.0263 0.0181 0.0129 0.0096",
        accuracy="0.6248 0.8519 0.9078 0.9377 0.9583 0.9727 0.9829 "
        "0.9893 0.9937 0.9959 0.9971 0.9982",
        val_loss="0.4218 0.3391 0.3260 0.3487 0.3902 0.4476 0.5183 "
        "0.5940 0.6841 0.7655 0.8614 0.9473",
        val_accuracy="0.8204 0.8591 0.8632 0.8617 0.8574 0.8550 0.8529 "
        "0.8510 0.8483 0.8491 0.8466 0.8459",
    ),
    history(
        "small_gap_and_rising_validation_loss",
        known={"num_val": 8000},
        loss=_losses(_power(0.47, -0.012, 0.95, 40, 0.001, 1035)),
        accuracy=_accs(_power(0.842, 1.0, 1.15, 40, 0.0006, 1036)),
        val_loss=_losses(_valley(0.31, 0.117, 8, 0.0033, 40, 0.003, 1037)),
        val_accuracy=_accs(_power(0.905, 0.9645, 1.2, 40, 0.0012, 1038)),
    ),
    history(
        "shuffled_labels_four_classes",
        loss=_losses(_sigmoid(1.392, 0.06, 38, 8.0, 90, 0.005, 1039)),
        accuracy=_accs(_sigmoid(0.252, 0.985, 39, 7.5, 90, 0.003, 1040)),
        val_loss=_losses(_sigmoid(1.388, 3.85, 44, 10.0, 90, 0.02, 1041)),
        val_accuracy=_accs(_flat(0.25, 90, 0.009, 1042)),
    ),
    history(
        "twenty_five_validation_images_accuracies_only",
        known={"num_classes": 3, "num_train": 100, "num_val": 25},
        accuracy=_of(100, _power(0.41, 1.03, 0.85, 16, 0.006, 1043)),
        val_accuracy=_of(25, _power(0.44, 0.67, 1.0, 16, 0.02, 1044)),
    ),
    history(
        "augmentation_hides_the_gap",
        known={"num_classes": 10, "num_train": 10000, "num_val": 5000},
        loss=_losses(_power(1.17, 0.16, 0.6, 50, 0.006, 1045)),
        accuracy=_accs(_power(0.58, 0.938, 0.62, 50, 0.003, 1046)),
        eval_loss=_losses(_power(0.86, 0.012, 0.85, 50, 0.003, 1047)),
        eval_accuracy=_accs(_power(0.69, 0.998, 0.9, 50, 0.0015, 1048)),
        val_loss=_losses(_valley(0.92, 0.447, 15, 0.0048, 50, 0.012, 1049)),
        val_accuracy=_accs(_power(0.67, 0.875, 0.9, 50, 0.004, 1050)),
    ),
    history(
        "long_noisy_below_target_validated_every_fourth",
        known={"num_classes": 50},
        loss=_losses(_power(3.1, -0.35, 0.26, 161, 0.02, 1051)),
        accuracy=_accs(_power(0.14, 1.1, 0.27, 161, 0.008, 1052)),
        val_loss=_only_every(4, _losses(_valley(2.9, 1.66, 36, 0.0062, 161, 0.05, 1053))),
        val_accuracy=_only_every(4, _accs(_power(0.18, 0.62, 0.5, 161, 0.014, 1054))),
    ),
    history(
        "losses_only_noisy_turn",
        loss=_losses(_power(2.95, 0.45, 0.55, 32, 0.03, 1055)),
        val_loss=_losses(_valley(2.71, 1.88, 9, 0.041, 32, 0.04, 1056)),
    ),
]

UNDERFIT = [
    history(
        "hundred_classes_two_epochs",
        known={"num_classes": 100, "num_val": 10000},
        loss="3.9127 3.3518",
        accuracy="0.1153 0.2094",
        val_loss="3.5260 3.2147",
        val_accuracy="0.1721 0.2318",
    ),
    history(
        "heavy_dropout_plateau",
        loss=_losses(_power(1.78, 0.55, 0.9, 45, 0.008, 1057)),
        accuracy=_accs(_power(0.37, 0.795, 0.95, 45, 0.003, 1058)),
        val_loss=_losses(_power(1.32, 0.42, 0.9, 45, 0.010, 1059)),
        val_accuracy=_accs(_power(0.55, 0.858, 0.95, 45, 0.004, 1060)),
    ),
    history(
        "slow_start_then_rising",
        known={"num_classes": 10},
        loss=_losses(_sigmoid(2.309, 1.05, 10.5, 1.7, 15, 0.006, 1061)),
        accuracy=_accs(_sigmoid(0.1, 0.63, 10.5, 1.7, 15, 0.003, 1062)),
        val_loss=_losses(_sigmoid(2.305, 1.03, 10.0, 1.7, 15, 0.008, 1063)),
        val_accuracy=_accs(_sigmoid(0.1, 0.635, 10.0, 1.7, 15, 0.004, 1064)),
    ),
    history(
        "single_epoch_ten_classes",
        known={"num_classes": 10, "num_train": 50000, "num_val": 10000},
        loss=[1.5436],
        accuracy=[0.4412],
        val_loss=[1.2377],
        val_accuracy=[0.5530],
    ),
    history(
        "large_learning_rate_noise",
        known={"num_val": 300},
        loss=_losses(_power(1.49, 0.64, 0.9, 24, 0.05, 1065)),
        accuracy=_accs(_power(0.38, 0.755, 0.95, 24, 0.022, 1066)),
        val_loss=_losses(_power(1.41, 0.68, 0.9, 24, 0.08, 1067)),
        val_accuracy=_of(300, _power(0.41, 0.745, 0.95, 24, 0.025, 1068)),
    ),
    history(
        "ambitious_target_missed",
        known={"num_classes": 10, "target": 0.98},
        loss=_losses(_power(0.84, 0.19, 1.1, 30, 0.003, 1069)),
        accuracy=_accs(_power(0.712, 0.937, 1.15, 30, 0.0012, 1070)),
        val_loss=_losses(_power(0.58, 0.205, 1.1, 30, 0.004, 1071)),
        val_accuracy=_accs(_power(0.80, 0.931, 1.15, 30, 0.002, 1072)),
    ),
]

STAGNANT = [
    history(
        "ten_classes_five_epochs_at_guessing",
        loss="2.3187 2.3034 2.3031 2.3030 2.3029",
        accuracy="0.1009 0.1021 0.0993 0.1037 0.1012",
        val_loss="2.3033 2.3029 2.3031 2.3028 2.3029",
        val_accuracy="0.1028 0.0980 0.1135 0.1028 0.1135",
    ),
    history(
        "two_classes_half_for_thirty_epochs",
        loss=_losses([0.7024, 0.6949], _flat(0.69325, 28, 0.0001, 1073)),
        accuracy=_accs(_flat(0.5, 30, 0.004, 1074)),
        val_loss=_losses(_flat(0.6932, 30, 0.0001, 1075)),
        val_accuracy=[0.494 if i in (1, 4, 5, 11, 17, 18, 26) else 0.506 for i in range(30)],
    ),
    history(
        "middle_level_majority_class",
        known={"num_classes": 7, "num_val": 1000},
        loss=_losses([1.2213], _flat(1.162, 21, 0.002, 1076)),
        accuracy=_accs([0.5447], _flat(0.5532, 21, 0.0006, 1077)),
        val_loss=_losses(_flat(1.159, 22, 0.003, 1078)),
        val_accuracy=[0.556] * 22,
    ),
    history(
        "creeping_with_tiny_steps",
        known={"num_classes": 10, "num_val": 10000},
        loss=_losses(np.linspace(2.414, 2.297, 25) + _flat(0.0, 25, 0.001, 1079)),
        accuracy=_accs(np.linspace(0.098, 0.129, 25) + _flat(0.0, 25, 0.0012, 1080)),
        val_loss=_losses(np.linspace(2.407, 2.293, 25) + _flat(0.0, 25, 0.001, 1081)),
        val_accuracy=_accs(np.linspace(0.100, 0.133, 25) + _flat(0.0, 25, 0.002, 1082)),
        learning_rate=[5e-7] * 25,
    ),
    history(
        "weight_decay_crushes_everything",
        known={"num_classes": 26},
        loss=_losses(_power(14.2, 3.2585, 2.2, 18, 0.001, 1083)),
        accuracy=_accs(_flat(0.0387, 18, 0.0012, 1084)),
        val_loss=_losses(_power(6.7, 3.2584, 2.6, 18, 0.001, 1085)),
        val_accuracy=_accs(_flat(0.0385, 18, 0.002, 1086)),
    ),
]

DIVERGED = [
    history(
        "stopped_at_the_first_nan",
        loss="1.8031 1.2274 0.9528 nan",
        accuracy="0.3614 0.5690 0.6673 0.3127",
        val_loss="1.3847 1.0721 0.9246 nan",
        val_accuracy="0.5138 0.6204 0.6790 0.1",
    ),
    history(
        "inf_after_huge_steps",
        known={"num_classes": 10},
        loss="1.9542 134.80 7.1e6 4.2e17 inf inf",
        accuracy="0.3320 0.2114 0.1327 0.1041 0.0998 0.1003",
        val_loss="4.8810 8123.0 9.9e9 6.6e22 inf inf",
        val_accuracy="0.2871 0.1650 0.1004 0.1 0.1 0.1",
    ),
    history(
        "explodes_from_the_start_no_validation",
        loss="14.630 311.72 2.214e4 8.871e5 1.402e7 2.957e8",
        accuracy="0.1412 0.1130 0.1044 0.0991 0.1008 0.0987",
    ),
    history(
        "binary_collapse_after_good_epochs",
        loss=_losses(
            _power(0.66, 0.10, 0.6, 11, 0.006, 1087),
            [1.2071],
            _flat(0.6934, 9, 0.0002, 1088),
        ),
        accuracy=_accs(
            _power(0.60, 0.985, 0.7, 11, 0.004, 1089),
            [0.6238],
            _flat(0.4995, 9, 0.004, 1090),
        ),
        val_loss=_losses(_power(0.62, 0.14, 0.6, 11, 0.01, 1091), _flat(0.6933, 10, 0.0002, 1092)),
        val_accuracy=_accs(_power(0.65, 0.965, 0.7, 11, 0.006, 1093), [0.5] * 10),
    ),
]

SUSPICIOUS = [
    history(
        "duplicates_across_the_split",
        loss=_losses(
            np.exp(np.linspace(np.log(0.74), np.log(8.2e-6), 60) + _flat(0.0, 60, 0.08, 1094))
        ),
        accuracy=_accs(1 - 0.43 * np.exp(-np.arange(60) / 3.6)),
        val_loss=_losses(
            np.exp(np.linspace(np.log(0.58), np.log(7.9e-6), 60) + _flat(0.0, 60, 0.08, 1095))
        ),
        val_accuracy=_accs(1 - 0.34 * np.exp(-np.arange(60) / 3.5)),
    ),
    history(
        "validation_labels_shifted_by_one",
        known={"num_classes": 10, "num_train": 12000, "num_val": 3000},
        loss=_losses(_power(0.46, 0.004, 1.1, 14, 0.002, 1096)),
        accuracy=_accs(_power(0.861, 0.997, 1.2, 14, 0.001, 1097)),
        val_loss=_losses(_power(5.62, 14.3, 0.5, 14, 0.12, 1098)),
        val_accuracy=_of(3000, _power(0.0091, 0.0022, 1.0, 14, 0.0005, 1099)),
    ),
    history(
        "other_normalisation_in_validation",
        known={"num_classes": 10, "num_val": 2000},
        loss=_losses(_power(1.08, 0.03, 0.95, 20, 0.005, 1100)),
        accuracy=_accs(_power(0.624, 0.991, 1.0, 20, 0.002, 1101)),
        val_loss=_losses(_power(10.6, 17.0, 0.4, 20, 0.7, 1102)),
        val_accuracy=_accs(_flat(0.172, 20, 0.014, 1103)),
    ),
    history(
        "validation_easier_than_training_at_eval",
        known={"num_classes": 8, "num_train": 10000, "num_val": 2500},
        loss=_losses(_power(0.91, 0.21, 0.9, 28, 0.005, 1104)),
        accuracy=_accs(_power(0.68, 0.927, 0.95, 28, 0.002, 1105)),
        eval_loss=_losses(_power(0.77, 0.20, 0.95, 28, 0.005, 1106)),
        eval_accuracy=_accs(_power(0.74, 0.931, 1.0, 28, 0.002, 1107)),
        val_loss=_losses(_power(0.38, 0.025, 0.95, 28, 0.004, 1108)),
        val_accuracy=_accs(_power(0.89, 0.993, 1.0, 28, 0.0012, 1109)),
    ),
]

UNDECIDED = [
    history(
        "empty_columns",
        loss=[],
        accuracy=[],
        val_loss=[],
        val_accuracy=[],
    ),
    history(
        "training_loss_alone",
        loss=_losses(_power(1.46, 0.12, 0.8, 17, 0.01, 1110)),
    ),
    history(
        "training_fine_no_validation",
        known={"num_classes": 10},
        loss="0.5127 0.2610 0.1945 0.1583 0.1329 0.1150 0.1012 0.0907",
        accuracy="0.8433 0.9216 0.9420 0.9524 0.9603 0.9657 0.9694 0.9731",
    ),
]

HISTORIES = labelled(GOOD_FIT, OVERFIT, UNDERFIT, STAGNANT, DIVERGED, SUSPICIOUS, UNDECIDED)
LABELLED = labelled_histories.HISTORIES + HISTORIES
