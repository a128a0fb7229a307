"""The ladder of a user's own pair: a bundle and what the port made of it, ten levels out.

As in `parity.ladder`, levels are climbed in order and the climb ends at the first that fails. What
differs: names are those of the user's layers, weights are Keras's in both halves, and what rounding
may do was measured when the bundle was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from parity.bundle import Bundle
from parity.compare import compare_close, compare_exact
from parity.init_tests import P_VALUE, compare_draws
from parity.result import FAIL, NOT_REACHED, PASS, SKIPPED, Item, Level
from parity.rounding import MOST, allowed
from parity.tolerance import FLOAT64, NOISE_FACTOR
from parity.trace import Trace

LEARNING_RATE = 1.2e-7  # relative: Keras keeps the rate in float32
MOST_RATE_ROUNDING = 1e-5  # what a schedule in float32 can be off by, thousands of steps on
EXACT = "bit for bit: nothing may differ"
SEMANTIC = (
    f"float64, relative to the largest value: {FLOAT64:g}, or {NOISE_FACTOR:g} times what one unit "
    f"in the last place of the weights changes in Keras, up to {MOST:g}"
)


def climb_check(bundle: Bundle, port: Trace, names: Sequence[str] = ()) -> tuple[Level, ...]:
    """Compares a port with its reference, level by level.

    Args:
        bundle: what Keras computed.
        port: what the port computed.
        names: of the levels that count, the others are skipped; all by default.

    Returns:
        All ten levels in order; those after a failed one as "not_reached".
    """
    levels: list[Level] = []
    for name, compare in LEVELS.items():
        failed = next((level.id for level in levels if level.status == FAIL), None)
        if names and name not in names:
            levels.append(_skipped(name, "not asked for"))
        elif failed is not None:
            levels.append(Level(name, NOT_REACHED, f"not compared: {failed} failed"))
        else:
            levels.append(compare(name, bundle, port))
    return tuple(levels)


def _level(name: str, origin: str, items: list[Item]) -> Level:
    if not items:
        return _skipped(name, "there is nothing that could be compared")
    is_whole = all(item.status == PASS for item in items)
    return Level(name, PASS if is_whole else FAIL, origin, tuple(items))


def _skipped(name: str, why: str) -> Level:
    return Level(name, SKIPPED, why)


def _raised(port: Trace, stage: str) -> list[Item]:
    """An item that fails if the port raised where Keras did not."""
    error = port.facts["raised"].get(stage)
    return [] if error is None else [compare_exact(f"{stage} raises", "nothing", str(error))]


def _close(bundle: Bundle, port: Trace, key: str, name: str, **place: Any) -> Item:
    theirs, ours = bundle[key], port[key]
    if theirs.dtype.kind in "iu" or ours.dtype.kind in "iu":  # tokens, which Keras makes floats of
        theirs, ours = theirs.astype(np.float64), ours.astype(np.float64)
    return compare_close(name, theirs, ours, allowed=allowed(bundle, key), unit="rel", **place)


# --- data, structure, init -----------------------------------------------------------------------


def _data(name: str, bundle: Bundle, port: Trace) -> Level:
    """What reaches the first layer, after the port's own way of feeding it."""
    for keras_name, _ in port.facts["pairs"]:
        key = f"forward/eval/{port.facts['ends'][keras_name][0]}/input/0"
        if key in bundle and key in port:
            item = _close(bundle, port, key, f"input of {keras_name}")
            return _level(
                name,
                f"the same batch, as it reaches the first layer ({port.facts['fed']}); {SEMANTIC}",
                [item],
            )
    return _skipped(name, "no layer of the port could be paired by its input")


