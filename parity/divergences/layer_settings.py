"""The settings of paired layers, and of optimizer, loss and schedule, in Keras's convention."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.divergences.arithmetic import same_padding
from parity.divergences.places import RECURRENT
from parity.ladder.custom_steps import pairs

if TYPE_CHECKING:
    from parity.traces.trace import KerasTrace, PortTrace


# --- The settings of two paired layers, in Keras's convention -------------------------------------
#
# The facts of a Keras layer and of a call of the port go in; (name, Keras's value, the port's, ID
# of the divergence) come out, for everything whose meaning is known in both. A setting that is
# written in another way but computes the same, such as `padding=1` for 'same' around three pixels,
# has equal values.


Row = tuple[str, Any, Any, str]
Facts = Mapping[str, Any]

_CONVOLUTIONS = ("conv", "depthwise_conv")
_POOLS = ("max_pool", "average_pool")


def rows_of(
    node: Facts, call: Facts, settings: Facts, around: Collection[str], is_wrong: bool = False
) -> Iterator[Row]:
    """Yields what can be compared of a pair of layers.

    Args:
        node: of the Keras layer.
        call: of the port.
        settings: attributes of its module, or arguments of its function.
        around: kinds of the layers beside it, in both halves: they may pad or crop for it.
        is_wrong: whether the port's layer is known to compute something else.
    """
    config, kind = node["config"], str(node["kind"])
    if kind in (*_CONVOLUTIONS, "conv_transpose", *_POOLS):
        yield from _windows(node, settings, around)
    elif kind in ("batch_norm", "layer_norm", "group_norm", "rms_norm"):
        yield from _norm(node, call, settings)
    elif kind in RECURRENT:
        yield from _recurrent(config, settings)
        if is_wrong and config.get("go_backwards"):  # the port may turn its input around
            yield "go_backwards", True, False, "A22"
    elif kind == "dropout":
        yield "rate", config.get("rate"), call.get("rate"), "C6"
    elif kind == "upsampling":
        yield from _upsampling(config, settings)
    elif kind.startswith("activation:"):
        yield from _activation(node, call, settings)
    if node["weights"] and call["weights"] and kind in (*_CONVOLUTIONS, "conv_transpose", "dense"):
        has_bias = any(name.endswith(".bias") for name in node["weights"])
        yield "use_bias", has_bias, "bias" in call["weights"], "A11"


# --- windows -------------------------------------------------------------------------------------


def _windows(node: Facts, settings: Facts, around: Collection[str]) -> Iterator[Row]:
    config, kind = node["config"], node["kind"]
    size = "pool_size" if kind in _POOLS else "kernel_size"
    yield size, config.get(size), settings.get("kernel_size"), "A15"
    yield "strides", config.get("strides") or config.get(size), _stride(settings), "A18"
    yield "dilation_rate", config.get("dilation_rate"), settings.get("dilation"), "A18"
    if kind not in _POOLS:
        yield "groups", config.get("groups"), settings.get("groups"), "A15"
        yield "padding_mode", "zeros", settings.get("padding_mode"), "A18"
    is_elsewhere = settings.get("computes_itself") or {"zero_padding", "cropping"} & set(around)
    if is_elsewhere or not _is_plain(node):
        return
    if kind == "conv_transpose":
        yield from _cropping(node, settings)
    elif pads_differ(node, settings):
        yield "padding", config.get("padding"), _said_padding(settings), "A18"
    if kind == "average_pool" and config.get("padding") == "same" and _pads(settings):
        counts = settings.get("count_include_pad")
        yield "count_include_pad", False, counts, "A8"


def _stride(settings: Facts) -> Any:
    return settings.get("stride") or settings.get("kernel_size")


def _is_plain(node: Facts) -> bool:
    return node["config"].get("data_format") in (None, "channels_last")


def _each(value: Any, rank: int) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value] * rank
    if len(values) == 1:
        values *= rank
    return [int(item) for item in values]


def _pads(settings: Facts) -> bool:
    padding = settings.get("padding")
    return padding == "same" or (not isinstance(padding, str) and any(_each(padding or 0, 1)))


def _said_padding(settings: Facts) -> Any:
    padding = settings.get("padding")
    if settings.get("ceil_mode"):
        return f"{padding} with ceil_mode"
    return padding


def pads_differ(node: Facts, settings: Facts) -> bool:
    """Whether the windows begin at another pixel, or are of another number.

    More padding after the last window is never read.
    """
    config = node["config"]
    sides = node["input_shapes"][0][1:-1]
    rank, padding, ours = len(sides), config.get("padding"), settings.get("padding")
    size = _each(config.get("kernel_size", config.get("pool_size")), rank)
    strides = _each(config.get("strides") or size, rank)
    dilation = _each(config.get("dilation_rate") or 1, rank)
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    if padding not in ("valid", "same", "causal") or ours is None:
        return False
    is_ceiled = bool(settings.get("ceil_mode"))
    if padding == "causal":
        return True  # torch pads on both sides, unless something is padded or cut beside it
    same = same_padding(sides, size, strides, dilation)
    if ours == "same":
        mine = same if max(strides) == 1 else None
    else:
        numbers = [0] * rank if ours == "valid" else _each(ours, rank)
        mine = [(number, number) for number in numbers]
    if mine is None:
        return True
    theirs = same if padding == "same" else [(0, 0)] * rank
    for side, span, stride, a, b in zip(sides, spans, strides, theirs, mine, strict=True):
        count = (side + sum(a) - span) // stride + 1
        room = side + sum(b) - span
        other = room // stride + 1
        if is_ceiled and room % stride and other * stride < side + b[0]:
            other += 1  # a last window that begins inside
        if a[0] != b[0] or count != other:
            return True
    return False


def _cropping(node: Facts, settings: Facts) -> Iterator[Row]:
    """Yields the padding of a transposed convolution, if other pixels are cut off."""
    config = node["config"]
    rank = len(node["input_shapes"][0]) - 2
    size, strides = _each(config["kernel_size"], rank), _each(config.get("strides") or 1, rank)
    dilation = _each(config.get("dilation_rate") or 1, rank)
    if settings.get("padding") is None or config.get("output_padding") is not None:
        return
    if max(dilation) > 1 or any(k < s for k, s in zip(size, strides, strict=True)):
        return
    ours, more = _each(settings["padding"], rank), _each(settings.get("output_padding") or 0, rank)
    for k, s, p, extra in zip(size, strides, ours, more, strict=True):
        cut = k - s if config.get("padding") == "same" else 0
        if p != cut // 2 or 2 * p - extra != cut:
            said = f"{settings['padding']}, output_padding {settings.get('output_padding', 0)}"
            yield "padding", config.get("padding"), said, "A9"
            return


# --- normalisation -------------------------------------------------------------------------------


def _norm(node: Facts, call: Facts, settings: Facts) -> Iterator[Row]:
    config, kind = node["config"], node["kind"]
    epsilon = settings.get("eps", settings.get("epsilon"))
    yield "epsilon", config.get("epsilon"), epsilon, "C1" if kind == "batch_norm" else "A13"
    if kind == "batch_norm":
        yield "momentum", config.get("momentum"), _momentum(settings), "C2"
    if kind == "group_norm" and int(config.get("groups", 0)) > 0:
        yield "groups", config.get("groups"), settings.get("num_groups"), "A13"
    if kind == "layer_norm" and isinstance(settings.get("normalized_shape"), list | tuple | int):
        axis, shape = config.get("axis", -1), settings["normalized_shape"]
        theirs, ours = (len(v) if isinstance(v, list | tuple) else 1 for v in (axis, shape))
        yield "number of axes", theirs, ours, "A21"
    is_module = settings.get("base") or str(settings.get("class", "")).startswith("torch_impl.")
    if is_module and isinstance(config.get("scale"), bool):
        yield "scale", config["scale"], "gamma" in call["weights"], "A11"
        yield "center", config.get("center"), "beta" in call["weights"], "A11"


def _momentum(settings: Facts) -> float | None:
    """Returns the momentum in Keras's convention; None if it is not known what it means.

    Torch's is the weight of the new value, in its own layer, in every subclass of it, and in its
    function. `torch_impl.layers.BatchNormalization` has Keras's.
    """
    momentum, name = settings.get("momentum"), str(settings.get("class", ""))
    if not isinstance(momentum, float):
        return None
    if "BatchNorm" in str(settings.get("base", "")) or name.startswith("torch.nn."):
        return round(1 - momentum, 12)
    return momentum if name.startswith("torch_impl.") else None


# --- other layers --------------------------------------------------------------------------------


def _recurrent(config: Facts, settings: Facts) -> Iterator[Row]:
    """Yields the settings of a recurrent layer of torch, which has few of Keras's."""
    base = settings.get("base")
    inner = config.get("layer")
    if isinstance(inner, Mapping):  # Bidirectional
        config = inner.get("config", {})
    if base not in ("LSTM", "GRU", "RNN"):
        return
    activation = settings.get("nonlinearity", "tanh") if base == "RNN" else "tanh"
    yield "activation", config.get("activation"), activation, "A16"
    yield "use_bias", config.get("use_bias"), settings.get("bias"), "A11"
    for name in ("dropout", "recurrent_dropout"):
        if config.get(name):
            yield name, config[name], "none", "C6"
    if base != "RNN":
        yield "recurrent_activation", config.get("recurrent_activation"), "sigmoid", "A16"
    if base == "GRU":
        yield "reset_after", config.get("reset_after"), True, "A14b"


