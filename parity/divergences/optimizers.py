"""Divergences of optimizers, from trials of their rules and other evidence."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data import probe_inputs
from parity.data.probe_inputs import constraint_of, short_name
from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser, among
from parity.divergences.evidence import Evidence
from parity.divergences.places import RECURRENT
from parity.ladder.comparers.optimizer import averaged_weight
from parity.ladder.rounding import dtype_of
from parity.traces.facts import known

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace


# --- Trials of an optimizer: finds the change of Keras's rule that gives the port's weights -------
#
# The rule of the Keras optimizer is changed in one place, then in two, then in three, until it
# gives the numbers of the port after every recorded step.


MAX_CHANGES = 3
# By the dtype of the port, relative to the change of a weight. A rule in NumPy differs from Keras
# in the last bits, since Keras rounds betas to float32, and from a port that rounds its weights.
_CLOSE = {"float64": 1e-7, "float32": 1e-3}


@dataclass(frozen=True)
class Change:
    """One change of Keras's rule.

    Attributes:
        id: ID of the divergence.
        setting: the changed setting.
        value: its new value.
        text: description of the change.
    """

    id: str
    setting: str
    value: Any
    text: str


def changes(evidence: Evidence) -> Sequence[Change] | None:
    """Returns the changes that make Keras's rule the port's; None if there are none."""
    return evidence.once(_search) if evidence.level.id == "optimizer" else None


def changed(name: str) -> Recogniser:
    """Returns the recogniser of a divergence that is among the changes found."""
    return among(name, lambda evidence: [(c.id, c.text) for c in changes(evidence) or ()])


class _Trial:
    """One weight: its initial value, its gradients, and its values in the port.

    Args:
        evidence: of the optimizer.
        name: of the weight; None: the largest that fails.
    """

    def __init__(self, evidence: Evidence, name: str | None = None) -> None:
        keras, port = evidence.keras, evidence.port
        self.facts = known(keras.facts["optimizer"])
        self.close = _CLOSE[dtype_of(keras.facts)]
        self.family = arithmetic.OF_KERAS.get(self.facts["class"])
        self.shapes = {n: e["shape"] for n, e in keras.facts["weights"].items() if e["trainable"]}
        self.seed = int(keras.spec["seed"])
        failed = {item.name for item in evidence.failed}
        names = [name for name in self.shapes if f"optimizer/1/weights/{name}" in port]
        # The largest weight that is still cheap: small ones may hide a rare value.
        names.sort(key=lambda n: (n not in failed, -min(int(np.prod(self.shapes[n])), 2000)))
        self.name = names[0] if names and name not in names else name
        if self.name is None or self.family is None:
            return
        self.is_of_two = is_of_two(keras, self.name)
        self.start = probe_inputs.of_step(keras[f"weights/{self.name}"])
        keys = {
            step: f"optimizer/{step}/weights/{self.name}" for step in probe_inputs.OPTIMIZER_STEPS
        }
        self.targets = {step: port[key] for step, key in keys.items() if key in port}
        self.theirs = {step: keras[keys[step]] for step in self.targets}
        self.rates, self.their_rates = (
            list(map(float, half["optimizer/learning_rate"])) for half in (port, keras)
        )
        self.raw = [
            {n: probe_inputs.gradient(self.seed, step, n, s) for n, s in self.shapes.items()}
            for step in range(1, probe_inputs.NUM_OPTIMIZER_STEPS + 1)
        ]
        self.settings = arithmetic.keras_settings(self.family, self.facts["config"])
        self.clip = _keras_clip(self.facts["config"])
        self._clipped: dict[Any, list[np.ndarray]] = {}

    def _is_close(self, w: np.ndarray, target: np.ndarray) -> bool:
        """Whether two values of the weight are equal, relative to its total change."""
        if w.shape != target.shape or not np.isfinite(w).all():
            return False
        moved = float(np.abs(target - self.start).max()) or 1e-300
        return bool(np.abs(w - target).max() <= self.close * moved)

    def gradients(self, clip: tuple[str | None, float]) -> list[np.ndarray]:
        """Gradients of the weight, one per step."""
        assert self.name is not None
        if clip not in self._clipped:
            self._clipped[clip] = [
                probe_inputs.of_step(arithmetic.clipped(step, *clip)[self.name])
                for step in self.raw
            ]
        return self._clipped[clip]

    def gives(self, family: str, settings: Mapping[str, Any]) -> bool:
        """Whether a rule gives the weights of the port, with constants in float32 or as written."""
        return any(
            self._gives(family, {**settings, "rounded": rounded}, self.rates, self.targets)
            for rounded in ((True,) if settings["torch"] else (True, False))
        )

    def gives_keras(self, settings: Mapping[str, Any]) -> bool:
        """Whether Keras's rule gives Keras's weights; not so if Keras excludes this one."""
        assert self.family is not None
        return self._gives(self.family, settings, self.their_rates, self.theirs)

    def _gives(
        self,
        family: str,
        settings: Mapping[str, Any],
        rates: Sequence[float],
        targets: Mapping[int, np.ndarray],
    ) -> bool:
        gradients = self.gradients(settings["clip"])
        with np.errstate(all="ignore"):
            walk = arithmetic.steps(family, self.start, gradients, rates, settings)
            for step, w in enumerate(walk, start=1):
                if step in targets and not self._is_close(w, targets[step]):
                    return False
        return True


def is_of_two(keras: KerasTrace, name: str) -> bool:
    """Whether a weight is the bias of a GRU, (2, 3 * units), of which torch has two."""
    weight = keras.facts["weights"].get(name)
    shape = weight["shape"] if weight else []
    return short_name(name) == "bias" and len(shape) == 2 and shape[0] == 2


def _keras_clip(config: Mapping[str, Any]) -> tuple[str | None, float]:
    for name, how in (("clipnorm", "norm"), ("global_clipnorm", "global"), ("clipvalue", "value")):
        if config.get(name):
            return how, float(config[name])
    return None, 0.0


def _search(evidence: Evidence) -> Sequence[Change] | None:
    found = _searched(evidence, _Trial(evidence))
    if found == []:  # what differs is too small to be seen in that weight
        worst = max(evidence.failed, key=lambda item: (item.worst or 0.0) / (item.allowed or 1.0))
        return _searched(evidence, _Trial(evidence, worst.name))
    return found


def _searched(evidence: Evidence, trial: _Trial) -> Sequence[Change] | None:
    if trial.name is None or trial.family is None:
        return None
    base = {**trial.settings, "clip": trial.clip}
    excluded = evidence.keras.facts.get("undecayed", [trial.name])  # older bundles do not say it
    is_other = base["decay"] and trial.name in excluded and not trial.gives_keras(base)
    if is_other and trial.gives(trial.family, base):
        how, factor = base["decay"]
        text = f"{trial.name}: none in Keras, which excludes it, {how} {factor:g} in the port"
        return [Change("C11", "decay", base["decay"], text)]
    if trial.gives(trial.family, base):  # with its own rates
        return []
    changes = list(_changes(trial, _port_settings(evidence)))
    for count in range(1, MAX_CHANGES + 1):
        for some in itertools.combinations(changes, count):
            if len({change.setting for change in some}) < count:
                continue
            if trial.gives(trial.family, {**base, **{c.setting: c.value for c in some}}):
                return some
    return _another(trial, evidence)


def _another(trial: _Trial, evidence: Evidence) -> Sequence[Change] | None:
    """Yields other optimizers, with their own defaults or the port's settings."""
    said = _port_settings(evidence)
    for family, defaults in arithmetic.TORCH_DEFAULTS.items():
        for whose, clip in itertools.product((True, False), {trial.clip, (None, 0.0)}):
            settings = {**defaults, **said, "torch": whose, "clip": clip}
            for momentum in dict.fromkeys((settings.get("momentum", 0.0), 0.0, 0.9)):
                tried = {
                    **settings,
                    "momentum": momentum,
                    "nesterov": settings.get("nesterov", False),
                }
                if family != trial.family and trial.gives(family, tried):
                    text = f"{trial.facts['class']} in Keras, {family} in the port"
                    return [Change("F13", "family", family, text)]
    return None


