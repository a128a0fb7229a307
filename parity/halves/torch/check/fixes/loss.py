"""Changes of a port's loss that Keras's loss and its regularisers suggest."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from parity.data.weight_names import short_name
from parity.halves.torch.check.fixes.made import changed_port, inner_loss
from parity.halves.torch.check.fixes.whole import (
    Suggestion,
    Together,
    Written,
    first_that_ends,
    is_ended,
    listed,
    other_than_default,
)
from parity.halves.torch.check.forced import forced_pass
from parity.halves.torch.check.loss import write_confident_loss
from parity.halves.torch.check.port_loss import Loss
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.comparers import loss as level
from parity.traces.trace import CheckWriter, TraceWriter
from torch_impl import losses, regularizers
from torch_impl.losses.configuration import LOSSES

_OWN = ("loss/confident/value", "loss/confident/gradient", "loss/own")


def loss_fix(port: PortUnderTest, form: str, writer: TraceWriter) -> tuple[Together, int] | None:
    """Returns what ends a difference of the loss, and how many changes were tried.

    Args:
        port: the port.
        form: of its output.
        writer: has the port's loss of given outputs.

    Returns:
        None if the loss agrees, or was not compared.
    """
    facts = writer.facts
    if port.built.loss is None or port.keras.facts["loss"] is None or port.outputs.names:
        return None
    written = CheckWriter({key: writer.arrays[key] for key in _OWN if key in writer.arrays})
    if not written.arrays or _agrees(port, written, facts):
        return None
    built = port.built

    def ends(some: Together) -> bool:
        port.built = changed_port(built, [one.change for one in some])
        try:
            return _agrees(port, _computed(port, form, facts), facts)
        finally:
            penalty = getattr(port.built.loss, "penalty", None)
            if penalty is not None and penalty is not getattr(built.loss, "penalty", None):
                penalty.remove()
            port.built = built

    singles = list(_settings(port))
    penalty, own = _penalty(port), _keras_loss(port, form)
    singles += [one for one in (penalty, own) if one is not None]
    singles += _huber(port, own)
    both = [(own, penalty)] if own is not None and penalty is not None else []
    more = [(one, penalty) for one in singles if one.takes and penalty is not None]
    return first_that_ends(singles, [*both, *more], ends)


def _agrees(port: PortUnderTest, writer: TraceWriter, facts: Mapping[str, Any]) -> bool:
    return is_ended(level.of_probe(port.keras, Written(writer, facts).as_trace))


def _computed(port: PortUnderTest, form: str, facts: Mapping[str, Any]) -> TraceWriter:
    """Returns the loss of given outputs, and that of Keras's outputs."""
    writer = CheckWriter()
    given = Loss(port, form)
    write_confident_loss(port, form, given, writer)
    found = forced_pass(port, "train", facts.get("style", ()), given)
    if found.loss is not None:
        writer.put("loss/own", found.loss)
    return writer


# --- suggestions ---------------------------------------------------------------------------------


def _settings(port: PortUnderTest) -> Iterator[Suggestion]:
    """Yields other settings of the port's own loss."""
    loss, config = inner_loss(port.built.loss), _config(port)
    is_sum = config.get("reduction") == "sum"
    delta = config.get("delta", 1.0)
    wanted = {
        "reduction": "sum" if is_sum else "mean",
        "label_smoothing": config.get("label_smoothing", 0.0),
        "weight": None,
        "pos_weight": None,
        "delta": delta,
        "beta": delta,
    }
    if type(loss).__module__.startswith("torch_impl."):
        wanted = {name: value for name, value in config.items() if name not in ("name", "dtype")}
    for name, value in wanted.items():
        if not hasattr(loss, name) or getattr(loss, name) is value:
            continue
        now = getattr(loss, name)
        if name in ("weight", "pos_weight") or now != value:
            kind = type(loss)
            first = "nn" if kind.__module__.startswith("torch.") else "torch_impl.losses"
            told = f"  # now {now!r}" if not hasattr(now, "shape") else ""
            text = f"loss = {first}.{kind.__name__}(..., {name}={value!r}){told}"
            yield Suggestion(text, {"loss": {"set": {name: value}}}, frozenset((name,)))


