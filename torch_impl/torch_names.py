"""Torch's names for what has Keras's name here: an error says which one is expected."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

# --- What a message says in the place of a table of names that would fill a page ------------------


def one_of(name: object, known: Iterable[str], where: str) -> str:
    """Returns what was expected: the names that are almost the given one, and where all are.

    Args:
        name: as it was given; a class of the user's own may have the name of one of Keras's.
        known: all names.
        where: what holds them, in Python: "torch_impl.losses.LOSSES".
    """
    import difflib  # 5 ms, for messages alone

    by_lower = {each.lower(): each for each in sorted(known) if each != name}
    found = difflib.get_close_matches(str(name).lower()[:80], by_lower, n=3)
    near = " or ".join(repr(by_lower[each]) for each in found)
    return f"expected one of {where}{f', such as {near}' if near else ''}"


# --- Torch's names for what has Keras's name here: an error says which one is expected ------------
#
# `explain_torch_names` wraps the constructors of a package's public classes. Signatures stay as
# they are. A name that a class takes itself is never refused, whatever the table says.


_NONE = "no {name}: Keras has none"
_AFFINE = {"affine": "center, scale", "elementwise_affine": "center, scale", "bias": "center"}
_CONVOLUTION = {
    "out_channels": "filters",
    "stride": "strides",
    "dilation": "dilation_rate",
    "bias": "use_bias",
    "padding_mode": "no {name}: put a layer that pads in front",
}
_MODEL_OF_RATES = {
    "optimizer": "no {name}: pass the schedule to the optimizer as its learning_rate",
    "lr": "initial_learning_rate",
    "last_epoch": "no {name}: the optimizer counts the steps",
}
_TO_ALPHA = "alpha, the last rate as a fraction of the first, in the place of {name}"
_TRANSFORM = {
    "degrees": "rotation_range",
    "translate": "width_shift_range, height_shift_range",
    "scale": "zoom_range",
    "shear": "shear_range",
    "brightness": "brightness_range",
    "fill": "cval, with fill_mode='constant'",
    "padding_mode": "fill_mode",
    "interpolation": "interpolation_order, 0, 1 or 3, in the place of {name}",
    "p": "horizontal_flip or vertical_flip in the place of {name}: each has probability 1/2",
    "expand": _NONE,
    "center": "no {name}: Keras turns images around their centre",
}

# Package -> classes ("*": all) -> torch's name -> what is expected: names of arguments that take
# the value, separated by commas, or a text.
TORCH_NAMES: dict[str, dict[str, dict[str, str]]] = {
    "optim": {
        "*": {
            "lr": "learning_rate",
            "eps": "epsilon",
            "betas": "beta_1, beta_2",
            "maximize": "a negative loss in the place of {name}",
            "foreach": "no {name}: the parameters of a group are updated together",
            "capturable": _NONE,
            "differentiable": _NONE,
            "fused": "no {name}: Adam and AdamW alone have it",
            "momentum": "no {name}: SGD and RMSprop alone have it",
            "decoupled_weight_decay": "no {name}: weight_decay is always decoupled",
            "max_norm": "global_clipnorm in the place of {name}",
        },
        "RMSprop": {"alpha": "rho"},
        "SGD": {"dampening": _NONE},
        "Adagrad": {"lr_decay": "an InverseTimeDecay as learning_rate, in the place of {name}"},
        "Nadam": {"momentum_decay": "no {name}: Keras has 0.004"},
    },
    "schedule": {
        "ExponentialDecay": {**_MODEL_OF_RATES, "gamma": "decay_rate"},
        "InverseTimeDecay": _MODEL_OF_RATES,
        "PolynomialDecay": {**_MODEL_OF_RATES, "total_iters": "decay_steps"},
        "PiecewiseConstantDecay": {
            **_MODEL_OF_RATES,
            "lr": "values, the rates, in the place of {name}",
            "milestones": "boundaries",
            "gamma": "values, the rates, in the place of {name}",
        },
        "CosineDecay": {**_MODEL_OF_RATES, "T_max": "decay_steps", "eta_min": _TO_ALPHA},
        "CosineDecayRestarts": {
            **_MODEL_OF_RATES,
            "T_0": "first_decay_steps",
            "T_mult": "t_mul",
            "eta_min": _TO_ALPHA,
        },
        "LearningRateScheduler": {
            "lr_lambda": "schedule, which returns a rate and not a factor, in the place of {name}",
            "last_epoch": "no {name}: load_state_dict goes on",
        },
        "ReduceLROnPlateau": {
            "threshold": "min_delta",
            "threshold_mode": "no {name}: min_delta is absolute",
            "eps": "no {name}: the rate falls to min_lr",
        },
        "EarlyStopping": {"delta": "min_delta", "threshold": "min_delta"},
    },
    "layers": {
        "Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose": _CONVOLUTION,
        "DepthwiseConv1D DepthwiseConv2D": {
            **_CONVOLUTION,
            "out_channels": "depth_multiplier, outputs for each channel, in the place of {name}",
            "groups": _NONE,
        },
        "SeparableConv1D SeparableConv2D": {**_CONVOLUTION, "groups": _NONE},
        "Conv1DTranspose Conv2DTranspose Conv3DTranspose": {"groups": _NONE},
        "Dropout AlphaDropout SpatialDropout GaussianDropout": {"p": "rate", "inplace": _NONE},
        "GaussianNoise": {"std": "stddev", "sigma": "stddev"},
        "RandomRotation RandomZoom RandomTranslation RandomShear": {
            "degrees": "RandomRotation's factor, in turns of 360 degrees, in the place of {name}",
            "translate": "RandomTranslation's height_factor and width_factor, in that order",
            "scale": "RandomZoom's height_factor, which is added to 1, in the place of {name}",
            "fill": "fill_value, with fill_mode='constant'",
            "center": "no {name}: Keras turns images around their centre",
            "expand": _NONE,
        },
        "RandomFlip": {"p": "no {name}: the probability is 1/2"},
        "RandomContrast RandomBrightness": {"contrast": "factor", "brightness": "factor"},
        "Resizing CenterCrop RandomCrop": {"size": "height, width"},
        "BatchNormalization": {
            **_AFFINE,
            "eps": "epsilon",
            "track_running_stats": "no {name}: the statistics are always kept",
        },
        "LayerNormalization": {**_AFFINE, "normalized_shape": "shape", "eps": "epsilon"},
        "RMSNormalization": {
            "normalized_shape": "shape",
            "eps": "epsilon",
            "elementwise_affine": _NONE,
        },
        "GroupNormalization": {**_AFFINE, "num_groups": "groups", "eps": "epsilon"},
        "GRU LSTM SimpleRNN": {
            "hidden_size": "units",
            "nonlinearity": "activation",
            "bias": "use_bias in the place of {name}",
            "num_layers": "no {name}: one layer for each",
            "batch_first": "no {name}: the input is (samples, time, features)",
            "bidirectional": "no {name}: Bidirectional with two layers",
            "proj_size": _NONE,
        },
        "GRUCell LSTMCell SimpleRNNCell": {
            "hidden_size": "units",
            "nonlinearity": "activation",
            "bias": "use_bias in the place of {name}",
        },
        "ConvLSTM1D ConvLSTM2D ConvLSTM3D": _CONVOLUTION,
        "Embedding": {
            "num_embeddings": "input_dim",
            "embedding_dim": "output_dim",
        },
        "AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D "
        "MaxPooling3D": {
            "kernel_size": "pool_size",
            "stride": "strides",
            "dilation": _NONE,
            "return_indices": _NONE,
            "ceil_mode": "padding='same' or 'valid' in the place of {name}",
            "count_include_pad": "no {name}: values of a padding never count",
            "divisor_override": _NONE,
        },
        "GlobalAveragePooling GlobalMaxPooling": {"output_size": "no {name}: one value a channel"},
        "UpSampling": {
            "scale_factor": "size",
            "mode": "interpolation",
            "align_corners": "no {name}: corners are not aligned",
            "recompute_scale_factor": _NONE,
        },
        "LeakyReLU ReLU ELU": {"inplace": _NONE},
        "PReLU": {
            "num_parameters": "shape, of one sample, in the place of {name}",
            "init": "no {name}: alpha begins at 0",
        },
        "Softmax UnitNormalization Concatenate": {"dim": "axis"},
        "Dot": {"dim": "axes"},
        "Flatten": {
            "start_dim": "no {name}: all axes but the first are flattened",
            "end_dim": "no {name}: all axes but the first are flattened",
        },
        "Reshape": {"unflattened_size": "target_shape", "shape": "target_shape"},
        "Normalization": {"std": "variance, its square, in the place of {name}"},
    },
    "initializers": {
        "RandomNormal TruncatedNormal": {"std": "stddev"},
        "TruncatedNormal": {
            "a": "no {name}: it is cut at two standard deviations",
            "b": "no {name}: it is cut at two standard deviations",
        },
        "RandomUniform": {"a": "minval", "b": "maxval"},
        "Constant": {"val": "value"},
        "VarianceScaling": {
            "gain": "scale, the square of a gain, in the place of {name}",
            "nonlinearity": "scale, 2 for a ReLU, in the place of {name}",
        },
        "GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Orthogonal "
        "RandomNormal RandomUniform TruncatedNormal VarianceScaling": {
            "generator": "seed, an integer, in the place of {name}"
        },
    },
    "losses": {
        "*": {
            "size_average": "reduction, a name, in the place of {name}",
            "reduce": "reduction, a name, in the place of {name}",
            "weight": "sample_weight at the call, see `sample_weights`, in the place of {name}",
            "pos_weight": "sample_weight at the call, see `sample_weights`, in the place of {name}",
            "dim": "axis",
        },
        "SparseCategoricalCrossentropy": {
            "ignore_index": "ignore_class",
            "label_smoothing": "a CategoricalCrossentropy, which has {name}, and one-hot targets",
        },
        "CategoricalCrossentropy": {
            "ignore_index": "a SparseCategoricalCrossentropy with ignore_class, in the place of it",
        },
        "Huber": {"beta": "delta"},
        "KLDivergence": {"log_target": "no {name}: both are probabilities"},
        "Poisson": {
            "log_input": "no {name}: the output is the expected count",
            "full": _NONE,
            "eps": "no {name}: Keras has 1e-7",
        },
        "CosineSimilarity": {"eps": "no {name}: Keras has 1e-7"},
    },
    "metrics": {
        "*": {"dim": "axis", "ignore_index": "ignore_class"},
        "TopKCategoricalAccuracy SparseTopKCategoricalAccuracy": {"top_k": "k"},
        "Precision Recall": {"threshold": "thresholds"},
    },
    "augment": {"KerasTransform ImageDataGenerator": _TRANSFORM},
}


def explain_torch_names(package: str) -> None:
    """Lets the public classes of a package refuse torch's names with the ones expected.

    Args:
        package: `__name__` of a package of TORCH_NAMES, with its classes in `__all__`.
    """
    module = sys.modules[package]
    rows = TORCH_NAMES[package.rpartition(".")[2]]
    for name in module.__all__:
        kind = getattr(module, name)
        if inspect.isclass(kind):
            _explain(kind, expected_of(kind, rows))


def expected_of(kind: type, rows: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Returns what a class expects in the place of torch's names, but for those that it takes."""
    found: dict[str, str] = {}
    for classes, names in rows.items():
        if classes == "*" or kind.__name__ in classes.split():
            found |= names
    parameters = inspect.signature(kind).parameters
    return {
        name: what
        for name, what in found.items()
        if name not in parameters
        and (not is_names(what) or set(what.split(", ")) <= set(parameters))
    }


