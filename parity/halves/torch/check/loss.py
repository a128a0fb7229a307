"""The loss of a port: its own or Keras's, the targets that it takes, and its gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from parity.data import probe_inputs
from parity.halves.torch.call import flat_tensors
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import as_returned, from_returned
from parity.traces.facts import known
from parity.traces.trace import PortWriter, keyed
from torch_impl.layers import activations
from torch_impl.losses import OutputLosses, from_config, sample_weights
from torch_impl.losses import logits as keras_logits
from torch_impl.losses.outputs import parts_of, takes_weights
from torch_impl.masks import mask_of, with_mask

# --- Outputs and targets that a loss broadcasts: (N, 1) against (N,) makes N x N numbers ----------
#
# torch broadcasts without an error, and Keras never does that with what `fit` gets. The functions
# that a loss calls are watched. The two shapes that meet come out.


Shapes = tuple[list[int], list[int]]  # of an output, and of a target

# Functions of pairs of entries. Others, such as a product of matrices, take two shapes as they are.
_BY_ENTRY = frozenset(
    (
        *("add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "true_divide"),
        *("pow", "maximum", "minimum", "fmax", "fmin", "where", "lerp", "logaddexp", "xlogy"),
        *("eq", "ne", "lt", "le", "gt", "ge", "addcmul", "logical_and", "logical_or"),
        *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss"),
        *("binary_cross_entropy", "binary_cross_entropy_with_logits", "soft_margin_loss"),
    )
)
_REFLECTED = ("rsub", "radd", "rmul", "rdiv", "rtruediv", "rpow", "truediv", "isub", "iadd", "imul")


@contextmanager
def watched_broadcasts(output: Any, target: Any) -> Iterator[list[Shapes]]:
    """Watches a loss inside the block; yields a list to which such pairs of shapes are added.

    Args:
        output: of the port: a tensor, or a nest of tensors.
        target: the same.
    """
    watch = _Watch(output, target)
    with watch:
        yield watch.found


class _Watch(TorchFunctionMode):
    def __init__(self, output: Any, target: Any) -> None:
        super().__init__()
        self.found: list[Shapes] = []
        self._alive = [output, target]  # so that no id is used twice
        self._kinds = {id(tensor): "target" for tensor in flat_tensors(target)}
        self._kinds |= {id(tensor): "output" for tensor in flat_tensors(output)}

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        made = function(*arguments, **(keywords or {}))
        given = flat_tensors((arguments, keywords or {}))
        kinds = {kind for x in given if (kind := self._kinds.get(id(x)))}
        if len(kinds) == 2 and _is_by_entry(function):
            self._compare(given)
        if kinds and isinstance(made, torch.Tensor):
            self._kinds[id(made)] = "output" if "output" in kinds else "target"
            self._alive.append(made)
        return made

    def _compare(self, given: list[torch.Tensor]) -> None:
        shapes = {self._kinds[id(x)]: x.shape for x in given if id(x) in self._kinds}
        output, target = shapes["output"], shapes["target"]
        try:
            both = math.prod(torch.broadcast_shapes(output, target))
        except RuntimeError:
            return
        if both > max(math.prod(output), math.prod(target)):
            self.found.append((list(output), list(target)))


def _is_by_entry(function: Any) -> bool:
    name = str(getattr(function, "__name__", "")).strip("_")
    return name in _BY_ENTRY or name in _REFLECTED


# --- What a port makes small: its own loss, or Keras's, called alike by all stages of a check -----
#
# A port and the form of its output go in; the loss of what the port returns comes out, for targets
# and weights of samples that the trace of Keras has.


Arrays = dict[str, np.ndarray]  # by the name of the output; of the only one by ""


class Loss:
    """What a port makes small: its own loss, or Keras's if it has none.

    Args:
        port: the port.
        form: of its only output.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: Keras's loss is not known here.
    """

    def __init__(self, port: PortUnderTest, form: str) -> None:
        self._port = port
        self._given: Any = port.built.loss
        self._substitute = _keras_loss(port, form) if self._given is None else None
        self._parts: dict[str, torch.Tensor] = {}
        self._broadcasts: list[Shapes] = []
        self._takes_whole: bool | None = None  # all that a module returns; not tried yet

    def last(self, purpose: str) -> torch.Tensor:
        """Returns the loss of what the port returned last, for Keras's targets of a batch.

        Args:
            purpose: of the batch: "probe", "step1", ...
        """
        return self.of(self._port.nest, purpose)

    def broadcasts(self, returned: Any, targets: Arrays) -> list[Shapes]:
        """Returns the pairs of shapes that the port's loss broadcasts.

        Args:
            returned: outputs, as the port returns them.
            targets: by the name of the output.

        Raises:
            Exception: whatever the loss raises.
        """
        self._broadcasts = []
        with torch.no_grad():
            self.for_targets(returned, targets)
        return self._broadcasts

    def of(self, returned: Any, purpose: str) -> torch.Tensor:
        """Returns the loss of outputs, as a port returns them, for targets of the trace."""
        targets = self.arrays(f"target/{purpose}")
        return self.for_targets(returned, targets, self.weights(f"weight/{purpose}"))

    def for_targets(self, returned: Any, targets: Arrays, weights: Any = None) -> torch.Tensor:
        """Returns the loss of outputs for given targets.

        Args:
            returned: outputs, as the port returns them.
            targets: by the name of the output.
            weights: of the samples: a tensor, or tensors by the name of the output.
        """
        if self._substitute is not None:
            return self._substitute(returned, targets, weights)
        port, built = self._port, self._port.built
        names = port.outputs.names
        target = port.target_of(dict(targets) if names else targets[""])
        if built.class_weight is not None:
            labels = port.tensor(targets[""])
            weights = sample_weights(labels, built.class_weight, getattr(torch, port.dtype))
        if not names:
            returned = self._of_one(returned, target, weights)
        elif not is_by_name(self._given) and built.target is None:
            target = port.outputs.like_returned(returned, target)
            weights = port.outputs.like_returned(returned, weights)
        value = self._said(returned, target, weights)
        if isinstance(value, torch.Tensor) and value.numel() != 1:
            raise ValueError(_several(self._given, value))
        self._parts = parts_of(self._given)
        return value

    @property
    def parts(self) -> dict[str, torch.Tensor]:
        """What the loss of each of several outputs said last, without its weight."""
        return self._parts if self._substitute is None else {}

    def _said(self, returned: Any, target: Any, weights: Any) -> torch.Tensor:
        """Returns what the port's loss says of outputs as the port returns them."""
        output = self._port.built.taken(returned)
        with watched_broadcasts(output, target) as found:
            value: torch.Tensor = self._given(output, target, **self._weighted(weights))
        self._broadcasts += found
        return value

    def _weighted(self, weights: Any) -> dict[str, Any]:
        """Returns the weights as an argument, if the loss has it; class weights it must have."""
        is_passed = self._port.built.class_weight is not None or takes_weights(self._given)
        return {} if weights is None or not is_passed else {"sample_weight": weights}

    def _of_one(self, returned: Any, target: Any, weights: Any) -> Any:
        """Returns what a loss of one output takes: the first tensor, or all that is returned."""
        port = self._port
        if isinstance(returned, torch.Tensor):
            return returned
        if self._takes_whole is None:
            try:
                with torch.no_grad():
                    made = self._said(returned, target, weights)
                self._takes_whole = isinstance(made, torch.Tensor)
            except Exception:  # the user's code may raise anything
                self._takes_whole = False
        return returned if self._takes_whole else port.outputs.raw(returned)[""]

    def arrays(self, key: str) -> Arrays:
        """Returns what the trace has under a key, by the name of the output."""
        keras, names = self._port.keras, self._port.outputs.names
        return {name: keras[f"{key}/{name}"] for name in names} if names else {"": keras[key]}

    def weights(self, key: str) -> Any:
        """Returns the weights of the samples that the trace has; None if there are none."""
        port, keras = self._port, self._port.keras
        loss_facts = known(keras.facts["loss"])
        if not loss_facts.get("sample_weight"):  # those of classes are the port's own
            return None
        if key in keras:
            return port.tensor(keras[key]).to(port.device)
        found = {
            name: port.tensor(keras[f"{key}/{name}"]).to(port.device)
            for name in port.outputs.names
            if f"{key}/{name}" in keras
        }
        return found or None