def _config(port: PortUnderTest) -> Mapping[str, Any]:
    config = port.keras.facts["loss"]["config"] or {}
    found = config.get("config")
    return found if isinstance(found, Mapping) else {}


def _keras_loss(port: PortUnderTest, form: str) -> Suggestion | None:
    """Returns Keras's loss; None if it is not known here."""
    facts = port.keras.facts
    told = facts["loss"]["config"] or {}
    name = told.get("class_name") or facts["loss"]["name"]
    name = told["config"] if name == "function" else name
    if name not in LOSSES or form == "log":
        return None
    kind = LOSSES[name]
    given = other_than_default(kind, _config(port))
    if form == "linear" and "from_logits" in inspect.signature(kind).parameters:
        given["from_logits"] = True
    weights = facts["loss"]["class_weight"]
    made = f"torch_impl.losses.{kind.__name__}({listed(given)})"
    text = f"loss = {made}"
    if weights is not None:
        by_label = {int(label): weight for label, weight in weights.items()}
        text = f"loss = {made}(output, y, sample_weight=sample_weights(y, {by_label}))"
    change = {
        "class": kind.__name__,
        "arguments": given,
        "shape": list(port.keras["forward/eval/output"].shape),
        "class_weight": weights,
    }
    assert hasattr(losses, kind.__name__)
    return Suggestion(text, {"loss": change})


def _huber(port: PortUnderTest, own: Suggestion | None) -> Iterator[Suggestion]:
    """Yields a Huber loss with the port's delta, which Keras's configuration does not have."""
    if own is None or own.change["loss"]["class"] != "Huber":
        return
    loss = inner_loss(port.built.loss)
    for name in ("beta", "delta"):
        delta = getattr(loss, name, None)
        if isinstance(delta, int | float):
            change = {**own.change["loss"], "arguments": {"delta": delta}}
            yield Suggestion(f"loss = nn.HuberLoss(delta={delta!r})", {"loss": change})


def _penalty(port: PortUnderTest) -> Suggestion | None:
    """Returns the penalties of Keras's layers; None if there are none, and none in the port."""
    names = {id(parameter): name for name, parameter in port.module.named_parameters()}
    weights: dict[str, Any] = {}
    nodes = {node["name"]: node for node in port.keras.facts["nodes"]}
    for item in port.carried:
        short = short_name(item.name).removesuffix("_kernel")
        config = nodes[item.node]["config"] if item.node in nodes else {}
        row = _regularizer(config.get(f"{short}_regularizer"))
        for tensor in item.variable.tensors if row is not None else ():
            if id(tensor) in names:
                weights[names[id(tensor)]] = row
    activities = {
        pair.call.name: row
        for pair in port.pairs
        if pair.call.module is not None
        and (row := _regularizer(pair.node["config"].get("activity_regularizer"))) is not None
    }
    if not (weights or activities or hasattr(port.built.loss, "penalty")):
        return None
    rows = ", ".join(f"{n!r}: {kind}({listed(given)})" for n, (kind, given) in weights.items())
    more = ", ".join(f"{n!r}: {kind}({listed(given)})" for n, (kind, given) in activities.items())
    told = f"module, {{{rows}}}" + (f", activities={{{more}}}" if more else "")
    text = f"loss = torch_impl.penalty.RegularizedLoss(loss, Penalty({told}))"
    return Suggestion(text, {"penalty": {"weights": weights, "activities": activities}})


def _regularizer(config: Any) -> list[Any] | None:
    """Returns the class and the arguments of a regulariser; None if it is not known here."""
    if not isinstance(config, Mapping) or not hasattr(regularizers, str(config.get("class_name"))):
        return None
    given = {name: value for name, value in config["config"].items() if name != "name"}
    return [config["class_name"], given]