def _structure(name: str, bundle: Bundle, port: Trace) -> Level:
    """Layers and their partners, shapes of weights, every weight used once."""
    nodes = {node["name"]: node for node in bundle.facts["nodes"]}
    calls = {node["name"]: node for node in port.facts["nodes"]}
    items = []
    for keras_name, torch_name in port.facts["pairs"]:
        node, call = nodes[keras_name], calls[torch_name]
        is_activation = node["kind"].startswith("activation:")
        if is_activation and not _is_same_activation(node["kind"], call["kind"]):
            items.append(compare_exact(keras_name, node["kind"], call["kind"]))
        elif node["weights"] or call["weights"]:
            shapes = {
                weight.partition(".")[2]: bundle.facts["weights"][weight]["shape"]
                for weight in node["weights"]
            }
            items.append(_same_shapes(keras_name, shapes, call["weights"]))
        else:
            items.append(compare_exact(keras_name, "paired", "paired"))
    left = [nodes[n] for n in port.facts["keras_left"]]
    extra = [calls[n] for n in port.facts["torch_left"]]
    items += [
        compare_exact(node["name"], _kind(node), "absent")
        for node in left
        if node["weights"] or (node["kind"] == "dropout" and node["config"].get("rate"))
    ]
    items += [
        compare_exact(call["name"], "absent", _kind(call))
        for call in extra
        if call["weights"] or (call["kind"] == "dropout" and call["rate"])
    ]
    items += [
        compare_exact(f"weights of {problem.partition(':')[0]}", "fit", problem)
        for problem in port.facts["problems"]
    ]
    unused = [n for n in bundle.facts["weights"] if n not in port.facts["weights"]]
    items += [compare_exact(weight, "used once", "not used") for weight in unused]
    items += [
        compare_exact(f"parameter {parameter}", "absent", "has no weight of Keras")
        for parameter in port.facts["not_carried"]
    ]
    items += [
        compare_exact(f"{weight} (as carried over)", bundle[key], port[key])
        for weight in port.facts["weights"]
        if (key := f"weights/{weight}") in bundle
    ]
    return _level(name, EXACT + _not_compared(left, extra), items)


def _not_compared(left: list[dict[str, Any]], extra: list[dict[str, Any]]) -> str:
    """What neither failed nor was compared, by name: nothing is assumed about it."""
    names = [n["name"] for n in left if not n["weights"]]
    others = [c["name"] for c in extra if not c["weights"] and c["kind"] != "permute"]
    text = ""
    if names:
        text += f"; without partner in the port, seen by what follows only: {', '.join(names)}"
    if others:
        text += f"; without partner in Keras: {', '.join(others)}"
    return text


def _is_same_activation(keras: str, torch: str) -> bool:
    alike = {"activation:swish": "activation:silu"}
    # The last softmax may be a log softmax, whose loss expects it.
    pairs = {("activation:softmax", "activation:log_softmax")}
    return alike.get(keras, keras) == alike.get(torch, torch) or (keras, torch) in pairs


def _same_shapes(name: str, keras: dict[str, Any], torch: dict[str, Any]) -> Item:
    """Compares the shapes of the weights; names may be those of another kind of layer."""
    if sorted(keras.values()) == sorted(torch.values()):
        return compare_exact(
            name, json.dumps(sorted(keras.values())), json.dumps(sorted(torch.values()))
        )
    return compare_exact(name, _shapes(keras), _shapes(torch))


def _shapes(weights: dict[str, Any]) -> str:
    return ", ".join(f"{key} {tuple(shape)}" for key, shape in weights.items()) or "no weights"


def _kind(node: dict[str, Any]) -> str:
    where = node.get("where")
    return node["kind"] + (f" at {where}" if where else "")


def _init(name: str, bundle: Bundle, port: Trace) -> Level:
    """Whether both halves draw initial weights from the same distributions."""
    if port.facts["given"]["load"]:
        return _skipped(name, "the port loads Keras's weights")
    items = [
        compare_draws(
            weight,
            bundle[key],
            port[key],
            bundle.facts["initializers"].get(weight),
            bundle.facts["weights"][weight]["shape"],
        )
        for weight in bundle.facts["weights"]
        if (key := f"init/{weight}") in port
    ]
    if not items:
        return _skipped(name, "no weight has a partner")
    return _level(name, compare_draws.__doc__.partition("\n")[0], items)  # type: ignore[union-attr]


# --- forward -------------------------------------------------------------------------------------


