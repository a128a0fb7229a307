"""run_probe: writes every level of the ladder below the trajectory into a trace.

It makes the same calls in the same order as `keras_impl/harness/probe.py`, so that both halves draw
the same masks. Levels from structure to optimizer are computed in float64, where a difference is
not rounding but another computation. The feed has the dtype of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.data.dataset import Data
from parity.data.probe_batch import (
    NUM_FEED_EPOCHS,
    NUM_FEED_IMAGES,
    NUM_MASKS,
    NUM_PROBE_STEPS,
    PROBE_STEPS,
    probe_batch,
    probe_step_batch,
)
from parity.programs.run_spec import RunSpec
from parity.traces.trace import TraceWriter
from torch_impl.data import to_tensors, training_data
from torch_impl.layers import Dropout, Flatten
from torch_impl.losses import SparseCategoricalCrossentropy
from torch_impl.models import build_model
from torch_impl.optim import Adam
from torch_impl.penalty import RegularizedLoss, kernel_l2
from torch_impl.regularizers import L2
from torch_impl.weights import get_weights, named_parameters, to_portable

KINDS: dict[type[nn.Module], str] = {
    nn.Conv2d: "conv",
    nn.MaxPool2d: "pool",
    Dropout: "dropout",
    Flatten: "flatten",
    nn.Linear: "dense",
}


def run_probe(spec: RunSpec, data: Data, writer: TraceWriter) -> None:
    """Writes masks, feed, structure, init, forward, loss, gradient and optimizer of a spec.

    Args:
        spec: the run, which is not trained here.
        data: the arrays of the run.
        writer: receives `mask/...`, `feed/...`, `init/...`, `forward/...`, `loss/...`,
            `gradient/...`, `optimizer/...`, and the facts `structure` and `settings`.
    """
    _write_masks_and_feed(spec, data, writer)
    spec = spec.replace(dtype="float64")
    model, _ = build_model(spec, data.input_shape, data.num_classes)
    criterion = RegularizedLoss(
        SparseCategoricalCrossentropy(from_logits=True), kernel_l2(model, spec.l2)
    )
    optimizer = Adam(
        model.parameters(), learning_rate=spec.learning_rate, weight_decay=spec.weight_decay
    )
    writer.facts["structure"] = _structure(model, spec, data)
    writer.facts["settings"] = _settings(model, criterion, optimizer)
    writer.put_all("init", get_weights(model))
    x, y = to_tensors(spec, *probe_batch(spec, data))
    for mode in ("eval", "train"):
        model.train(mode == "train")
        with torch.no_grad():
            outputs = layer_outputs(model, x)
            writer.put(f"loss/{mode}", float(criterion(outputs.pop("logits"), y)))
        writer.put_all(f"forward/{mode}", {name: _portable(out) for name, out in outputs.items()})
    model.train()
    loss = criterion(model(x), y)
    loss.backward()
    writer.put("loss/gradient", float(loss.detach()))
    writer.put_all("gradient", _gradients(model))
    _write_optimizer(spec, data, model, criterion, optimizer, writer)


def layer_outputs(model: nn.Sequential, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Returns the output of every layer, after the activation that follows it.

    The last Dense layer appears twice: as "logits", and after the softmax under its own name.
    """
    outputs: dict[str, torch.Tensor] = {}
    name = ""
    for child_name, layer in model.named_children():
        x = layer(x)
        if not isinstance(layer, nn.ReLU):
            name = child_name
        outputs[name] = x
    return {**outputs, name: x.softmax(1), "logits": x}


def _write_masks_and_feed(spec: RunSpec, data: Data, writer: TraceWriter) -> None:
    model, seeds = build_model(spec, data.input_shape, data.num_classes)
    _write_masks(spec, data, model, writer)
    batches = training_data(spec, data, seeds)
    for epoch in range(min(spec.epochs, NUM_FEED_EPOCHS)):
        fed = list(batches)
        writer.put(f"feed/{epoch}/index", torch.cat([batch.index for batch in fed]).numpy())
        writer.put(f"feed/{epoch}/labels", torch.cat([batch.y for batch in fed]).cpu().numpy())
        images = torch.cat([batch.x for batch in fed])[:NUM_FEED_IMAGES]
        writer.put(f"feed/{epoch}/images", _portable(images))
        for name in fed[0].params or ():
            values = np.concatenate([batch.params[name] for batch in fed if batch.params])
            writer.put(f"feed/{epoch}/{name}", values.astype(np.float64))


