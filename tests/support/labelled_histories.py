"""Histories made by hand, each with the verdict that a practitioner gives it;
no rule and no run of this project made them."""

import math

import numpy as np

NAN = math.nan
INF = math.inf


def _noisy(values, noise, seed):
    values = np.asarray(values, dtype=float)
    return values + np.random.default_rng(seed).normal(0.0, 1.0, len(values)) * noise


def _acc(start, end, tau, epochs, noise=0.002, seed=0):
    """Accuracy that goes from start towards end with time constant tau."""
    epoch = np.arange(epochs)
    values = _noisy(end + (start - end) * np.exp(-epoch / tau), noise, seed)
    return [round(float(v), 4) for v in np.clip(values, 0.0, 1.0)]


def _loss(start, end, tau, epochs, noise=0.01, seed=0):
    """Loss that falls from start towards end; noise is relative."""
    epoch = np.arange(epochs)
    values = end + (start - end) * np.exp(-epoch / tau)
    return [round(float(v), 5) for v in values * (1 + _noisy(0 * values, noise, seed))]


def _turned(start, low, at, end, epochs, noise=0.01, seed=0):
    """Loss that falls from start to low at epoch `at` and then rises to end."""
    epoch = np.arange(epochs)
    falling = low + (start - low) * (1 - np.minimum(epoch / at, 1)) ** 2
    rising = (end - low) * np.clip((epoch - at) / (epochs - 1 - at), 0, 1) ** 1.2
    values = falling + rising
    return [round(float(v), 5) for v in values * (1 + _noisy(0 * values, noise, seed))]


def _rising(start, end, middle, width, epochs, noise, seed):
    """An S-shaped way from start to end."""
    epoch = np.arange(epochs)
    values = start + (end - start) / (1 + np.exp(-(epoch - middle) / width))
    return [round(float(v), 4) for v in _noisy(values, noise, seed)]


def _decades(start, end, epochs, noise, seed):
    """Loss that falls evenly on a logarithmic scale."""
    values = _noisy(np.linspace(math.log(start), math.log(end), epochs), noise, seed)
    return [float(f"{v:.4g}") for v in np.exp(values)]


def _every(step, values):
    """Validation run only every `step` epochs."""
    return [v if (i + 1) % step == 0 else NAN for i, v in enumerate(values)]


def _counts(values, images):
    """Accuracies that so few images can give."""
    return [round(round(v * images) / images, 4) for v in values]


def history(name, known=None, **columns):
    """A case without its verdict; a column can be a text of numbers."""
    read = {
        key: [float(value) for value in column.split()] if isinstance(column, str) else column
        for key, column in columns.items()
    }
    return name, read, known or {}


def labelled(*groups):
    """(name, columns, what is known, verdict) of every case, of a group for each verdict."""
    names = ("good_fit", "overfit", "underfit", "stagnant", "diverged", "suspicious", "undecided")
    pairs = zip(groups, names, strict=True)
    return [(*case, verdict) for cases, verdict in pairs for case in cases]