def _forward(name: str, bundle: Bundle, port: Trace) -> Level:
    """Rates of dropout, every layer in both modes, and what train mode does to its state."""
    nodes = {node["name"]: node for node in bundle.facts["nodes"]}
    calls = {node["name"]: node for node in port.facts["nodes"]}
    items = []
    active = port.facts.get("active_dropouts", {})
    for keras_name, torch_name in port.facts["pairs"]:
        if nodes[keras_name]["kind"] == "dropout":
            rate = nodes[keras_name]["config"].get("rate")
            items.append(compare_exact(f"{keras_name}.rate", rate, calls[torch_name]["rate"]))
            items += _grain(bundle, nodes[keras_name], calls[torch_name])
            mode = "on" if torch_name in active.get("eval", []) else "off"
            items.append(compare_exact(f"{keras_name} (eval)", "off", mode))
            mode = "on" if torch_name in active.get("train", []) else "off"
            items.append(
                compare_exact(
                    f"{keras_name} (train)", "on" if rate else "off", mode if rate else "off"
                )
            )
    for mode in ("eval", "train"):
        items += _raised(port, f"forward/{mode}")
        for keras_name, _ in port.facts["pairs"]:
            items += _layer(bundle, port, mode, keras_name)
        if f"forward/{mode}/output" in port and f"forward/{mode}/output" in bundle:
            items.append(_output(bundle, port, mode))
    items += [
        _close(bundle, port, f"state/{weight}", f"{weight} (after a batch in train mode)")
        for weight in port.facts["weights"]
        if f"state/{weight}" in bundle and f"state/{weight}" in port
    ]
    return _level(name, f"{SEMANTIC}; dropout keeps what Keras's masks keep", items)


def _grain(bundle: Bundle, node: dict[str, Any], call: dict[str, Any]) -> Iterator[Item]:
    """What a dropout drops at once: its mask is Keras's in both halves, and would hide it."""
    name = node["name"]
    key = f"mask/train/{name}"
    if key not in bundle:
        return
    mask = bundle[key]
    if mask.ndim < 3:
        return
    by_channel = mask.reshape(len(mask), -1, mask.shape[-1])
    is_whole = bool((by_channel == by_channel[:, :1]).all())
    if is_whole and _chance_of_whole(by_channel) > P_VALUE:
        return
    said = {True: "whole channels", False: "single values"}
    forms = call["input_forms"][0]
    # torch drops along the second axis, whatever stands there.
    is_last = forms[0] == node["input_shapes"][0] != forms[-1]
    drops = "whole steps" if call["drops_channels"] and is_last else said[call["drops_channels"]]
    yield compare_exact(f"{name} drops", said[is_whole], drops)


def _chance_of_whole(by_channel: np.ndarray) -> float:
    """How likely single values, of which as many are kept, are dropped by whole channels only.

    Args:
        by_channel: what is kept, (samples, places, channels), alike in all places.
    """
    kept, places = by_channel[:, 0], by_channel.shape[1]
    share = kept.mean()
    of_one_place = np.where(kept, share, 1 - share).prod()
    return float(of_one_place ** (places - 1))


def _layer(bundle: Bundle, port: Trace, mode: str, name: str) -> Iterator[Item]:
    """Its input and output as reached, and its output when fed with Keras's own input."""
    prefix = f"forward/{mode}/{name}"
    torch_name = dict(port.facts["pairs"])[name]
    call = next(node for node in port.facts["nodes"] if node["name"] == torch_name)
    logarithmic = call["kind"] == "activation:log_softmax"  # which stands for a softmax
    first, last = port.facts["ends"][name]  # but for what pads or cuts, the layer itself
    number = 0
    while (key := f"forward/{mode}/{first}/input/{number}") in bundle:
        if key in port:
            yield _close(bundle, port, key, f"input of {name} ({mode})")
        number += 1
    for kind, label in (("output", name), ("own", f"{name}, fed with Keras's input")):
        # Keras is not asked what a model that is not compiled does in train mode.
        if f"{prefix}/{kind}" in port and f"forward/{mode}/{last}/output" in bundle:
            ours = port[f"{prefix}/{kind}"]
            if logarithmic:
                ours = np.exp(ours)
            yield _layer_output(bundle, f"forward/{mode}/{last}", ours, f"{label} ({mode})")