def _write_masks(spec: RunSpec, data: Data, model: nn.Sequential, writer: TraceWriter) -> None:
    """Writes what each Dropout keeps of a batch of ones, for a few calls in the run's dtype."""
    outputs = _shapes(model, spec, data)
    for name, layer in model.named_children():
        if isinstance(layer, Dropout):
            ones = torch.ones_like(outputs[name]).expand(spec.batch_size, *outputs[name].shape[1:])
            layer.train()
            masks = [_portable(layer(ones)) > 0 for _ in range(NUM_MASKS)]
            writer.put(f"mask/{name}", np.stack(masks))


def _shapes(model: nn.Sequential, spec: RunSpec, data: Data) -> dict[str, torch.Tensor]:
    """Returns the output of every layer for one black image."""
    height, width, channels = data.input_shape
    dtype = next(model.parameters()).dtype
    image = torch.zeros(1, channels, height, width, dtype=dtype, device=spec.device)
    model.eval()
    with torch.no_grad():
        return layer_outputs(model, image)


def _structure(model: nn.Sequential, spec: RunSpec, data: Data) -> dict[str, Any]:
    """Describes the network in names that both halves share."""
    outputs = _shapes(model, spec, data)
    children = list(model.named_children())
    layers = []
    for number, (name, layer) in enumerate(children):
        if isinstance(layer, nn.ReLU):
            continue
        is_last = number == len(children) - 1
        is_activated = not is_last and isinstance(children[number + 1][1], nn.ReLU)
        facts: dict[str, Any] = {
            "name": name,
            "kind": KINDS[type(layer)],
            "output_shape": list(_portable(outputs[name]).shape[1:]),
        }
        if isinstance(layer, nn.Conv2d | nn.Linear):
            # In Keras the softmax is the activation of the last layer; here it is in the loss.
            facts["activation"] = "softmax" if is_last else "relu" if is_activated else "linear"
        layers.append(facts)
    return {
        "layers": layers,
        "parameters": {name: list(value.shape) for name, value in get_weights(model).items()},
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
    }


def _settings(
    model: nn.Sequential,
    criterion: RegularizedLoss,
    optimizer: torch.optim.Optimizer,
) -> dict[str, Any]:
    """Returns the settings of each part. Each is compared at the level where it acts."""
    group = optimizer.param_groups[0]
    return {
        "layers": {
            name: {"rate": layer.rate}
            for name, layer in model.named_children()
            if isinstance(layer, Dropout)
        },
        "l2": {
            name.removesuffix(".weight"): regularizer.l2
            for name, regularizer in criterion.penalty.weights.items()
            if isinstance(regularizer, L2)
        },
        "optimizer": {
            "name": type(optimizer).__name__.lower(),
            "learning_rate": group["lr"],
            "beta_1": group["betas"][0],
            "beta_2": group["betas"][1],
            "epsilon": group["eps"],
            "weight_decay": group["weight_decay"],
        },
    }


def _write_optimizer(
    spec: RunSpec,
    data: Data,
    model: nn.Sequential,
    criterion: RegularizedLoss,
    optimizer: torch.optim.Optimizer,
    writer: TraceWriter,
) -> None:
    losses = []
    for step in range(1, NUM_PROBE_STEPS + 1):
        x, y = to_tensors(spec, *probe_step_batch(spec, data, step))
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if step in PROBE_STEPS:
            writer.put_all(f"optimizer/{step}/weights", get_weights(model))
            for slot, key in (("momentum", "exp_avg"), ("velocity", "exp_avg_sq")):
                for name, parameter, layer in named_parameters(model):
                    value = to_portable(optimizer.state[parameter][key], layer)
                    writer.put(f"optimizer/{step}/{slot}/{name}", value)
    writer.put("optimizer/losses", np.array(losses))


def _gradients(model: nn.Sequential) -> Mapping[str, np.ndarray]:
    gradients = {}
    for name, parameter, layer in named_parameters(model):
        assert parameter.grad is not None
        gradients[name] = to_portable(parameter.grad, layer)
    return gradients


def _portable(output: torch.Tensor) -> np.ndarray:
    """Moves the channels of (N, C, H, W) last; (N, C) stays as it is."""
    return output.movedim(1, -1).detach().cpu().numpy()
