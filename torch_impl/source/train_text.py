"""train.py: loss, optimizer, schedules, callbacks and metrics of a Keras program as source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from torch_impl import losses, metrics, optim, schedule
from torch_impl.keras_config.planned import Planned
from torch_impl.optim.arguments import DEFAULTS
from torch_impl.source.form import arguments, literal, order_of, told
from torch_impl.source.wrapping import WIDTH, wrapped

_IN_CALLBACKS = ("ReduceLROnPlateau", "EarlyStopping")
_MODULES = {
    "activations": "torch_impl.layers",
    "draw_initial": "torch_impl.initial_weights",
    "SEED": "torch_impl.initial_weights",
    "SKIPPED": "torch_impl.initial_weights",
    "Penalty": "torch_impl.penalty",
    "RegularizedLoss": "torch_impl.penalty",
}


def train_text(
    facts: Mapping[str, Any],
    initial: Sequence[str],
    penalties: Mapping[str, str],
    feed: Sequence[str],
    package: str,
    class_name: str,
) -> tuple[str, list[str]]:
    """Returns the source of train.py, and a sentence for each part that it lacks.

    Args:
        facts: of the trace of the Keras half.
        initial: statements that draw the initial weights of `model` from `seeds`.
        penalties: name of a parameter -> source of its regulariser.
        feed: source of the argument of the module for each input, if not all are as `Port` has it.
        package: name of the package.
        class_name: of the module.
    """
    left_out: list[str] = []
    body = ["    seeds = KerasSeeds(torch.initial_seed())", f"    model = {class_name}()"]
    body += [line for text in initial for line in wrapped(f"    {text}")]
    given = {"module": "model"}
    loss = _loss(facts, left_out)
    if loss is not None and penalties:
        inner = ", ".join(f'"{name}": {text}' for name, text in penalties.items())
        body += wrapped(f"    penalty = Penalty(model, {{{inner}}})")
        loss = f"RegularizedLoss({loss}, penalty)" if not loss.startswith("{") else loss
        if loss.startswith("{"):
            left_out.append("the penalties of the weights: there are several losses")
    optimizer = _optimizer(facts, left_out)
    if loss is not None:
        given["loss"] = loss
    if optimizer is not None:
        body += wrapped(f"    optimizer = {optimizer}")
        given["optimizer"] = "optimizer"
    schedulers, stopping = _callbacks(facts, left_out)
    if schedulers:
        given["scheduler"] = schedulers[0] if len(schedulers) == 1 else f"[{', '.join(schedulers)}]"
    if stopping:
        given["early_stopping"] = stopping
    measured = _metrics(facts, left_out)
    given |= measured
    weights = (facts.get("loss") or {}).get("outputs")
    if weights and any(each["weight"] != 1.0 for each in weights.values()):
        given["loss_weights"] = literal_map({k: v["weight"] for k, v in weights.items()})
    names = [each["name"] for each in facts.get("outputs") or []]
    if len(names) > 1:
        given["output_names"] = literal(names).replace("(", "[").replace(")", "]")
    if feed:
        given["feed"] = "feed"
    if (facts.get("loss") or {}).get("class_weight"):
        pairs = ", ".join(f"{k}: {v}" for k, v in facts["loss"]["class_weight"].items())
        given["class_weight"] = f"{{{pairs}}}"
    given["seeds"] = "seeds"
    told_port = ", ".join(f"{name}={text}" for name, text in given.items() if name != "module")
    body += wrapped(f"    return Port(model, {told_port})")
    fit = facts["program"]["fit"]
    source = _TEMPLATE.format(
        package=package,
        class_name=class_name,
        imports=_imports("\n".join(body)),
        feed="\n".join(feed) + "\n\n\n" if feed else "",
        body="\n".join(body),
        batch_size=fit.get("batch_size") or 32,
        epochs=fit.get("epochs") or 1,
    )
    return source, left_out


def _imports(body: str) -> str:
    names = {"KerasSeeds", "Port", "Trainer"}
    names |= {
        name
        for name in ("layers", "losses", "metrics", "optim", "schedule", "initializers")
        if f"{name}." in body
    }
    if "regularizers." in body:
        names.add("regularizers")
    lines = _import("torch_impl", names)
    by_module: dict[str, list[str]] = {}
    for name, module in _MODULES.items():
        if f"{name}(" in body or f", {name})" in body:
            by_module.setdefault(module, []).append(name)
    for module in sorted(by_module):
        lines += _import(module, by_module[module])
    return "\n".join(lines)


def _import(module: str, names: Iterable[str]) -> list[str]:
    inner = sorted(names, key=_sorting)
    line = f"from {module} import {', '.join(inner)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *(f"    {name}," for name in inner), ")"]


def _sorting(name: str) -> tuple[int, str]:
    """The order of ruff: constants, classes, then the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _loss(facts: Mapping[str, Any], left_out: list[str]) -> str | None:
    told_loss = facts.get("loss")
    if told_loss is None:
        return None
    outputs = told_loss.get("outputs")
    if outputs:
        parts = []
        for name, each in outputs.items():
            text = _one_loss(each["name"], each["config"], left_out)
            parts.append(f'"{name}": {text}')
        return f"{{{', '.join(parts)}}}"
    return _one_loss(told_loss["name"], told_loss["config"], left_out)