def _upsampling(config: Facts, settings: Facts) -> Iterator[Row]:
    theirs = config.get("interpolation", "nearest")
    ours = {"nearest-exact": "nearest", "linear": "bilinear"}.get(
        settings.get("mode", ""), settings.get("mode")
    )
    yield "interpolation", theirs, ours, "C14"
    yield "size", config.get("size"), settings.get("scale_factor"), "C14"
    if theirs != "nearest":
        yield "align_corners", False, bool(settings.get("align_corners")), "C14"


def _activation(node: Facts, call: Facts, settings: Facts) -> Iterator[Row]:
    theirs, ours = (str(part["kind"]).removeprefix("activation:") for part in (node, call))
    if theirs != ours:
        is_known = str(call["kind"]).startswith("activation:") and ours != "log_softmax"
        if is_known:
            yield "activation", theirs, ours, "A16"
        return
    config = node["config"]
    # An activation by its name has the defaults of Keras's function.
    is_layer = "name" in config and "activation" not in config
    if theirs == "leaky_relu":
        slope = config.get("negative_slope", config.get("alpha"))
        said = slope if is_layer else 0.2
        yield "negative_slope", said, settings.get("negative_slope"), "A13"
    elif theirs == "elu":
        yield "alpha", config.get("alpha", None if is_layer else 1.0), settings.get("alpha"), "A13"
    elif theirs == "gelu":
        approximate = settings.get("approximate")
        if approximate is not None:
            yield "approximate", bool(config.get("approximate")), approximate == "tanh", "A20"
    elif theirs == "softmax":
        axes = _axes(config.get("axis", -1), settings.get("dim"), node, call)
        if axes is not None:
            yield "axis", axes[0], axes[1], "A21"