def _layer_output(bundle: Bundle, prefix: str, ours: np.ndarray, label: str) -> Item:
    """Compares with what the layer computes, before its activation or after it.

    A module of the user's may hold the activation; it is taken as what it is closer to.
    """
    keys = [key for key in (f"{prefix}/output", f"{prefix}.activation/output") if key in bundle]
    items = [
        compare_close(label, bundle[key], ours, allowed=allowed(bundle, key), unit="rel")
        for key in keys
    ]
    return min(items, key=lambda item: item.worst)


def _output(bundle: Bundle, port: Trace, mode: str) -> Item:
    """The model's output, in the form in which the port returns it."""
    key = f"forward/{mode}/output"
    theirs, form = bundle[key], port.facts["output_form"]
    if form == "linear":
        theirs = bundle[f"forward/{mode}/{bundle.facts['nodes'][-1]['name']}/input/0"]
    elif form == "log":
        with np.errstate(divide="ignore"):
            theirs = np.log(theirs)
    ours = port[key]
    # A shape that does not fit fails below.
    if ours.shape != theirs.shape and ours.ndim == theirs.ndim > 2:
        ours = np.moveaxis(ours, 1, -1)  # channels last
    elif ours.squeeze().shape == theirs.squeeze().shape:
        ours = ours.reshape(theirs.shape)  # (N,) for (N, 1)
    return compare_close(f"output ({mode})", theirs, ours, allowed=allowed(bundle, key), unit="rel")


# --- loss, gradient, optimizer -------------------------------------------------------------------


def _loss(name: str, bundle: Bundle, port: Trace) -> Level:
    """The loss of given outputs, right and wrong ones, and of the model, penalties included."""
    if bundle.facts["loss"] is None:
        return _skipped(name, "the Keras model has no single loss")
    if not port.facts["given"]["loss"]:
        return _skipped(name, "the port gives no loss")
    items = _raised(port, "loss")
    for key, label in (
        ("loss/confident/value", "loss of confident outputs"),
        ("loss/confident/gradient", "its gradient"),
        ("loss/value", "loss"),
    ):
        if key in port:
            items.append(_close(bundle, port, key, label))
    return _level(name, SEMANTIC, items)


def _gradient(name: str, bundle: Bundle, port: Trace) -> Level:
    """The gradient of every parameter in train mode."""
    if bundle.facts["loss"] is None:
        return _skipped(name, "the Keras model has no single loss")
    if (why := port.facts.get("no_loss")) is not None:
        return _skipped(name, why)
    items = _raised(port, "gradient")
    given = port.facts["given"]["loss"]
    weights = bundle.facts["weights"]
    for weight in port.facts["weights"]:
        key = f"gradient/{weight}"
        if key in port and key in bundle:
            theirs = bundle[key]
            if not given and f"penalty_{key}" in bundle:
                theirs = theirs - bundle[f"penalty_{key}"]
            most = allowed(bundle, key)
            items.append(compare_close(weight, theirs, port[key], allowed=most, unit="rel"))
        elif weight in weights and weights[weight]["trainable"] and not items:
            items.append(compare_exact(weight, "a gradient", "no gradient"))
    origin = SEMANTIC if given else f"with Keras's loss without penalties; {SEMANTIC}"
    return _level(name, origin, items)


def _optimizer(name: str, bundle: Bundle, port: Trace) -> Level:
    """The optimizer alone, fed with gradients from 1e-9 to 10, the rate cut on the way."""
    if bundle.facts["optimizer"] is None:
        return _skipped(name, "the Keras model has no optimizer")
    if not port.facts["given"]["optimizer"]:
        return _skipped(name, "the port gives no optimizer")
    items = _raised(port, "optimizer")
    rate = "optimizer/learning_rate"
    if rate in port:
        ours, theirs = port[rate], bundle[rate]
        items += [
            compare_close(
                "learning_rate", theirs[n], ours[n], allowed=LEARNING_RATE, unit="rel", step=n + 1
            )
            for n in range(min(len(ours), len(theirs)))
        ]
    for key in _by_step(port, "optimizer"):
        step, _, what = key.partition("/")
        kind, _, weight = what.partition("/")
        label = weight if kind == "weights" else f"{weight}.{kind}"
        items.append(_close(bundle, port, f"optimizer/{key}", label, step=int(step)))
    return _level(name, SEMANTIC, items)