GOOD_FIT = [
    history(
        "mnist_cnn_val_loss_drifts_up",
        known={"num_classes": 10, "num_train": 60000, "num_val": 10000},
        loss=_loss(0.19, 0.003, 3.0, 20, 0.05, 1),
        accuracy=_acc(0.942, 0.9992, 2.5, 20, 0.0003, 2),
        val_loss=_turned(0.058, 0.030, 5, 0.050, 20, 0.04, 3),
        val_accuracy=_acc(0.9805, 0.9912, 2.5, 20, 0.0005, 4),
    ),
    history(
        "dropout_running_mean_below_validation",
        loss=_loss(1.12, 0.27, 5.0, 25, 0.01, 5),
        accuracy=_acc(0.642, 0.925, 4.0, 25, 0.002, 6),
        val_loss=_loss(0.41, 0.058, 4.0, 25, 0.03, 7),
        val_accuracy=_acc(0.887, 0.9835, 3.5, 25, 0.001, 8),
    ),
    history(
        "noisy_small_validation_set",
        known={"num_val": 500},
        loss=_loss(1.25, 0.185, 5.0, 30, 0.04, 9),
        accuracy=_acc(0.55, 0.942, 4.5, 30, 0.006, 10),
        val_loss=_loss(1.13, 0.225, 4.5, 30, 0.07, 11),
        val_accuracy=_counts(_acc(0.58, 0.926, 4.0, 30, 0.011, 12), 500),
    ),
    history(
        "hundred_epochs_smooth",
        known={"num_classes": 10, "num_val": 5000},
        loss=_loss(1.62, 0.085, 16.0, 100, 0.01, 13),
        accuracy=_acc(0.41, 0.974, 14.0, 100, 0.0015, 14),
        val_loss=_loss(1.48, 0.128, 15.0, 100, 0.02, 15),
        val_accuracy=_acc(0.45, 0.960, 13.5, 100, 0.003, 16),
    ),
    history(
        "step_schedule",
        loss=_loss(1.65, 0.46, 4.0, 20, 0.02, 17)
        + _loss(0.27, 0.205, 3.0, 15, 0.01, 18)
        + _loss(0.168, 0.160, 3.0, 10, 0.008, 19),
        accuracy=_acc(0.39, 0.842, 4.0, 20, 0.004, 20)
        + _acc(0.909, 0.931, 3.0, 15, 0.0015, 21)
        + _acc(0.945, 0.948, 3.0, 10, 0.0008, 22),
        val_loss=_loss(1.60, 0.58, 4.0, 20, 0.12, 23)
        + _loss(0.29, 0.255, 3.0, 15, 0.03, 24)
        + _loss(0.226, 0.222, 3.0, 10, 0.01, 25),
        val_accuracy=_acc(0.42, 0.805, 4.0, 20, 0.03, 26)
        + _acc(0.901, 0.914, 3.0, 15, 0.004, 27)
        + _acc(0.931, 0.933, 3.0, 10, 0.001, 28),
        learning_rate=[0.1] * 20 + [0.01] * 15 + [0.001] * 10,
    ),
    history(
        "easy_task_three_epochs",
        known={"num_classes": 2, "num_val": 400},
        loss="0.1423 0.0163 0.0075",
        accuracy="0.9612 0.9958 0.9981",
        val_loss="0.0284 0.0211 0.0192",
        val_accuracy="0.9925 0.9950 0.9950",
    ),
    history(
        "modest_target_validated_every_fifth_epoch",
        known={"num_classes": 20, "target": 0.75},
        loss=_loss(2.45, 0.64, 7.0, 40, 0.012, 29),
        accuracy=_acc(0.29, 0.812, 6.5, 40, 0.003, 30),
        val_loss=_every(5, _loss(2.2, 0.69, 6.5, 40, 0.02, 31)),
        val_accuracy=_every(5, _acc(0.34, 0.796, 6.0, 40, 0.004, 32)),
    ),
]

