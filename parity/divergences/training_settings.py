"""The settings of the optimizer, the loss and the schedule, in Keras's convention.

The facts of both halves go in; (name, Keras's value, the port's, ID of the divergence) come out.
Of a class that neither torch nor this package has, nothing is known, and nothing is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.divergences.layer_settings import Row
from parity.ladder.own_steps import pairs

if TYPE_CHECKING:
    from parity.traces.trace import Trace

Facts = Mapping[str, Any]

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
    module, _, own = ours["class"].rpartition(".")
    is_keras = module.startswith("torch_impl.")
    base = own if is_keras else ours.get("base") or (own if module.startswith("torch.") else "")
    if not base:
        return  # a class of the user
    rate = config.get("learning_rate")
    if isinstance(rate, int | float) and not _sets_the_rate(keras):
        yield "learning_rate", rate, _told(ours, ("initial_lr", "lr"), rate), "F6"
    decay = config.get("weight_decay") or 0
    of_keras = _OPTIMIZERS.get(name, name)
    is_adam = {of_keras, base} == {"Adam", "AdamW"}
    if of_keras != base and not (is_adam and not is_keras and bool(decay) == (base == "AdamW")):
        yield "optimizer", name, own, "F13"
        return
    coupled = bool(decay) and not is_keras and base not in _DECOUPLED
    value = _told(ours, ("weight_decay",), decay)
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
            yield key, config[key], _told(ours, names, config[key]), entry
    if not is_keras and not port.get("clips", True):
        for key in ("clipnorm", "global_clipnorm", "clipvalue"):
            if config.get(key):
                yield key, config[key], _NONE, "E8"


def _sets_the_rate(keras: Facts) -> bool:
    """Whether a callback sets the rate before the first step."""
    callbacks = keras.get("schedule", {}).get("callbacks", [])
    return any(callback.get("class") == "LearningRateScheduler" for callback in callbacks)


def _told(optimizer: Facts, names: Sequence[str], keras: Any) -> Any:
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


def own_optimizer_rows(keras: Trace, port: Trace) -> Iterator[tuple[tuple[str, str], Row]]:
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
    name, own = theirs["name"], str(ours["class"]).rpartition(".")[2]
    config = theirs["config"].get("config", {}) if isinstance(theirs["config"], dict) else {}
    if name in _LOSSES and own not in _LOSSES[name]:
        yield "loss", name, own, "D13"
        return
    said = {"sum_over_batch_size": "mean", "mean": "mean", "sum": "sum"}
    reduction = said.get(str(config.get("reduction", "sum_over_batch_size")))
    if reduction is not None and ours.get("reduction") in ("mean", "sum"):
        yield "reduction", reduction, ours["reduction"], "D12"
    if own == "CrossEntropyLoss" and name != "sparse_categorical_crossentropy":
        smoothing = config.get("label_smoothing") or 0.0
        yield "label_smoothing", smoothing, ours.get("label_smoothing"), "D4"
    elif own == "CrossEntropyLoss":
        yield "label_smoothing", 0.0, ours.get("label_smoothing"), "D4"
    elif own in ("BCELoss", "BCEWithLogitsLoss") and config.get("label_smoothing"):
        yield "label_smoothing", config["label_smoothing"], _NONE, "D4"
    if name.startswith("huber"):
        yield "delta", config.get("delta", 1.0), ours.get("delta", ours.get("beta")), "D13"
        if own == "SmoothL1Loss" and ours.get("beta") != 1:
            yield "loss", name, f"{own}, which is divided by beta", "D13"
    activation, last = keras.get("output_activation"), _last_kind(port)
    if own in _ON_LOGITS and activation in ("softmax", "sigmoid"):
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
            own = name.removeprefix(_STOCK)
            rows = _decay(theirs, config, own, scheduler, every)
            yield from (((str(theirs), own), row) for row in rows)


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
        own = max(int(theirs.get("cooldown", 0)), 1)
        yield "cooldown", own, cooldown + 1, "G2"
    least = ours.get("min_lrs")
    yield "min_lr", theirs.get("min_lr"), least[0] if least else None, "G4"
    yield "mode", mode_of(theirs), ours.get("mode"), "G6"


def _decay(kind: str, theirs: Facts, own: str, ours: Facts, every: int) -> Iterator[Row]:
    """Yields the numbers of a schedule; torch's are of steps of the scheduler."""
    gamma = ours.get("gamma")
    if kind == "ExponentialDecay" and own in ("ExponentialLR", "StepLR"):
        length = theirs["decay_steps"]
        yield "staircase", theirs.get("staircase"), _is_stair(theirs, own, every), "G13"
        if own == "StepLR":
            yield "decay_steps", length, ours["step_size"] * every, "G13"
            yield "decay_rate", theirs["decay_rate"], gamma, "G13"
        elif gamma:
            yield "decay_rate", theirs["decay_rate"], gamma ** (length / every), "G13"
    elif kind == "CosineDecay" and own == "CosineAnnealingLR":
        yield "decay_steps", theirs["decay_steps"], ours["T_max"] * every, "G13"
        top = theirs.get("warmup_target")
        least = theirs.get("alpha", 0.0) * (theirs["initial_learning_rate"] if top is None else top)
        yield "lowest rate", least, ours.get("eta_min"), "G13"
    elif own in _OTHERS.get(kind, ()):
        yield "schedule", kind, own, "G13"


def _is_stair(theirs: Facts, own: str, every: int) -> bool:
    """Whether the port's rate stays for some steps, as Keras's staircase does."""
    return own == "StepLR" or (every > 1 and every == theirs["decay_steps"])


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
