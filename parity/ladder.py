"""The ladder: two traces in, ten levels out.

Levels are climbed from the data to the behaviour, and the climb ends at the first one that fails:
what is above it would differ for the same reason. A pure function of the two traces and of what the
trajectory may differ by.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from parity.behaviour import Judgement, judge_run
from parity.compare import absolute_difference, compare_close, compare_exact
from parity.errors import RunError
from parity.probe_data import PROBE_STEPS
from parity.programs.run_spec import RunSpec
from parity.result import FAIL, NOT_REACHED, PASS, SKIPPED, Item, Level
from parity.tolerance import FLOAT64, IMAGES_FLOAT32, Tolerance
from parity.trace import Trace

EXACT = "bit for bit: nothing may differ"
SEMANTIC = "float64, relative to the largest value: 1e-12, 200 times the rounding seen"


def climb(keras: Trace, torch: Trace, tolerance: Tolerance) -> tuple[Level, ...]:
    """Compares two runs of one spec level by level.

    Args:
        keras: trace of the reference.
        torch: trace of the port.
        tolerance: what the trajectory allows.

    Returns:
        All ten levels in order; those after a failed one as "not_reached".
    """
    levels: list[Level] = []
    for name, compare in LEVELS.items():
        if levels and levels[-1].status in (FAIL, NOT_REACHED):
            levels.append(Level(name, NOT_REACHED, f"not compared: {_failed(levels)} failed"))
        else:
            levels.append(compare(keras, torch, tolerance))
    return tuple(levels)


def _failed(levels: list[Level]) -> str:
    return next(level.id for level in levels if level.status == FAIL)


def _level(name: str, origin: str, items: Iterator[Item] | list[Item]) -> Level:
    found = tuple(items)
    is_whole = bool(found) and all(item.status == PASS for item in found)
    return Level(name, PASS if is_whole else FAIL, origin, found)


def _data(keras: Trace, torch: Trace, tolerance: Tolerance) -> Level:
    """Arrays by their SHA-256, and what was fed: order, labels, images, parameters."""
    dtype = keras.spec["dtype"]
    is_augmented = keras.spec["augmentation"] is not None
    allowed = 0.0 if not is_augmented else FLOAT64 if dtype == "float64" else IMAGES_FLOAT32

    def items() -> Iterator[Item]:
        digests = {f"{name}.sha256": value for name, value in keras.facts["sha256"].items()}
        others = {f"{name}.sha256": value for name, value in torch.facts["sha256"].items()}
        yield from _facts("", digests, others)
        for epoch in sorted({0, *keras.numbers("feed"), *torch.numbers("feed")}):
            for name in ("index", "labels", "images"):
                key = f"feed/{epoch}/{name}"
                if name == "images" and allowed:
                    yield compare_close(name, keras[key], torch[key], allowed=allowed, epoch=epoch)
                else:
                    yield compare_exact(name, keras[key], torch[key], epoch=epoch)
            parameters = set(keras.names(f"feed/{epoch}")) | set(torch.names(f"feed/{epoch}"))
            for name in sorted(parameters - {"index", "labels", "images"}):
                key = f"feed/{epoch}/{name}"
                yield compare_exact(name, keras[key], torch[key], epoch=epoch)

    origin = EXACT if not allowed else f"{EXACT}; augmented images within {allowed:g}"
    return _level("data", origin, _in_feeding_order(list(items())))


def _in_feeding_order(items: list[Item]) -> list[Item]:
    """Causes before effects within an epoch: order, labels, parameters, and then the images."""
    return sorted(items, key=lambda i: (-1 if i.epoch is None else i.epoch, i.name == "images"))


def _structure(keras: Trace, torch: Trace, tolerance: Tolerance) -> Level:
    """Layers, their shapes and activations, parameters and their shapes, dtype."""
    a, b = _by_layer(keras.facts["structure"]), _by_layer(torch.facts["structure"])
    return _level("structure", EXACT, _facts("", a, b))


def _by_layer(structure: dict[str, Any]) -> dict[str, Any]:
    layers = {layer["name"]: layer for layer in structure["layers"]}
    shapes = {f"{name}.shape": shape for name, shape in structure["parameters"].items()}
    names = [layer["name"] for layer in structure["layers"]]
    return {"layers": names, **layers, **shapes, "dtype": structure["dtype"]}


def _facts(name: str, keras: Any, torch: Any) -> list[Item]:
    """Compares plain facts, mappings key by key; what one half lacks is "absent" there."""
    if (isinstance(keras, dict) and isinstance(torch, dict)) or any(
        isinstance(half, dict) and half for half in (keras, torch)
    ):
        a = keras if isinstance(keras, dict) else {}
        b = torch if isinstance(torch, dict) else {}
        prefix = f"{name}." if name else ""
        return [
            item
            for key in dict.fromkeys([*a, *b])
            for item in _facts(f"{prefix}{key}", a.get(key, "absent"), b.get(key, "absent"))
        ]
    return [compare_exact(name, _text(keras), _text(torch))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _init(keras: Trace, torch: Trace, tolerance: Tolerance) -> Level:
    """Initial weights, in float64 and in the dtype of the run."""
    items = [
        compare_exact(name, keras[f"{prefix}/{name}"], torch[f"{prefix}/{name}"], step=0)
        for prefix in ("init", "trajectory/0")
        for name in _parameters(keras)
    ]
    return _level("init", EXACT, items)


def _forward(keras: Trace, torch: Trace, tolerance: Tolerance) -> Level:
    """Dropout masks, and the output of every layer in eval mode and in train mode."""
    items = _facts("", keras.facts["settings"]["layers"], torch.facts["settings"]["layers"])
    items += [
        compare_exact(f"{name}.mask", keras[f"mask/{name}"], torch[f"mask/{name}"])
        for name in sorted({*keras.names("mask"), *torch.names("mask")})
    ]
    items += [
        compare_close(
            f"{layer['name']} ({mode})",
            keras[f"forward/{mode}/{layer['name']}"],
            torch[f"forward/{mode}/{layer['name']}"],
            allowed=FLOAT64,
            unit="rel",
        )
        for mode in ("eval", "train")
        for layer in keras.facts["structure"]["layers"]
    ]
    return _level("forward", f"{SEMANTIC}; masks {EXACT}", items)


def _loss(keras: Trace, torch: Trace, tolerance: Tolerance) -> Level:
    """The penalties, and the loss in eval mode, in train mode, with the masks of the gradient."""
    items = _facts("l2", keras.facts["settings"]["l2"], torch.facts["settings"]["l2"])
    items += [
        compare_close(
            name, keras[f"loss/{name}"], torch[f"loss/{name}"], allowed=FLOAT64, unit="rel"
        )
        for name in ("eval", "train", "gradient")
    ]
    return _level("loss", SEMANTIC, items)


def _gradient(keras: Trace, torch: Trace, tolerance: Tolerance) -> Level:
    """The gradient of every parameter in train mode."""
    items = [
        compare_close(
            name, keras[f"gradient/{name}"], torch[f"gradient/{name}"], allowed=FLOAT64, unit="rel"
        )
        for name in _parameters(keras)
    ]
    return _level("gradient", SEMANTIC, items)


def _optimizer(keras: Trace, torch: Trace, tolerance: Tolerance) -> Level:
    """Settings, and both slots and the weights after the first and the last step of the probe."""
    settings = (half.facts["settings"]["optimizer"] for half in (keras, torch))
    items = _facts("optimizer", *settings)
    items += [
        compare_close(
            name if group == "weights" else f"{name}.{group}",
            keras[f"optimizer/{step}/{group}/{name}"],
            torch[f"optimizer/{step}/{group}/{name}"],
            allowed=FLOAT64,
            unit="abs" if group == "weights" else "rel",
            scaled=group == "weights",
            step=step,
        )
        for step in PROBE_STEPS
        for group in ("momentum", "velocity", "weights")
        for name in _parameters(keras)
    ]
    origin = f"{SEMANTIC}; weights 1e-12, of their largest where it is above 1"
    return _level("optimizer", origin, items)


def _trajectory(keras: Trace, torch: Trace, tolerance: Tolerance) -> Level:
    """Weights at recorded steps, the running loss of every step, the history of every epoch.

    Compared as far as both halves train with the same learning rate: from there on a difference
    belongs to the schedule.
    """
    lengths = _lengths(keras, torch)
    if lengths[0] != lengths[1] and keras.spec["early_stopping"] is None:
        return _level("trajectory", tolerance.origin, [compare_exact("epochs", *lengths)])
    losses = [half["running_loss"] for half in (keras, torch)]
    steps = [length * keras.facts["steps_per_epoch"] for length in lengths]
    unfit = [
        half.directory
        for half, loss, number in zip((keras, torch), losses, steps, strict=True)
        if loss.shape != (number,)
    ]
    if unfit:
        if losses[0].shape == losses[1].shape:  # their values are no finding
            raise RunError(f"{unfit[0]}: its running losses do not fit its epochs; run it again")
        items = [compare_close("running loss", *losses, allowed=0.0)]
        return _level("trajectory", tolerance.origin, items)
    parting = _parting(keras, torch)
    num_epochs = min(lengths) if parting is None else parting
    last_step = num_epochs * keras.facts["steps_per_epoch"]
    items = [
        _worst_weight(keras, torch, step, tolerance)
        for step in sorted({*keras.numbers("trajectory"), *torch.numbers("trajectory")})
        if 0 < step <= last_step
    ]
    items += _running_losses(keras, torch, num_epochs, tolerance)
    for epoch in range(num_epochs):
        step = (epoch + 1) * keras.facts["steps_per_epoch"]
        items += [
            compare_close(
                key,
                keras.history[key][epoch],
                torch.history[key][epoch],
                allowed=tolerance.history(key, epoch),
                scaled=tolerance.scaled,
                epoch=epoch,
                step=step,
            )
            for key in ("loss", "accuracy", "val_loss", "val_accuracy")
        ]
    origin = tolerance.origin
    if parting is not None:
        origin += f"; compared up to epoch {parting}, from which on the schedules differ"
    if not items and parting is not None:  # the rates differ from the first epoch on
        return Level("trajectory", SKIPPED, origin)
    return _level("trajectory", origin, items)


def _worst_weight(keras: Trace, torch: Trace, step: int, tolerance: Tolerance) -> Item:
    items = [
        compare_close(
            name,
            keras[f"trajectory/{step}/{name}"],
            torch[f"trajectory/{step}/{name}"],
            allowed=tolerance.weights(step),
            scaled=tolerance.scaled,
            epoch=(step - 1) // keras.facts["steps_per_epoch"],
            step=step,
        )
        for name in _parameters(keras)
    ]
    return max(items, key=lambda item: item.worst)


def _running_losses(
    keras: Trace, torch: Trace, num_epochs: int, tolerance: Tolerance
) -> Iterator[Item]:
    """One item an epoch: the first step above what is allowed, else the one closest to it."""
    steps_per_epoch = keras.facts["steps_per_epoch"]
    a, b = (half["running_loss"][: num_epochs * steps_per_epoch] for half in (keras, torch))
    steps = np.arange(1, len(a) + 1)
    allowed = tolerance.running_loss(steps)
    difference = absolute_difference(a, b)
    if tolerance.scaled:
        difference = difference / np.maximum(1, np.where(np.isfinite(a), np.abs(a), 1))
    with np.errstate(over="ignore", invalid="ignore"):
        excess = difference / np.maximum(allowed, np.finfo(float).tiny)
    for epoch in range(num_epochs):
        rows = slice(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch)
        above = np.flatnonzero(difference[rows] > allowed[rows])
        row = rows.start + int(above[0] if above.size else excess[rows].argmax())
        yield compare_close(
            "running loss",
            a[row],
            b[row],
            allowed=float(allowed[row]),
            scaled=tolerance.scaled,
            epoch=epoch,
            step=row + 1,
        )


def _schedule(keras: Trace, torch: Trace, tolerance: Tolerance) -> Level:
    """The learning rate of every epoch, and the number of epochs."""
    a, b = keras.history["learning_rate"], torch.history["learning_rate"]
    parting = _parting(keras, torch)
    num_epochs, origin = min(len(a), len(b)), EXACT
    is_noise = False
    if parting is not None and tolerance.may_part(parting):
        num_epochs, is_noise = parting, True
        origin += f"; from epoch {parting} on rounding decides when rates are cut or training ends"
    items = [compare_exact("learning_rate", a[e], b[e], epoch=e) for e in range(num_epochs)]
    if not is_noise:
        items.append(compare_exact("epochs", *_lengths(keras, torch)))
        items += _restored(keras, torch, tolerance)
    return _level("schedule", origin, items)


def _restored(keras: Trace, torch: Trace, tolerance: Tolerance) -> list[Item]:
    """The weights that training ends with, where early stopping may bring back earlier ones.

    Left out where rounding may decide which epoch was the best.
    """
    if keras.spec["early_stopping"] is None or tolerance.may_part(_lengths(keras, torch)[0]):
        return []
    last = max(keras.numbers("trajectory"))
    return [
        compare_close(
            f"{name} (restored)",
            keras[f"restored/{name}"],
            torch[f"restored/{name}"],
            allowed=tolerance.weights(last),
            scaled=tolerance.scaled,
            step=last,
        )
        for name in _parameters(keras)
    ]


def _parting(keras: Trace, torch: Trace) -> int | None:
    """The first epoch with different learning rates, or that only one half has; or None."""
    rates = zip_longest(*(half.history["learning_rate"] for half in (keras, torch)))
    return next((epoch for epoch, (a, b) in enumerate(rates) if a != b), None)


def _lengths(keras: Trace, torch: Trace) -> tuple[int, int]:
    return len(keras.history["learning_rate"]), len(torch.history["learning_rate"])


def _behaviour(keras: Trace, torch: Trace, tolerance: Tolerance) -> Level:
    """The verdict on the fit."""
    a, b = judge_trace(keras), judge_trace(torch)
    last = min(_lengths(keras, torch)) - 1
    train = tolerance.history("accuracy", last)
    gap = train + tolerance.history("val_accuracy", last)
    origin = "the same verdict"
    if a.verdict != b.verdict and "diverged" not in (a.verdict, b.verdict):
        # On the edge between two verdicts, rounding may decide which one it is.
        items = [
            compare_close(name, getattr(a, name), getattr(b, name), allowed=allowed)
            for name, allowed in (("train_accuracy", train), ("gap", gap))
        ]
        if all(item.status == PASS for item in items):
            origin += f"; {a.verdict} and {b.verdict} lie within the noise of each other"
            return _level("behaviour", origin, items)
    return _level("behaviour", origin, [compare_exact("verdict", a.verdict, b.verdict)])


def judge_trace(trace: Trace) -> Judgement:
    """Returns the verdict on the history of a run."""
    return judge_run(RunSpec.from_dict(trace.spec), trace.history, trace.facts)


def _parameters(trace: Trace) -> list[str]:
    return list(trace.facts["structure"]["parameters"])


LEVELS: dict[str, Callable[[Trace, Trace, Tolerance], Level]] = {
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