def _port_settings(evidence: Evidence) -> dict[str, Any]:
    """Returns the settings of the port's optimizer, with the names of the rules."""
    facts = evidence.port.facts["optimizer"]
    group = facts["groups"][0] if facts else {}
    found: dict[str, Any] = {}
    for theirs, ours in (
        ("eps", "epsilon"),
        ("alpha", "rho"),
        ("rho", "rho"),
        ("momentum", "momentum"),
        ("nesterov", "nesterov"),
        ("amsgrad", "amsgrad"),
        ("centered", "centered"),
        ("momentum_decay", "momentum_decay"),
    ):
        if theirs in group:
            found[ours] = group[theirs]
    if "betas" in group:
        found["betas"] = tuple(group["betas"])
    if group.get("weight_decay"):
        name = facts["class"] if facts else ""
        how = "decoupled" if name.endswith("AdamW") or "torch_impl" in name else "coupled"
        found["decay"] = (how, float(group["weight_decay"]))
    return found


def _changes(trial: _Trial, said: Mapping[str, Any]) -> Iterator[Change]:
    """Yields all changes to try, the most likely first."""
    s = trial.settings
    family = trial.family
    torch_ids = {
        "adam": "F2",
        "rmsprop": "F4",
        "sgd": "F5",
        "adagrad": "F8",
        "adamax": "F2",
    }
    if family in torch_ids:
        yield Change(torch_ids[family], "torch", True, "torch's equations give the port's numbers")
    yield from _numbers(
        "F1"
        if family in ("adam", "nadam", "adamax")
        else "F8"
        if family in ("adagrad", "adadelta")
        else "F4",
        "epsilon",
        s,
        [said.get("epsilon"), 1e-8, 1e-7, 1e-6, 1e-10, 1e-5, 1e-3],
    )
    yield from _numbers(
        "F4" if family == "rmsprop" else "F8", "rho", s, [said.get("rho"), 0.99, 0.9, 0.95]
    )
    yield from _numbers("F8", "start", s, [0.0, 0.1, 1.0])
    yield from _numbers("F14", "momentum", s, [said.get("momentum"), 0.0, 0.9, 0.99])
    yield from _numbers("F14", "nesterov", s, [True, False])
    yield from _numbers("F14", "amsgrad", s, [True, False])
    yield from _numbers("F14", "centered", s, [True, False])
    yield from _numbers(
        "F14", "betas", s, [said.get("betas"), (0.9, 0.999), (0.9, 0.99), (0.5, 0.999), (0.9, 0.98)]
    )
    if "outside" in s:
        name = "F4" if family == "rmsprop" else "F8"
        yield Change(name, "outside", True, "epsilon is added outside the root, in Keras inside")
    yield from _numbers("F14", "momentum_decay", s, [said.get("momentum_decay"), 0.004])
    yield from _decays(s, said)
    yield from _clips(trial.clip)
    if trial.clip[0] == "norm" and trial.is_of_two:
        text = f"in the port, each of the two biases in {trial.name} is clipped by itself"
        yield Change("E10", "clip", (arithmetic.OF_PARTS, trial.clip[1]), text)
        text += ", with 1e-6 added to its norm"
        yield Change("E10", "clip", (f"{arithmetic.OF_PARTS} + 1e-6", trial.clip[1]), text)
    num_steps, _ = s["accumulated"]
    if num_steps > 1:
        keras = f"the mean gradient of {num_steps} steps in Keras"
        yield Change("E3", "accumulated", (num_steps, "sum"), f"{keras}, their sum in the port")
        yield Change("E3", "accumulated", (1, "mean"), f"{keras}, each step by itself in the port")