def _one_loss(name: str, config: Mapping[str, Any], left_out: list[str]) -> str | None:
    """Returns the source of a loss, by its name and what `keras.losses.serialize` says of it."""
    class_name = config.get("class_name", name)
    kind = losses.LOSSES.get(class_name) or losses.LOSSES.get(name)
    if kind is None:
        left_out.append(f"the loss {name!r}: it is none of Keras's")
        return None
    settings = dict(config.get("config") or {}) if class_name in losses.LOSSES else {}
    return _call("losses", kind, {k: v for k, v in settings.items() if k not in ("name", "dtype")})


def _optimizer(facts: Mapping[str, Any], left_out: list[str]) -> str | None:
    told_optimizer = facts.get("optimizer")
    if told_optimizer is None:
        return None
    kind = getattr(optim, told_optimizer["class"], None)
    if kind is None:
        left_out.append(f"the optimizer {told_optimizer['class']!r}: it is none of Keras's")
        return None
    config = dict(told_optimizer["config"])
    rate = config.pop("learning_rate", 0.001)
    known = {*_names(kind), *DEFAULTS}
    settings = {
        key: value
        for key, value in config.items()
        if key in known and key != "name" and (key not in DEFAULTS or DEFAULTS[key] != value)
    }
    if not config.get("use_ema"):
        settings.pop("ema_momentum", None)
    rest = _settings(kind, settings)
    return f"optim.{kind.__name__}(model.parameters(), learning_rate={_rate(rate, left_out)}{rest})"


def _settings(kind: Any, settings: Mapping[str, Any]) -> str:
    planned = told(Planned(kind, **settings))
    text = arguments(*planned.arguments, **planned.settings)
    return f", {text}" if text else ""


def _names(kind: Any) -> dict[str, int]:
    """Returns the names of the arguments of a class."""
    return order_of(Planned(kind))


def _rate(rate: Any, left_out: list[str]) -> str:
    if not isinstance(rate, Mapping):
        return literal(short(rate))
    kind = getattr(schedule, str(rate.get("class_name")), None)
    if kind is None:
        left_out.append(f"the schedule {rate.get('class_name')!r}: it is none of Keras's")
        return "0.001"
    settings = {k: v for k, v in rate["config"].items() if k != "name"}
    return _call("schedule", kind, {k: short(v) for k, v in settings.items()})


def short(value: Any) -> Any:
    """Returns a number that was rounded to float32 as it was written."""
    if isinstance(value, list | tuple):
        return tuple(short(each) for each in value)
    if not isinstance(value, float):
        return value
    short = float(f"{value:.7g}")
    return short if np.float32(short) == np.float32(value) and abs(short - value) < 1e-7 else value


def _callbacks(facts: Mapping[str, Any], left_out: list[str]) -> tuple[list[str], str | None]:
    schedulers, stopping = [], None
    told_schedule = facts.get("schedule") or {}
    for each in told_schedule.get("callbacks", []):
        settings = {key: value for key, value in each.items() if key != "class"}
        if each["class"] == "ReduceLROnPlateau":
            known = _names(schedule.ReduceLROnPlateau)
            own = {k: v for k, v in settings.items() if k in known}
            text = _settings(schedule.ReduceLROnPlateau, own)
            schedulers.append(f"schedule.ReduceLROnPlateau(optimizer{text})")
        elif each["class"] == "EarlyStopping":
            known = _names(schedule.EarlyStopping)
            own = {k: v for k, v in settings.items() if k in known}
            text = _settings(schedule.EarlyStopping, own)
            stopping = f"schedule.EarlyStopping(model{text})"
        else:
            left_out.append(f"the callback {each['class']}: its function is code of the program")
    for name in told_schedule.get("not_compared", []):
        left_out.append(f"the callback {name}: it is code of the program, or changes no number")
    return schedulers, stopping