OVERFIT = [
    history(
        "cnn_classic",
        known={"num_classes": 10, "num_val": 10000},
        loss=_loss(1.58, 0.03, 6.5, 30, 0.02, 33),
        accuracy=_acc(0.425, 0.996, 6.0, 30, 0.003, 34),
        val_loss=_turned(1.31, 0.86, 7, 1.95, 30, 0.02, 35),
        val_accuracy=_acc(0.53, 0.722, 3.0, 30, 0.006, 36),
    ),
    history(
        "mild_but_validation_loss_turned",
        known={"num_val": 10000},
        loss=_loss(0.58, 0.035, 5.0, 25, 0.02, 37),
        accuracy=_acc(0.79, 0.989, 4.5, 25, 0.001, 38),
        val_loss=_turned(0.40, 0.172, 6, 0.312, 25, 0.02, 39),
        val_accuracy=_acc(0.858, 0.9455, 2.5, 25, 0.0015, 40),
    ),
    history(
        "random_labels_learned_by_heart",
        known={"num_classes": 10, "num_train": 8000, "num_val": 2000},
        loss=_rising(2.309, 0.04, 27, 5.5, 60, 0.008, 41),
        accuracy=_rising(0.1, 0.994, 28, 5.0, 60, 0.002, 42),
        val_loss=_rising(2.306, 6.4, 31, 7.0, 60, 0.03, 43),
        val_accuracy=_counts([v + 0.1 for v in _noisy([0.0] * 60, 0.006, 44)], 2000),
    ),
    history(
        "forty_validation_images",
        known={"num_classes": 2, "num_train": 200, "num_val": 40},
        loss=_loss(0.71, 0.004, 4.0, 20, 0.05, 45),
        accuracy=_counts(_acc(0.57, 1.0, 3.2, 20, 0.006, 46), 200),
        val_loss=_turned(0.682, 0.575, 5, 1.04, 20, 0.03, 47),
        val_accuracy=_counts(_acc(0.56, 0.74, 3.0, 20, 0.02, 48), 40),
    ),
    history(
        "hundred_classes_long",
        known={"num_classes": 100},
        loss=_loss(4.25, 0.17, 24.0, 120, 0.012, 49),
        accuracy=_acc(0.058, 0.958, 26.0, 120, 0.004, 50),
        val_loss=_turned(4.02, 1.78, 32, 2.95, 120, 0.015, 51),
        val_accuracy=_acc(0.075, 0.525, 15.0, 120, 0.006, 52),
    ),
    history(
        "noisy_with_large_gap",
        loss=_loss(1.38, 0.14, 7.0, 35, 0.06, 53),
        accuracy=_acc(0.49, 0.958, 6.5, 35, 0.010, 54),
        val_loss=_turned(1.27, 0.60, 12, 0.88, 35, 0.08, 55),
        val_accuracy=_acc(0.52, 0.815, 5.0, 35, 0.018, 56),
    ),
    history(
        "losses_only_validation_turned",
        loss=_loss(0.93, 0.07, 6.5, 25, 0.02, 57),
        val_loss=_turned(0.81, 0.43, 7, 0.91, 25, 0.02, 58),
    ),
    history(
        "fine_tuning_five_epochs",
        known={"num_val": 2500},
        loss="0.4372 0.2311 0.1140 0.0517 0.0288",
        accuracy="0.7984 0.9097 0.9611 0.9832 0.9907",
        val_loss="0.3306 0.3118 0.3654 0.4560 0.5481",
        val_accuracy="0.8592 0.8748 0.8712 0.8668 0.8640",
    ),
]

UNDERFIT = [
    history(
        "three_epochs",
        known={"num_classes": 10, "num_val": 10000},
        loss="1.7934 1.4689 1.3277",
        accuracy="0.3421 0.4678 0.5239",
        val_loss="1.5590 1.3846 1.2731",
        val_accuracy="0.4312 0.5011 0.5427",
    ),
    history(
        "plateau_at_seventy_percent",
        known={"num_classes": 10},
        loss=_loss(1.84, 0.86, 5.5, 40, 0.008, 59),
        accuracy=_acc(0.33, 0.705, 5.0, 40, 0.003, 60),
        val_loss=_loss(1.71, 0.895, 5.0, 40, 0.015, 61),
        val_accuracy=_acc(0.38, 0.693, 4.5, 40, 0.005, 62),
    ),
    history(
        "still_improving",
        loss=_loss(2.24, 0.62, 11.0, 15, 0.006, 63),
        accuracy=_acc(0.163, 0.87, 11.0, 15, 0.003, 64),
        val_loss=_loss(2.15, 0.63, 11.0, 15, 0.01, 65),
        val_accuracy=_acc(0.197, 0.865, 11.0, 15, 0.005, 66),
    ),
    history(
        "one_epoch",
        loss=[1.1481],
        accuracy=[0.6034],
        val_loss=[0.8012],
        val_accuracy=[0.7120],
    ),
    history(
        "very_noisy",
        known={"num_classes": 6, "num_val": 200},
        loss=_loss(1.62, 0.88, 5.0, 30, 0.05, 67),
        accuracy=_acc(0.30, 0.68, 5.0, 30, 0.025, 68),
        val_loss=_loss(1.55, 0.93, 5.0, 30, 0.08, 69),
        val_accuracy=_counts(_acc(0.32, 0.665, 4.5, 30, 0.03, 70), 200),
    ),
    history(
        "no_validation_training_below_target",
        loss=_loss(1.95, 0.77, 3.5, 12, 0.01, 71),
        accuracy=_acc(0.26, 0.735, 3.2, 12, 0.003, 72),
    ),
]