def _axes(axis: Any, dim: Any, node: Facts, call: Facts) -> tuple[int, int] | None:
    """Returns the axes of both in Keras's order of axes; None if that is not sure."""
    theirs, forms = node["output_shape"], call["output_shapes"]
    if not isinstance(axis, int) or not isinstance(dim, int) or not forms:
        return None
    rank = len(theirs)
    if len(forms[0]) != rank or not -rank <= dim < rank or len(set(theirs[1:])) < rank - 1:
        return None  # two axes of the same length: nobody can tell which is which
    side = forms[0][dim % rank]
    if dim % rank == 0:
        return axis % rank, 0
    return (axis % rank, list(theirs[1:]).index(side) + 1) if side in theirs[1:] else None


def kinds_around(nodes: Sequence[Facts], node: Facts) -> set[str]:
    """Returns the kinds of what makes the inputs of a layer, and of what takes its output."""
    number = next(n for n, other in enumerate(nodes) if other["name"] == node["name"])
    before = [nodes[source] for source in node["sources"] if source is not None and source >= 0]
    after = [other for other in nodes if number in other["sources"]]
    return {str(other["kind"]) for other in (*before, *after)}


# --- The settings of the optimizer, the loss and the schedule, in Keras's convention --------------
#
# The facts of both halves go in; (name, Keras's value, the port's, ID of the divergence) come out.
# Of a class that neither torch nor this package has, nothing is known, and nothing is told.


_NONE = "none"
# Keras's class -> torch's of the same rule.
_OPTIMIZERS = {"Nadam": "NAdam"}
# Keras's name -> torch's, and the ID; `betas` are two.
_NUMBERS = (
    ("momentum", ("momentum",), "F14"),
    ("nesterov", ("nesterov",), "F14"),
    ("rho", ("rho", "alpha"), "F14"),
    ("epsilon", ("epsilon", "eps"), "F1"),
    ("amsgrad", ("amsgrad",), "F14"),
    ("centered", ("centered",), "F14"),
    ("initial_accumulator_value", ("initial_accumulator_value",), "F8"),
)
_IDS = {"RMSprop": "F4", "Adagrad": "F8", "Adadelta": "F8"}
_DECOUPLED = ("AdamW",)