def _numbers(
    name: str, setting: str, s: Mapping[str, Any], values: Sequence[Any]
) -> Iterator[Change]:
    if setting not in s:
        return
    for value in dict.fromkeys(values):
        if value is not None and value != s[setting]:
            yield Change(
                name, setting, value, f"{setting} {s[setting]} in Keras, {value} in the port"
            )


def _decays(s: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[Change]:
    theirs = s.get("decay")
    factor = theirs[1] if theirs else 0.0
    keras = f"{theirs[0]} {theirs[1]:g}" if theirs else "none"
    tried: list[Any] = [said.get("decay")]
    if theirs:
        tried += [
            None,
            ("coupled", factor),
            ("decoupled", 0.01),
            ("coupled", 2 * factor),
            ("coupled", factor / 2),
            ("decoupled", factor / 2),
            ("decoupled", 2 * factor),
        ]
    else:
        tried += [("decoupled", 0.01), ("coupled", 0.01), ("coupled", 1e-4), ("decoupled", 0.004)]
    for value in dict.fromkeys(tried):
        if value == theirs or (value is None and not theirs):
            continue
        is_number = theirs is not None and value is not None and value[0] == theirs[0]
        ours = f"{value[0]} {value[1]:g}" if value else "none"
        yield Change(
            "F9" if is_number else "C11", "decay", value, f"{keras} in Keras, {ours} in the port"
        )


def _clips(clip: tuple[str | None, float]) -> Iterator[Change]:
    how, limit = clip
    keras = f"{how} {limit:g}" if how else "none"
    for other in ("norm", "value", "global", "global + 1e-6", "norm + 1e-6"):
        if how and other != how:
            is_formula = other == f"{how} + 1e-6"
            is_each = how == "norm" and other.startswith("global")
            name = "E2" if is_formula else "E1" if is_each else "E8"
            yield Change(
                name, "clip", (other, limit), f"clips by {keras} in Keras, {other} in the port"
            )
    if how:
        yield Change(
            "E8", "clip", (None, 0.0), f"clips by {keras} in Keras, not at all in the port"
        )
    else:
        for other, limit in itertools.product(
            ("global + 1e-6", "norm", "value"), (1.0, 0.5, 0.1, 5.0)
        ):
            text = f"no clipping in Keras, {other} {limit:g} in the port"
            yield Change("E8", "clip", (other, limit), text)


# --- Constraints of weights that Keras applies after each step, and the port does not -------------


_EPSILON = 1e-7  # of Keras's backend
# Keras's class -> its settings, with their defaults.
SETTINGS_OF: dict[str, dict[str, Any]] = {
    "NonNeg": {},
    "UnitNorm": {"axis": 0},
    "MaxNorm": {"max_value": 2, "axis": 0},
    "MinMaxNorm": {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0},
}


def missing_constraint(evidence: Evidence) -> Match | None:
    """Recognises weights that Keras constrains after each step, and the port does not.

    The fix is the line for all of these weights.
    """
    if evidence.level.id != "optimizer":
        return None
    found = list(_constrained(evidence))
    if not found:
        return None
    item, given = found[0]
    sure = [item.name for item, given in found if _gives(evidence, item, given)]
    fix = _line(evidence, {item.name: given for item, given in found})
    name = given["class_name"]
    if sure:
        return Match(NUMBERS, f"{name} of the port's weights gives Keras's", fix=fix)
    return Match(SETTINGS, f"{name} of {item.name} in Keras", fix=fix)


def as_code(name: str, config: Mapping[str, Any]) -> str:
    """Returns a constraint as code, with the settings that are not defaults; "" if not known."""
    if name not in SETTINGS_OF:
        return ""
    given = {key: config[key] for key in SETTINGS_OF[name] if key in config}
    given = {key: value for key, value in given.items() if value != SETTINGS_OF[name][key]}
    listed = ", ".join(f"{key}={value!r}" for key, value in given.items())
    return f"torch_impl.constraints.{name}({listed})"


def _constrained(evidence: Evidence) -> Iterator[tuple[Item, Mapping[str, Any]]]:
    """Yields the weights that differ and have a constraint in Keras, each once."""
    nodes = {name: node for node in evidence.keras.facts["nodes"] for name in node["weights"]}
    visited = set()
    for item in evidence.failed:
        node = nodes.get(item.name)
        if node is None or item.name in visited or item.step is None:
            continue
        if (given := constraint_of(node["config"], item.name)) is not None:
            visited.add(item.name)
            yield item, given


def _gives(evidence: Evidence, item: Item, given: Mapping[str, Any]) -> bool:
    """Whether the constraint of the port's weight is Keras's weight."""
    key = f"optimizer/{item.step}/weights/{item.name}"
    shape = evidence.keras.facts["weights"][item.name]["shape"]
    if key not in evidence.port or key not in evidence.keras:
        return False
    ours = evidence.port[key]
    if ours.size != np.prod(shape):
        return False
    value = _applied(str(given.get("class_name")), given.get("config", {}), ours.reshape(shape))
    if value is None or evidence.is_close(ours, evidence.keras[key], 1e-6):
        return False
    return evidence.is_close(value.reshape(ours.shape), evidence.keras[key], 1e-6)


def _applied(name: str, config: Mapping[str, Any], w: np.ndarray) -> np.ndarray | None:
    if name == "NonNeg":
        return w * (w >= 0)
    if name not in SETTINGS_OF:
        return None
    s = {**SETTINGS_OF[name], **config}
    axes = s["axis"]
    norm = np.sqrt((w * w).sum(axis=tuple(axes) if isinstance(axes, list) else axes, keepdims=True))
    wanted: Any = 1.0
    if name == "MaxNorm":
        wanted = np.clip(norm, 0, s["max_value"])
    elif name == "MinMaxNorm":
        wanted = s["rate"] * np.clip(norm, s["min_value"], s["max_value"]) + (1 - s["rate"]) * norm
    return np.asarray(w * wanted / (norm + _EPSILON))


def _line(evidence: Evidence, given: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the line that constrains weights of the port as Keras does, or ""."""
    pairs = dict(evidence.port.facts["pairs"])
    entries = []
    for weight, constraint in given.items():
        layer, _, variable = weight.partition(".")
        module = pairs.get(layer, "").partition("#")[0]
        code = as_code(str(constraint.get("class_name")), constraint.get("config", {}))
        if not module or "()" in module or not code:
            return ""
        entries.append(f"{module + '.' + variable!r}: {code}")
    return f"torch_impl.constraints.constrain(module, optimizer, {{{', '.join(entries)}}})"


# --- Divergences of optimizers, from trials of their rules and other evidence ---------------------


def _rate(evidence: Evidence) -> Match | None:
    if evidence.level.id == "optimizer" and evidence.item.name == "learning_rate":
        item = evidence.item
        return Match(
            NUMBERS, f"{item.keras:g} in Keras, {item.torch:g} in the port, step {item.step}"
        )
    return None


def _left_out(evidence: Evidence) -> Match | None:
    if evidence.level.id != "optimizer":
        return None
    names = []
    for item in evidence.failed:
        key = f"optimizer/{probe_inputs.OPTIMIZER_STEPS[-1]}/weights/{item.name}"
        start = f"weights/{item.name}"
        if key in evidence.port and start in evidence.keras:
            w = evidence.keras[start]
            if (
                evidence.is_close(probe_inputs.of_step(w), evidence.port[key])
                and item.name not in names
            ):
                names.append(item.name)
    return Match(NUMBERS, f"the port does not update {', '.join(names[:3])}") if names else None


def _two_biases(evidence: Evidence) -> Match | None:
    item = evidence.item
    key = f"optimizer/{item.step}/weights/{item.name}"
    if evidence.level.id != "optimizer" or key not in evidence.keras or key not in evidence.port:
        return None
    if evidence.kind not in RECURRENT:
        return None
    start = probe_inputs.of_step(evidence.keras[f"weights/{item.name}"])
    theirs, ours = evidence.keras[key] - start, evidence.port[key] - start
    if evidence.is_close(2 * theirs, ours):
        return Match(NUMBERS, f"{item.name} moves twice as far as in Keras")
    return None


def _same_class(evidence: Evidence) -> Match | None:
    """Recognises torch's own Adam, RMSprop, ... if no trial gives its numbers."""
    if evidence.level.id != "optimizer" or changes(evidence) is not None:
        return None
    if evidence.item.name == "learning_rate":
        return None
    port = evidence.port.facts["optimizer"]
    ours = port["class"] if port else ""
    theirs = known(evidence.keras.facts["optimizer"])["class"]
    sure = SETTINGS if theirs.lower() != ours.rpartition(".")[2].lower() else PLACE
    return Match(sure, f"{theirs} in Keras, {ours} in the port")


def _apart(evidence: Evidence) -> Match | None:
    """Recognises norms of the two biases of a GRU, which are one variable in Keras."""
    if evidence.level.id != "optimizer":
        return None
    if (found := changed("E10")(evidence)) is not None:
        return found
    facts = known(evidence.keras.facts["optimizer"])
    failed = {item.name for item in evidence.failed}
    if facts["class"] != "Lamb" or not all(is_of_two(evidence.keras, name) for name in failed):
        return None  # of other optimizers, a trial tells it
    return Match(SETTINGS, f"Lamb has one rate for {min(failed)}, and two in the port")


def _average(evidence: Evidence) -> Match | None:
    """Recognises an average of the weights that one half alone keeps, or that is another one."""
    names = {item.name for item in evidence.failed}
    is_average = all(name.endswith(f".{probe_inputs.AVERAGE}") for name in names)
    if evidence.level.id != "optimizer" or not names or not is_average:
        return changed("F14")(evidence)
    config = known(evidence.keras.facts["optimizer"])["config"]
    if not config.get("use_ema"):
        return Match(NUMBERS, "the port ends with an average of the weights, and Keras does not")
    key = f"optimizer/{evidence.item.step}/average/{evidence.item.name.rpartition('.')[0]}"
    is_kept = not np.array_equal(evidence.port[key], evidence.port[averaged_weight(key)])
    ours = "another one" if is_kept else "none"
    momentum = f"use_ema=True, ema_momentum={config['ema_momentum']:g}"
    return Match(
        NUMBERS, f"Keras ends with an average of the weights ({momentum}), the port with {ours}"
    )


_OF_TRIALS = ("C11", "E1", "E2", "E8", "F1", "F2", "F4", "F5", "F8", "F9", "F14")
RULES: dict[str, Recogniser] = {
    **{name: changed(name) for name in _OF_TRIALS},
    "A14": _two_biases,
    "E10": _apart,
    "F14": _average,
    "F6": _rate,
    "F13": lambda evidence: changed("F13")(evidence) or _same_class(evidence),
    "F15": _left_out,
    "F16": missing_constraint,
}