def _several(loss: Any, value: torch.Tensor) -> str:
    """Returns what is said of a loss that is several numbers; a check looks for its first words."""
    name = getattr(loss, "__name__", type(loss).__name__)
    return (
        f"the loss returned several numbers, a tensor of shape {tuple(value.shape)}, from {name}; "
        "expected one, the mean over all samples: return the .mean() of it, as Keras takes it"
    )


def is_by_name(loss: Any) -> bool:
    """Whether a loss takes targets by the names of outputs, in any order: `OutputLosses` does."""
    while loss is not None and not isinstance(loss, OutputLosses):
        loss = getattr(loss, "loss", None)
    return loss is not None


def _keras_loss(port: PortUnderTest, form: str) -> Callable[[Any, Arrays, Any], torch.Tensor]:
    """Returns Keras's loss."""
    facts = port.keras.facts
    loss_facts = known(facts["loss"])
    if port.outputs.names:
        outputs = known(loss_facts["outputs"])
        losses = {n: from_config(t["config"] or t["name"]) for n, t in outputs.items()}
        weights = {name: each["weight"] for name, each in outputs.items()}
        together = OutputLosses(losses, weights, port.outputs.names)

        def of_all(returned: Any, targets: Arrays, weights: Any) -> torch.Tensor:
            tensors = {name: port.tensor(y).to(port.device) for name, y in targets.items()}
            value: torch.Tensor = together(port.outputs.each(returned), tensors, weights)
            return value

        return of_all
    loss = from_config(loss_facts["config"] or loss_facts["name"])
    by_class = loss_facts["class_weight"]
    by_label = None if by_class is None else {int(key): float(w) for key, w in by_class.items()}

    def of_one(returned: Any, targets: Arrays, weights: Any) -> torch.Tensor:
        output = port.outputs.raw(returned)[""]
        mask, logits = mask_of(output), getattr(output, "_keras_logits", None)
        shape = port.keras["forward/eval/output"].shape
        output = from_returned(output, shape, port.returned)
        if logits is not None:  # which turning loses
            output = keras_logits.carrying(output, from_returned(logits, shape, port.returned))
        output = activated(output, form, facts.get("output_activation"))
        labels = port.tensor(targets[""]).to(port.device)
        if by_label is not None:
            weights = sample_weights(labels, by_label, getattr(torch, port.dtype))
        value: torch.Tensor = loss(output, labels, weights, mask=mask)
        return value

    return of_one