def optimizer_rows(keras: Facts, port: Facts) -> Iterator[Row]:
    """Yields what can be compared of the optimizers."""
    theirs, ours = keras.get("optimizer"), port.get("optimizer")
    if not theirs or not ours or not ours["groups"]:
        return
    name, config = theirs["class"], theirs["config"]
    module, _, class_name = ours["class"].rpartition(".")
    is_keras = module.startswith("torch_impl.")
    base = (
        class_name
        if is_keras
        else ours.get("base") or (class_name if module.startswith("torch.") else "")
    )
    if not base:
        return  # a class of the user
    rate = config.get("learning_rate")
    if isinstance(rate, int | float) and not _sets_the_rate(keras):
        yield "learning_rate", rate, _setting_of_groups(ours, ("initial_lr", "lr"), rate), "F6"
    decay = config.get("weight_decay") or 0
    of_keras = _OPTIMIZERS.get(name, name)
    is_adam = {of_keras, base} == {"Adam", "AdamW"}
    if of_keras != base and not (is_adam and not is_keras and bool(decay) == (base == "AdamW")):
        yield "optimizer", name, class_name, "F13"
        return
    coupled = bool(decay) and not is_keras and base not in _DECOUPLED
    value = _setting_of_groups(ours, ("weight_decay",), decay)
    if coupled and value:
        yield "weight_decay", f"{decay:g}, decoupled", f"{value:g}, coupled", "C11"
    else:
        yield "weight_decay", decay, value, "F9"
    for number, beta in enumerate(("beta_1", "beta_2")):
        if isinstance(config.get(beta), float):
            yield beta, config[beta], _beta(ours, number, config[beta]), "F14"
    for key, names, identity in _NUMBERS:
        if key in config:
            entry = _IDS.get(name, identity)
            yield key, config[key], _setting_of_groups(ours, names, config[key]), entry
    if not is_keras and not port.get("clips", True):
        for key in ("clipnorm", "global_clipnorm", "clipvalue"):
            if config.get(key):
                yield key, config[key], _NONE, "E8"


def _sets_the_rate(keras: Facts) -> bool:
    """Whether a callback sets the rate before the first step."""
    callbacks = keras.get("schedule", {}).get("callbacks", [])
    return any(callback.get("class") == "LearningRateScheduler" for callback in callbacks)


def _setting_of_groups(optimizer: Facts, names: Sequence[str], keras: Any) -> Any:
    """Returns a setting of the groups: Keras's if a group has it, else that of the first."""
    found = []
    for group in optimizer["groups"]:
        key = next((name for name in names if name in group), None)
        if key is not None:
            found.append(group[key])
    if not found:
        return None
    return next((value for value in found if not _differ(keras, value)), found[0])


def _beta(optimizer: Facts, number: int, keras: float) -> Any:
    betas = [group["betas"] for group in optimizer["groups"] if group.get("betas")]
    values = [pair[number] for pair in betas if number < len(pair)]
    return next((v for v in values if not _differ(keras, v)), values[0] if values else None)


def _differ(a: Any, b: Any) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) > 1e-6 * max(abs(a), abs(b))
    return bool(a != b)


def custom_optimizer_rows(
    keras: KerasTrace, port: PortTrace
) -> Iterator[tuple[tuple[str, str], Row]]:
    """Yields the same of the optimizers of steps of the user's own, with (Keras's name, class)."""
    for theirs, ours in pairs(keras, port):
        if theirs is not None and ours is not None:
            facts = {"optimizer": theirs.settings}, {"optimizer": ours.settings}
            for row in optimizer_rows(*facts):
                yield (theirs.name, str(ours.settings["class"]).rpartition(".")[2]), row


# --- loss ----------------------------------------------------------------------------------------