def _by_step(port: Trace, prefix: str) -> list[str]:
    keys = [key for key in port.below(prefix) if key.partition("/")[0].isdigit()]
    return sorted(keys, key=lambda key: (int(key.partition("/")[0]), "/weights/" not in f"/{key}"))


def _trajectory(name: str, bundle: Bundle, port: Trace) -> Level:
    """Losses and weights of a few training steps, the last batch of one sample."""
    if bundle.facts["loss"] is None or bundle.facts["optimizer"] is None:
        return _skipped(name, "the Keras model is not compiled")
    if not port.facts["given"]["optimizer"]:
        return _skipped(name, "the port gives no optimizer")
    if (why := port.facts.get("no_loss")) is not None:
        return _skipped(name, why)
    if not port.facts["given"]["loss"] and any(bundle.names("penalty_gradient")):
        return _skipped(name, "the port gives no loss, and that of Keras has penalties")
    items = []
    losses = bundle["trajectory/losses"]
    for step in range(1, len(losses) + 1):
        key = f"trajectory/loss/{step}"
        if key in port:
            most = allowed(bundle, "trajectory/losses")
            items.append(
                compare_close(
                    "loss", losses[step - 1], port[key], allowed=most, unit="rel", step=step
                )
            )
        for weight in bundle.facts["weights"]:
            if (key := f"trajectory/{step}/{weight}") in port:
                items.append(_close(bundle, port, key, weight, step=step))
    return _level(name, SEMANTIC, items + _raised(port, "trajectory"))


def _schedule(name: str, bundle: Bundle, port: Trace) -> Level:
    """The learning rate of steps and epochs, and where training stops."""
    facts = bundle.facts["schedule"]
    if facts["kind"] is None and not facts["callbacks"]:
        return _skipped(name, "Keras has no schedule and no callback that is compared")
    given = port.facts["given"]
    if not given["optimizer"]:
        return _skipped(name, "the port gives no optimizer")
    items = _raised(port, "schedule")
    for key, unit in (("schedule/steps", "step"), ("schedule/epochs", "epoch")):
        if key in bundle and key in port:
            items += _rates(bundle, bundle[key], port[key], unit)
    if "schedule/stopped" in bundle and "schedule/stopped" in port:
        items.append(
            compare_exact(
                "epoch at which training stops",
                bundle["schedule/stopped"],
                port["schedule/stopped"],
            )
        )
    left = facts.get("not_compared") or []
    origin = f"relative {LEARNING_RATE:g}, since Keras keeps the rate in float32"
    return _level(
        name, origin + (f"; not compared: {', '.join(map(str, left))}" if left else ""), items
    )


def _rates(bundle: Bundle, theirs: np.ndarray, ours: np.ndarray, unit: str) -> Iterator[Item]:
    from parity.probe_inputs import SCHEDULE_STEPS

    exact = bundle["schedule/exact"] if unit == "step" and "schedule/exact" in bundle else theirs
    for number in range(min(len(theirs), len(ours))):
        # Powers and cosines in float32 are off by more than their last bit.
        rounding = abs(float(exact[number] - theirs[number])) / (abs(float(theirs[number])) or 1.0)
        rounding = min(rounding, MOST_RATE_ROUNDING)
        place: dict[str, Any] = {unit: SCHEDULE_STEPS[number] if unit == "step" else number}
        yield compare_close(
            "learning_rate",
            theirs[number],
            ours[number],
            allowed=LEARNING_RATE + 2 * rounding,
            unit="rel",
            **place,
        )


def _behaviour(name: str, bundle: Bundle, port: Trace) -> Level:
    return _skipped(
        name, "a check trains a few steps; `parity run` and `parity sweep` train whole runs"
    )


LEVELS: dict[str, Callable[[str, Bundle, Trace], Level]] = {
    "data": _data,
    "structure": _structure,
    "init": _init,
    "forward": _forward,
    "loss": _loss,
    "gradient": _gradient,
    "optimizer": _optimizer,
    "trajectory": _trajectory,
    "schedule": _schedule,
    "behaviour": _behaviour,
}