def activated(output: torch.Tensor, form: str, name: str | None) -> torch.Tensor:
    """Returns an output as Keras's model returns it.

    Args:
        output: of the port.
        form: what it is: "linear", "log" or another word of `output_form`.
        name: of the activation at the end of Keras's model, or None.
    """
    if form == "linear" and name == "softmax":
        return keras_logits.softmax(output)
    if form == "linear" and name == "sigmoid":
        return keras_logits.sigmoid(output)
    return output.exp() if form == "log" else output


# --------------------------------------------------------------------------------------------------
#
# The form of targets that a port's loss takes: `fit` takes more than one, and a loss has one.
#
# One number a sample is (N,) or (N, 1): as `fit` gets it, unless the loss refuses that. A loss that
# takes it and broadcasts does so in the training of the port, too. Where nobody knows what `fit`
# gets, it is the form that does not. Targets that are like an output, such as images, are in
# Keras's layout, or in that of the port's output if the loss refuses Keras's. `Port(target=...)`
# says how the port's own training changes them.


# of a sample, by the name of the output; of the only one by ""
TargetShapes = dict[str, tuple[int, ...]]


def see_targets(port: PortUnderTest, loss: Loss) -> None:
    """Finds the form that the loss takes, in which targets are fed from then on.

    Args:
        port: has been called with the probe.
        loss: of the port.
    """
    port.target_axes, port.turned_targets = {}, {}
    if port.built.loss is None:
        return
    with torch.no_grad():
        port.target_axes = _target_axes(port, loss)
        if port.built.output is None and port.built.target is None:
            port.turned_targets = _turned(port, loss)