# Name of a loss in Keras -> classes of torch that can compute it.
_LOSSES = {
    "categorical_crossentropy": ("CrossEntropyLoss", "NLLLoss", "KLDivLoss"),
    "sparse_categorical_crossentropy": ("CrossEntropyLoss", "NLLLoss"),
    "binary_crossentropy": ("BCELoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss"),
    "mean_squared_error": ("MSELoss",),
    "mean_absolute_error": ("L1Loss",),
    "huber_loss": ("HuberLoss", "SmoothL1Loss"),
    "kl_divergence": ("KLDivLoss",),
    "cosine_similarity": ("CosineEmbeddingLoss",),
    "poisson": ("PoissonNLLLoss",),
    "hinge": ("HingeEmbeddingLoss", "SoftMarginLoss"),
    "squared_hinge": (),
    "log_cosh": (),
    "mean_absolute_percentage_error": (),
    "mean_squared_logarithmic_error": (),
}
_LOSSES |= {"huber": _LOSSES["huber_loss"]}
_ON_LOGITS = ("CrossEntropyLoss", "BCEWithLogitsLoss")


def loss_rows(keras: Facts, port: Facts) -> Iterator[Row]:
    """Yields what can be compared of the losses; of torch's own classes only."""
    theirs, ours = keras.get("loss"), port.get("loss")
    if not theirs or not ours or not str(ours["class"]).startswith("torch.nn.modules.loss."):
        return
    name, class_name = theirs["name"], str(ours["class"]).rpartition(".")[2]
    config = theirs["config"].get("config", {}) if isinstance(theirs["config"], dict) else {}
    if name in _LOSSES and class_name not in _LOSSES[name]:
        yield "loss", name, class_name, "D13"
        return
    said = {"sum_over_batch_size": "mean", "mean": "mean", "sum": "sum"}
    reduction = said.get(str(config.get("reduction", "sum_over_batch_size")))
    if reduction is not None and ours.get("reduction") in ("mean", "sum"):
        yield "reduction", reduction, ours["reduction"], "D12"
    if class_name == "CrossEntropyLoss" and name != "sparse_categorical_crossentropy":
        smoothing = config.get("label_smoothing") or 0.0
        yield "label_smoothing", smoothing, ours.get("label_smoothing"), "D4"
    elif class_name == "CrossEntropyLoss":
        yield "label_smoothing", 0.0, ours.get("label_smoothing"), "D4"
    elif class_name in ("BCELoss", "BCEWithLogitsLoss") and config.get("label_smoothing"):
        yield "label_smoothing", config["label_smoothing"], _NONE, "D4"
    if name.startswith("huber"):
        yield "delta", config.get("delta", 1.0), ours.get("delta", ours.get("beta")), "D13"
        if class_name == "SmoothL1Loss" and ours.get("beta") != 1:
            yield "loss", name, f"{class_name}, which is divided by beta", "D13"
    activation, last = keras.get("output_activation"), _last_kind(port)
    if class_name in _ON_LOGITS and activation in ("softmax", "sigmoid"):
        yield "from_logits", False, last == f"activation:{activation}", "D1"


def _last_kind(port: Facts) -> str:
    nodes = port.get("nodes") or [{}]
    return str(nodes[-1].get("kind", ""))


# --- schedule ------------------------------------------------------------------------------------

_STOCK = "torch.optim.lr_scheduler."


def schedule_rows(keras: Facts, port: Facts) -> Iterator[tuple[tuple[str, str], Row]]:
    """Yields what can be compared of schedules and callbacks, with the classes of both halves.

    What the port lacks is in Keras, and not in another callback.
    """
    facts = keras.get("schedule", {})
    theirs, ours = facts.get("kind"), port.get("schedulers") or []
    callbacks = {str(callback.get("class")): callback for callback in facts.get("callbacks", [])}
    is_left = bool(port.get("optimizer")) and not ours and not port.get("clips", True)
    if is_left and not port["optimizer"].get("schedule"):
        for name in (theirs, *callbacks):
            if name and name != "EarlyStopping":
                yield ("Keras", "the port"), ("schedule", name, _NONE, "G12")
    stopping = port.get("early_stopping") or {}
    if "EarlyStopping" in callbacks and str(stopping.get("class")).startswith("torch_impl."):
        for name in ("patience", "min_delta", "start_from_epoch"):
            row = name, callbacks["EarlyStopping"].get(name), stopping.get(name), "G8"
            yield ("EarlyStopping", str(stopping["class"]).rpartition(".")[2]), row
    for scheduler in ours:
        name = str(scheduler.get("class", ""))
        if name == f"{_STOCK}ReduceLROnPlateau" and "ReduceLROnPlateau" in callbacks:
            place = "ReduceLROnPlateau", "ReduceLROnPlateau"
            yield from ((place, row) for row in _plateau(callbacks[place[0]], scheduler))
        elif name.startswith(_STOCK) and theirs and len(ours) == 1:
            steps = int(port.get("steps_per_epoch", 1))
            every = steps if port.get("scheduler_interval") == "epoch" else 1
            config = facts.get("config", {})
            class_name = name.removeprefix(_STOCK)
            rows = _decay(theirs, config, class_name, scheduler, every)
            yield from (((str(theirs), class_name), row) for row in rows)