def _metrics(facts: Mapping[str, Any], left_out: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind, values in (facts.get("metrics") or {}).items():
        if isinstance(values, Mapping):
            parts = {name: _metric_list(each, left_out) for name, each in values.items()}
            if any(part != "[]" for part in parts.values()):
                inner = ", ".join(f'"{name}": {part}' for name, part in parts.items())
                found[kind] = f"{{{inner}}}"
        elif values:
            found[kind] = _metric_list(values, left_out)
    return found


def _metric_list(values: Sequence[Any], left_out: list[str]) -> str:
    parts = []
    for value in values:
        if isinstance(value, str):
            parts.append(literal(value))
            continue
        try:
            made = metrics.from_config(value)
        except (ValueError, TypeError) as error:
            left_out.append(f"the metric {value.get('class_name')!r}: {error}")
            continue
        settings = {k: v for k, v in (value.get("config") or {}).items() if k not in ("dtype",)}
        if value["class_name"] != type(made).__name__:
            left_out.append(f"the metric {value['class_name']!r}: it has no class here")
            continue
        parts.append(_call("metrics", type(made), settings))
    return f"[{', '.join(parts)}]"


def _call(module: str, kind: Any, settings: Mapping[str, Any]) -> str:
    known = _names(kind)
    planned = told(Planned(kind, **{k: v for k, v in settings.items() if k in known}))
    return f"{module}.{kind.__name__}({arguments(*planned.arguments, **planned.settings)})"


def literal_map(values: Mapping[str, Any]) -> str:
    """Returns a dictionary as source."""
    return "{" + ", ".join(f'"{name}": {literal(value)}' for name, value in values.items()) + "}"


_TEMPLATE = '''"""Trains the network as the Keras program does.

    python -m {package}.train data.npz --seed 42

The file has x, y, and if there is validation x_val and y_val, in Keras's layout.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
{imports}

from {package}.model import {class_name}

WEIGHTS = Path(__file__).with_name("weights.safetensors")


{feed}def build() -> Port:
    """Returns the network with all that trains it, from the seed of torch."""
{body}


def load_weights(model: {class_name}) -> {class_name}:
    """Gives a network the weights that the Keras model had."""
    missing, unknown = model.load_state_dict(load_file(WEIGHTS), strict=False)
    # A layer that draws has a seed and a count, which are no weights.
    missing = [name for name in missing if not name.endswith("_extra_state")]
    if missing or unknown:
        raise ValueError(f"{{WEIGHTS}}: {{missing}} are missing, {{unknown}} are unknown")
    return model


def epoch(port: Port, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Makes a step for each batch, as `Trainer` does, without its metrics."""
    port.module.train()
    for x, y in batches:
        port.optimizer.zero_grad()
        port.loss(port.module(x), y).backward()
        port.optimizer.step()


def main() -> None:
    """Trains as `fit` does: the same order of samples, masks, rates and stops."""
    parser = argparse.ArgumentParser(description="Trains the network as Keras does.")
    parser.add_argument("data", type=Path, help="a .npz file with x and y")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--epochs", type=int, default={epochs})
    parser.add_argument("--batch-size", type=int, default={batch_size})
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--out", type=Path, help="file for the trained weights")
    given = parser.parse_args()
    torch.set_default_dtype(getattr(torch, given.dtype))
    torch.manual_seed(given.seed)
    port = build()
    data = np.load(given.data)
    validation = (data["x_val"], data["y_val"]) if "x_val" in data else None
    history = Trainer(port).fit(
        data["x"],
        data["y"],
        batch_size=given.batch_size,
        epochs=given.epochs,
        validation_data=validation,
    )
    for name, values in history.history.items():
        print(name, *(f"{{value:.6g}}" for value in values))
    if given.out is not None:
        torch.save(port.module.state_dict(), given.out)


if __name__ == "__main__":
    main()
'''