def _target_axes(port: PortUnderTest, loss: Loss) -> dict[str, int]:
    """Returns the number of axes in which targets of one number a sample are fed, by output."""
    targets = loss.arrays("target/probe")
    known_axes = known(port.keras.facts["loss"]).get("target_axes", {})
    single = [name for name, y in targets.items() if y.shape[1:] in ((), (1,))]
    given = {name: known_axes[name] for name in single if known_axes.get(name) in (1, 2)}
    recorded = {name: targets[name].ndim for name in single}
    other = {name: 3 - axes for name, axes in recorded.items()}
    broadcasting: list[dict[str, int]] = []
    for port.target_axes in ([given] if given else []) + [recorded, other]:
        shapes = _broadcasts(port, loss, targets)
        if shapes == [] or (shapes and port.target_axes == given):
            return port.target_axes
        broadcasting += [port.target_axes] if shapes else []
    return next(iter(broadcasting), {})


def _broadcasts(port: PortUnderTest, loss: Loss, targets: Arrays) -> list[Shapes] | None:
    """Returns the shapes that the loss broadcasts for targets as they are fed; None: it raises.

    A loss that squeezes a column fails for the one label of the last batch, not for many.
    """
    found: list[Shapes] = []
    is_one = isinstance(port.nest, torch.Tensor)
    try:
        for rows in (slice(0, 1), slice(None)) if is_one else (slice(None),):
            output = port.output[rows] if is_one else port.nest
            found = loss.broadcasts(output, {name: y[rows] for name, y in targets.items()})
    except Exception:  # the user's code may raise anything
        return None
    return found


def _turned(port: PortUnderTest, loss: Loss) -> TargetShapes:
    """Returns which targets the loss needs as the port returns its outputs, and their shapes.

    Both layouts of a cube have one shape, and nothing broadcasts: the nearer loss decides.
    """
    targets = loss.arrays("target/probe")
    weights = loss.weights("weight/probe")
    shapes = _shapes(port, targets)
    if not shapes or "loss/value" not in port.keras:
        return {}
    errors = []
    for port.turned_targets in ({}, shapes):
        try:
            value = float(loss.for_targets(port.nest, targets, weights))
            error = abs(value - float(port.keras["loss/value"]))
            errors.append(math.inf if math.isnan(error) else error)
        except Exception:  # the user's code may raise anything
            errors.append(math.inf)
    is_cube = all(targets[name].shape[1:] == shape for name, shape in shapes.items())
    return shapes if errors[1] < errors[0] and (is_cube or errors[0] == math.inf) else {}


def _shapes(port: PortUnderTest, targets: Arrays) -> TargetShapes:
    """Returns the shapes of the outputs whose targets would have their axes in another order.

    No axis is left out: a target (N, 1) beside an output (N,) broadcasts in training, too.
    """
    found: TargetShapes = {}
    for name, output in port.outputs.raw(port.nest).items():
        target = targets.get(name)
        if target is None or target.ndim < 3 or output.ndim != target.ndim:
            continue
        turned = as_returned(target, output.shape, None if name else port.returned)
        if turned.shape != target.shape or not np.array_equal(turned, target):
            found[name] = tuple(output.shape[1:])
    return found


# --- The loss of a port for extreme outputs, without the module -----------------------------------
#
# A port and the form of its output go in; `loss/confident/…` comes out.