def mode_of(callback: Facts) -> str:
    """Returns whether Keras takes the least or the greatest value of a metric as the best."""
    mode = str(callback.get("mode"))
    if mode in ("min", "max"):
        return mode
    return "max" if "acc" in str(callback.get("monitor")) else "min"


def _plateau(theirs: Facts, ours: Facts) -> Iterator[Row]:
    """Yields the settings of ReduceLROnPlateau; torch counts epochs in another way."""
    yield "factor", theirs.get("factor"), ours.get("factor"), "G4"
    patience, cooldown = ours.get("patience"), ours.get("cooldown")
    if isinstance(patience, int):  # torch waits for one more
        yield "patience", theirs.get("patience"), patience + 1, "G1"
    is_relative = ours.get("threshold_mode") == "rel"
    delta = theirs.get("min_delta")
    if is_relative and delta and ours.get("threshold"):
        yield "min_delta", f"{delta:g}", f"{ours['threshold']:g}, relative", "G3"
    else:
        yield "min_delta", delta, ours.get("threshold"), "G3"
    if isinstance(cooldown, int):  # Keras counts the epoch in which the counter reaches zero
        counted = max(int(theirs.get("cooldown", 0)), 1)
        yield "cooldown", counted, cooldown + 1, "G2"
    least = ours.get("min_lrs")
    yield "min_lr", theirs.get("min_lr"), least[0] if least else None, "G4"
    yield "mode", mode_of(theirs), ours.get("mode"), "G6"


def _decay(kind: str, theirs: Facts, class_name: str, ours: Facts, every: int) -> Iterator[Row]:
    """Yields the numbers of a schedule; torch's are of steps of the scheduler."""
    gamma = ours.get("gamma")
    if kind == "ExponentialDecay" and class_name in ("ExponentialLR", "StepLR"):
        length = theirs["decay_steps"]
        yield "staircase", theirs.get("staircase"), _is_stair(theirs, class_name, every), "G13"
        if class_name == "StepLR":
            yield "decay_steps", length, ours["step_size"] * every, "G13"
            yield "decay_rate", theirs["decay_rate"], gamma, "G13"
        elif gamma:
            yield "decay_rate", theirs["decay_rate"], gamma ** (length / every), "G13"
    elif kind == "CosineDecay" and class_name == "CosineAnnealingLR":
        yield "decay_steps", theirs["decay_steps"], ours["T_max"] * every, "G13"
        top = theirs.get("warmup_target")
        least = theirs.get("alpha", 0.0) * (theirs["initial_learning_rate"] if top is None else top)
        yield "lowest rate", least, ours.get("eta_min"), "G13"
    elif class_name in _OTHERS.get(kind, ()):
        yield "schedule", kind, class_name, "G13"


def _is_stair(theirs: Facts, class_name: str, every: int) -> bool:
    """Whether the port's rate stays for some steps, as Keras's staircase does."""
    return class_name == "StepLR" or (every > 1 and every == theirs["decay_steps"])


_COSINES = ("CosineAnnealingLR", "CosineAnnealingWarmRestarts")
# Kind of Keras's schedule -> torch's that cannot be the same.
_OTHERS = {
    "ExponentialDecay": (*_COSINES, "LinearLR", "PolynomialLR", "OneCycleLR"),
    "CosineDecay": ("ExponentialLR", "StepLR", "LinearLR", "PolynomialLR", "MultiStepLR"),
    "PiecewiseConstantDecay": (*_COSINES, "ExponentialLR", "LinearLR", "PolynomialLR"),
    "PolynomialDecay": (*_COSINES, "ExponentialLR", "StepLR", "MultiStepLR"),
}


# --- constraints ---------------------------------------------------------------------------------


def constraint_rows(node: Facts) -> Iterator[Row]:
    """Yields the constraints of a Keras layer; torch's layers have none."""
    for name, value in node["config"].items():
        if name.endswith("_constraint") and isinstance(value, dict):
            yield name, str(value.get("class_name")), _NONE, "F14"