STAGNANT = [
    history(
        "dead_network_ten_classes",
        known={"num_classes": 10, "num_val": 10000},
        loss="2.3041 2.3028 2.3027 2.3027 2.3026 2.3027 2.3027 2.3026",
        accuracy="0.0988 0.0971 0.1002 0.0984 0.0997 0.0979 0.0990 0.0986",
        val_loss="2.3027 2.3026 2.3027 2.3026 2.3026 2.3027 2.3026 2.3026",
        val_accuracy="0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1",
    ),
    history(
        "two_classes_at_one_half",
        known={"num_classes": 2},
        loss="0.6951 0.6934 0.6933 0.6932 0.6932 0.6932 0.6932 0.6932 0.6931 0.6932",
        accuracy="0.4976 0.5012 0.4958 0.4987 0.5021 0.4969 0.5003 0.4992 0.5008 0.4981",
        val_loss="0.6933 0.6932 0.6931 0.6932 0.6932 0.6931 0.6931 0.6932 0.6931 0.6931",
        val_accuracy="0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5",
    ),
    history(
        "flat_at_a_middle_level",
        loss=_loss(1.021, 0.986, 3.0, 15, 0.002, 73),
        accuracy=_acc(0.641, 0.651, 3.0, 15, 0.0015, 74),
        val_loss=_loss(0.998, 0.984, 3.0, 15, 0.003, 75),
        val_accuracy=_acc(0.648, 0.652, 3.0, 15, 0.003, 76),
    ),
    history(
        "learning_rate_far_too_low",
        known={"num_classes": 10},
        loss=_loss(2.352, 2.24, 20.0, 20, 0.0004, 77),
        accuracy=_acc(0.101, 0.147, 19.0, 20, 0.0012, 78),
        val_loss=_loss(2.346, 2.24, 20.0, 20, 0.0003, 79),
        val_accuracy=_acc(0.104, 0.150, 19.0, 20, 0.0015, 80),
        learning_rate=[1e-6] * 20,
    ),
    history(
        "wobbling_at_chance_of_five",
        known={"num_classes": 5, "num_val": 400},
        loss=_loss(1.634, 1.613, 1.5, 25, 0.003, 81),
        accuracy=_acc(0.199, 0.201, 5.0, 25, 0.008, 82),
        val_loss=_loss(1.618, 1.614, 2.0, 25, 0.005, 83),
        val_accuracy=_counts(_acc(0.2, 0.2, 5.0, 25, 0.02, 84), 400),
    ),
]