def is_names(what: str) -> bool:
    """Whether an entry of the table is names of arguments, and no text."""
    return all(part.isidentifier() for part in what.split(", "))


def _explain(kind: Any, expected: Mapping[str, str]) -> None:
    if not expected:
        return
    initialise = kind.__init__

    @functools.wraps(initialise)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        wrong = {name: value for name, value in kwargs.items() if name in expected}
        if wrong:
            passed = ", ".join(f"{name}={_shown(value)}" for name, value in wrong.items())
            wanted = ", ".join(_wanted(name, wrong[name], expected[name]) for name in wrong)
            raise TypeError(f"{type(self).__name__}({passed}): expected {wanted}")
        initialise(self, *args, **kwargs)

    kind.__init__ = init


def _wanted(name: str, value: Any, what: str) -> str:
    if not is_names(what):
        return what.format(name=name)
    names = what.split(", ")
    if len(names) == 1:
        return f"{what}={_shown(value)}"
    if isinstance(value, tuple | list) and len(value) == len(names):
        pairs = zip(names, value, strict=True)
        return ", ".join(f"{each}={_shown(part)}" for each, part in pairs)
    return " and ".join(names) + f" in the place of {name}"


def _shown(value: Any) -> str:
    """Returns a value as Python writes it, if that is short, else its type."""
    text = repr(value)
    is_short = len(text) <= 60 and text.isprintable()
    return text if is_short else f"<{type(value).__name__}>"


# --------------------------------------------------------------------------------------------------
#
# What Keras's configurations of small objects say: initialisers, regularisers, constraints.


Kind = TypeVar("Kind")


def named(
    config: str | Mapping[str, Any], table: Mapping[str, Kind], noun: str
) -> tuple[Kind, dict[str, Any]]:
    """Returns what a table has for a configuration, and the settings in it.

    Args:
        config: a name, or a dictionary with "class_name" and "config", as `serialize` makes it.
        table: by Keras's names.
        noun: what the table has, for the message.

    Raises:
        ValueError: the table has no such name.
    """
    name = config if isinstance(config, str) else config["class_name"]
    settings = {} if isinstance(config, str) else dict(config.get("config") or {})
    if name not in table:
        raise ValueError(f"{noun} {name!r}: expected one of {sorted(table)}")
    return table[name], settings