def write_confident_loss(port: PortUnderTest, form: str, loss: Loss, writer: PortWriter) -> None:
    """Writes the loss of given extreme outputs, without the model."""
    returned = port.nest
    raw = port.outputs.raw(returned)
    linear, made = {}, {}
    for name, raw_output in raw.items():
        given = _ConfidentOutput(port, name, raw_output.detach(), form)
        linear[name], output = given.linear, given.output()
        if output is None:  # a function of the user
            return
        # The batch is as large as that of the probe if Keras's outputs have a mask.
        mask = mask_of(raw_output) if len(raw_output) == len(output) else None
        made[name] = output if mask is None else with_mask(output, mask)
    targets = loss.arrays("loss/confident/target")
    outputs = port.outputs.like(returned, made)
    value = loss.for_targets(outputs, targets, loss.weights("weight/confident"))
    writer.put("loss/confident/value", float(value.detach()))
    for name, part in loss.parts.items():
        writer.put(f"loss/confident/of/{name}", float(part))
    value.sum().backward()
    for name, tensor in linear.items():
        key = keyed("loss/confident/gradient", name)
        slope = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        axes = None if name else port.returned
        writer.put(key, from_returned(slope.cpu(), port.keras[key].shape, axes).numpy())


class _ConfidentOutput:
    """Given outputs of extreme confidence, as a port returns them."""

    def __init__(self, port: PortUnderTest, name: str, output: torch.Tensor, form: str) -> None:
        key = keyed("loss/confident/linear", name)
        array = port.keras[key]
        given = as_returned(array, output.shape, None if name else port.returned)
        self.linear = port.tensor(given).to(port.device).requires_grad_()
        self._axis = -1 if np.array_equal(given, array) else 1
        self._form = port.outputs.forms.get(name, "same") if name else form
        self._has_logits = hasattr(port.outputs.raw(port.nest)[name], "_keras_logits")
        self._is_activated = name in port.keras.facts.get("activated", ())
        self._name = port.outputs.activation_of(name) if name else None
        if not name:
            self._name = port.keras.facts.get("output_activation")

    def output(self) -> torch.Tensor | None:
        """Returns them after the activation, if the port has it; None if it is not known."""
        linear, name = self.linear, self._name
        if self._is_activated:  # a port without the activation needs what went into it
            return None if self._form == "linear" else linear
        if self._form == "linear" or name is None:
            return linear
        if name == "softmax":
            # If the port's softmax carries its logits, as Keras's does, the loss looks for them.
            softmax = keras_logits.softmax if self._has_logits else torch.softmax
            is_log = self._form == "log"
            return linear.log_softmax(self._axis) if is_log else softmax(linear, self._axis)
        if name == "sigmoid" and self._has_logits:
            return keras_logits.sigmoid(linear)
        if name not in activations.ACTIVATIONS:
            return None
        return activations.activation(name)(linear)


# --- The loss and the gradients of a port in train mode, forward and back -------------------------
#
# Keras's batch and masks go in; the loss and the gradient of every parameter come out.


def write_gradients(port: PortUnderTest, loss: Loss, writer: PortWriter) -> None:
    """Writes the loss and the gradients of one pass in train mode."""
    port.module.zero_grad()
    port.forward("train", "probe", training=True, is_kept=False)
    value = loss.last("probe")
    writer.put("loss/value", float(value.detach()))
    for name, part in loss.parts.items():
        writer.put(f"loss/of/{name}", float(part))
    if value.requires_grad or not _is_constant(port):
        value.backward()
    for name, gradient in port.gradients().items():
        if f"gradient/{name}" in port.keras:
            writer.put(f"gradient/{name}", probe_inputs.sampled(gradient))
    if not value.requires_grad:  # nor does Keras's loss depend on a weight
        for item in port.carried:
            key = f"gradient/{item.name}"
            if key in port.keras and key not in writer.arrays:
                writer.put(key, np.zeros_like(port.keras[key]))


def _is_constant(port: PortUnderTest) -> bool:
    """Whether Keras's loss depends on no weight: it has none, or its output is of whole numbers."""
    keys = [f"gradient/{name}" for name in port.keras.facts["weights"]]
    return not any(port.keras.largest(key) for key in keys if key in port.keras)