DIVERGED = [
    history(
        "nan_in_the_middle",
        known={"num_classes": 10, "num_train": 60000, "num_val": 10000},
        loss=[0.4125, 0.1893, 0.1342, 0.1107] + [NAN] * 8,
        accuracy=[0.8796, 0.9441, 0.9602, 0.9668, 0.7315] + [0.0987] * 7,
        val_loss=[0.2104, 0.1530, 0.1271, 0.1188] + [NAN] * 8,
        val_accuracy=[0.9375, 0.9543, 0.9620, 0.9651] + [0.0980] * 8,
    ),
    history(
        "inf_losses_only",
        loss="3.1174 58.412 9.73e11 inf",
        val_loss="12.036 44120.5 inf inf",
    ),
    history(
        "explosion_without_nan",
        loss="1.2043 0.8215 0.6127 0.7790 4.3312 187.54 2911.7 38120.0 91734.0 140288.0",
        accuracy="0.5712 0.7120 0.7883 0.7541 0.4418 0.1493 0.1187 0.1066 0.1021 0.0998",
        val_loss="0.9127 0.7011 0.6230 1.4081 31.920 604.11 8215.9 60251.0 99184.0 171342.0",
        val_accuracy="0.6804 0.7538 0.7812 0.6127 0.1820 0.1214 0.1102 0.1 0.1 0.1",
    ),
    history(
        "collapse_to_chance_after_learning",
        known={"num_classes": 10},
        loss=[
            *_loss(1.85, 0.55, 5.0, 14, 0.015, 85),
            1.4127,
            *_loss(2.304, 2.3028, 2.0, 13, 0.0001, 86),
        ],
        accuracy=[
            *_acc(0.32, 0.83, 4.5, 14, 0.004, 87),
            0.4771,
            *_acc(0.1, 0.0995, 2.0, 13, 0.0012, 88),
        ],
        val_loss=_loss(1.63, 0.63, 4.5, 14, 0.03, 89) + _loss(2.304, 2.3027, 2.0, 14, 0.0001, 90),
        val_accuracy=_acc(0.41, 0.80, 4.0, 14, 0.008, 91) + [0.1] * 14,
    ),
]

SUSPICIOUS = [
    history(
        "validation_images_are_in_training",
        known={"num_classes": 10, "num_val": 5000},
        loss=_decades(1.55, 3.1e-5, 40, 0.06, 92),
        accuracy=_acc(0.442, 0.99999, 2.8, 13, 0.002, 93)
        + _acc(0.9968, 1.0, 1.5, 10, 0.0, 94)
        + [1.0] * 17,
        val_loss=_decades(1.06, 2.6e-5, 40, 0.06, 95),
        val_accuracy=_acc(0.612, 0.99999, 2.6, 13, 0.002, 96)
        + _acc(0.9984, 1.0, 1.0, 9, 0.0, 97)
        + [1.0] * 18,
    ),
    history(
        "validation_worse_than_a_coin",
        known={"num_classes": 2, "num_val": 1000},
        loss=_loss(0.57, 0.05, 5.0, 18, 0.02, 98),
        accuracy=_acc(0.705, 0.984, 4.5, 18, 0.003, 99),
        val_loss=_loss(1.07, 3.95, 7.0, 18, 0.03, 100),
        val_accuracy=_counts(_acc(0.31, 0.118, 4.0, 18, 0.007, 101), 1000),
    ),
    history(
        "validation_inputs_not_scaled",
        known={"num_classes": 10, "num_val": 5000},
        loss=_loss(1.31, 0.11, 3.5, 15, 0.015, 102),
        accuracy=_acc(0.541, 0.968, 3.0, 15, 0.002, 103),
        val_loss=_loss(41.0, 96.0, 5.0, 15, 0.06, 104),
        val_accuracy=_acc(0.19, 0.22, 3.0, 15, 0.015, 105),
    ),
    history(
        "validation_better_than_training_in_eval_mode",
        known={"num_classes": 10, "num_train": 20000, "num_val": 4000},
        loss=_loss(1.52, 0.60, 5.0, 20, 0.01, 106),
        accuracy=_acc(0.47, 0.796, 4.5, 20, 0.003, 107),
        eval_loss=_loss(1.21, 0.51, 5.0, 20, 0.012, 108),
        eval_accuracy=_acc(0.58, 0.829, 4.5, 20, 0.003, 109),
        val_loss=_loss(0.94, 0.185, 4.5, 20, 0.02, 110),
        val_accuracy=_acc(0.69, 0.943, 4.0, 20, 0.003, 111),
    ),
]

UNDECIDED = [
    history(
        "nothing_recorded",
    ),
    history(
        "losses_only_both_falling",
        loss=_loss(0.874, 0.236, 4.5, 14, 0.012, 112),
        val_loss=_loss(0.792, 0.271, 4.5, 14, 0.012, 113),
    ),
]

HISTORIES = labelled(GOOD_FIT, OVERFIT, UNDERFIT, STAGNANT, DIVERGED, SUSPICIOUS, UNDECIDED)
