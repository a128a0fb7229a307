"""The outputs of a port, as Keras's model returns them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from parity.errors import InputError
from parity.halves.torch.call import first_tensor
from parity.halves.torch.port.portable import from_returned
from parity.traces.facts import Notice
from parity.traces.trace import Trace
from torch_impl.losses import logits
from torch_impl.losses.logits import carrying
from torch_impl.losses.outputs import by_output, names_in
from torch_impl.masks import mask_of, with_mask
from torch_impl.port import Port

# --------------------------------------------------------------------------------------------------
#
# What a module returns, as a nest of outputs: its parts by name, and the same nest with others.
#
# A port returns one tensor, a tuple or list in the order of its output names, or a mapping by them,
# nested like that of Keras's model. What it returns beside Keras's outputs stays in its place.


def with_parts(returned: Any, names: Sequence[str], by_name: Mapping[str, Any]) -> Any:
    """Returns a nest like the one that a module returned, with other things for its outputs.

    Args:
        returned: by the module.
        names: of its outputs, in the order in which it returns them; none: there is one, the first
            tensor.
        by_name: what takes the place of each output; of the only one by the name "".
    """
    rest = list(names) or [""]

    def next_in(nest: Any) -> Any:
        if not rest:
            return nest
        if isinstance(nest, Mapping):
            parts = {key: next_in(part) for key, part in nest.items()}
            return _like(nest, parts)
        if isinstance(nest, tuple | list):
            parts_in_order = [next_in(part) for part in nest]
            return _of_kind(nest, parts_in_order)
        return by_name[rest.pop(0)] if isinstance(nest, torch.Tensor) else nest

    if isinstance(returned, Mapping) and names:
        return _by_path(returned, by_name, ())
    return next_in(returned)


def _by_path(nest: Mapping[str, Any], by_name: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found = {}
    for key, part in nest.items():
        here = (*path, str(key))
        found[key] = by_name.get("/".join(here), part)
        if "/".join(here) in by_name:
            continue
        if isinstance(part, Mapping):
            found[key] = _by_path(part, by_name, here)
        elif isinstance(part, tuple | list):
            rows = {str(number): each for number, each in enumerate(part)}
            found[key] = _of_kind(part, list(_by_path(rows, by_name, here).values()))
    return _like(nest, found)


def _like(nest: Mapping[str, Any], parts: dict[str, Any]) -> Any:
    """Returns a mapping of the same kind; a class of the user's own may be a mapping."""
    if type(nest) is dict:
        return parts
    build: Callable[..., Any] = type(nest)
    try:
        return build(**parts)
    except TypeError:
        return parts


def _of_kind(nest: Sequence[Any], parts: list[Any]) -> Any:
    return type(nest)(*parts) if hasattr(nest, "_fields") else type(nest)(parts)  # type: ignore[call-arg]


# --- Several outputs of a port, as Keras's model returns them -------------------------------------
#
# What a module returns goes in. One tensor comes out, (N, values of all outputs), in Keras's order
# and layout, each output after the activation that Keras's model ends with.


# What a port may leave out at the end of an output, by the name of Keras's activation.
_LEFT_OUT: dict[str, dict[str, Callable[[torch.Tensor], torch.Tensor]]] = {
    "softmax": {"linear": logits.softmax, "log": torch.exp},
    "sigmoid": {"linear": logits.sigmoid},
}


def may_return(activation: str | None, loss: Mapping[str, Any] | None) -> frozenset[str]:
    """Returns what a port without a loss may return for an output: "linear", "log", or neither.

    It has Keras's loss then. Whether the loss of its own training takes logits is not known, unless
    Keras's is one for which torch has a loss of logits, or of logarithms.

    Args:
        activation: at the end of Keras's output.
        loss: of that output in Keras: its name and configuration; None: it has none.
    """
    left_out = frozenset(_LEFT_OUT.get(activation or "", ()))
    name = str((loss or {}).get("name") or "")
    config = (loss or {}).get("config")
    if "crossentropy" in name and not (isinstance(config, Mapping) and config.get("from_logits")):
        return left_out
    return left_out & {"log"} if "kl_divergence" in name else frozenset()


class Outputs:
    """The outputs of a port, beside those of Keras's model.

    Args:
        facts: name, shape of a sample (None: it is not known) and last activation of each of
            Keras's outputs, if there are several.
        arrays: what Keras computed; empty if nothing is known.
        any_form: whether each output may lack its last activation, whatever the loss is, as where
            weights alone are compared.

    Attributes:
        names: of Keras's outputs, in order; empty: there is one.
        port_names: of the port's outputs, in the order in which it returns them.
        forms: what an output of the port is, by its name: "same", "linear" or "log". The arrays of
            a probe tell it.
        left_out: outputs that no module of the port makes. Keras's values stand in their place, and
            what a check says of them is no comparison.
    """

    def __init__(
        self,
        facts: Sequence[Mapping[str, Any]],
        arrays: Mapping[str, np.ndarray] | Trace,
        *,
        any_form: bool = False,
    ) -> None:
        self._facts, self._arrays, self._any_form = facts, arrays, any_form
        self.names = tuple(str(each["name"]) for each in facts)
        self.port_names: tuple[str, ...] = ()
        self.forms: dict[str, str] = {}
        self.left_out: frozenset[str] = frozenset()
        self._is_trained = False  # by the port's own loss, which says what that takes

    def leave_out(self, parts: Collection[str]) -> None:
        """Leaves out the outputs of parts of a model: see `parts.py`."""
        self.left_out = frozenset(
            name for name in self.names if any(f"{name}/".startswith(f"{part}/") for part in parts)
        )
        self.port_names = tuple(name for name in self.port_names if name not in self.left_out)

    @contextmanager
    def of_others(self, arrays: Mapping[str, np.ndarray] | Trace) -> Iterator[None]:
        """Compares with other arrays of Keras in the block, such as those by other weights."""
        before, self._arrays = self._arrays, arrays
        try:
            yield
        finally:
            self._arrays = before

    def named(self, port: Port) -> Port:
        """Returns a port with one loss, whose outputs have names.

        Raises:
            InputError: losses and outputs do not fit together.
        """
        if self.names and not port.output_names:
            port = dataclasses.replace(port, output_names=self._names_for(port.loss))
        try:
            port = port.with_one_loss()
        except ValueError as error:
            raise InputError(f"the port's losses: {error}") from error
        self.port_names = tuple(port.output_names) or self.names
        self._is_trained = port.loss is not None or port.train_step is not None
        return port

    def may_return(self, name: str, activation: str | None) -> frozenset[str]:
        """Returns what an output of the port may be, beside Keras's: see the function."""
        if self._is_trained or self._any_form:
            return frozenset(("linear", "log"))
        facts: Mapping[str, Any] = getattr(self._arrays, "facts", {})
        loss = facts.get("loss") or {}
        return may_return(activation, loss.get("outputs", {}).get(name) if name else loss)

    def not_compared(self, form: str) -> Iterator[Notice]:
        """Yields an entry of the fact `not_compared` for each activation that a port may lack.

        Args:
            form: of the only output.
        """
        if self._is_trained:  # its loss is compared
            return
        for name in self.names or ("",):
            if (self.forms.get(name, "same") if name else form) != "same":
                yield {
                    "what": f"the last activation{f' of {name}' if name else ''}",
                    "why": "the port returns what goes into it, and gives no loss: that is right "
                    "if its training has a loss of logits, such as nn.CrossEntropyLoss",
                }

    def _names_for(self, loss: Any) -> tuple[str, ...]:
        """Returns the names of a port's outputs: those of its losses come first, in their order."""
        if not isinstance(loss, Mapping):
            return self.names
        loss_names = names_in(loss)
        return (*loss_names, *(name for name in self.names if name not in loss_names))

    def of(self, returned: Any) -> torch.Tensor:
        """Returns what a check compares: the only output, or all of them as Keras's.

        Raises:
            InputError: the port returns other outputs.
        """
        if not self.names:
            return first_tensor(returned)
        parts = self.each(returned)
        return torch.cat([parts[name].reshape(len(parts[name]), -1) for name in self.names], -1)

    def each(self, returned: Any) -> dict[str, torch.Tensor]:
        """Returns each output in Keras's layout, after Keras's activation."""
        try:
            parts = by_output(self._known(returned), self.port_names, "outputs of the port")
        except ValueError as error:
            raise InputError(
                f"{error}; the Keras model returns {', '.join(self.names)}: return a mapping by "
                "these names, or name the port's with Port(output_names=...)"
            ) from error
        if set(parts) != set(self.names) - self.left_out:
            raise InputError(
                f"the port's outputs are {', '.join(parts)}; expected {', '.join(self.names)}"
            )
        found, start, first = {}, 0, next(iter(parts.values()))
        for entry in self._facts:
            name = str(entry["name"])
            if name in self.left_out:
                size = int(np.prod(entry["shape"] or ()))
                found[name] = self._stand_in(slice(start, start + size), first)
                start += size
                continue
            if entry["shape"] is None:
                found[name] = self._activated(name, entry["activation"], parts[name], None)
                continue
            shape = list(entry["shape"])
            size = int(np.prod(shape))
            output = from_returned(parts[name], [len(parts[name]), *shape])
            if output[0].numel() != size:
                raise InputError(
                    f"the port's output {name} has the shape {tuple(parts[name].shape)}, Keras's "
                    f"{(len(output), *shape)}; return the outputs by Keras's names, or in the "
                    "order of Port(output_names=...)"
                )
            theirs = self._theirs(slice(start, start + size), len(output))
            made = self._activated(name, entry["activation"], output, theirs)
            mask = mask_of(parts[name])
            found[name] = made if mask is None else with_mask(made, mask)
            start += size
        return found

    def chosen(self, port: Port, returned: Any, shape: Sequence[int]) -> bool:
        """Whether `Port.output` chooses Keras's outputs among what the module returns.

        Then it is applied to what the module returns, and what it gives are the port's outputs at
        every level. Else it changes the form of outputs that are Keras's already, such as the
        layout of an image, for loss and metrics.

        Args:
            port: has `output`, or not.
            returned: by the module.
            shape: of the only output of Keras, batch axis included.
        """
        is_known = bool(self.names) or isinstance(returned, torch.Tensor)
        if port.output is None or (is_known and self._fits(returned, shape)):
            return False
        try:
            return self._fits(port.output(returned), shape)
        except Exception:  # code of the user's; loss and metrics tell what it raises
            return False

    def _fits(self, returned: Any, shape: Sequence[int]) -> bool:
        try:
            made = self.of(returned)
        except (InputError, IndexError, TypeError, ValueError):
            return False
        return bool(self.names) or (len(made), made.numel()) == (shape[0], int(np.prod(shape)))

    def raw(self, returned: Any) -> dict[str, torch.Tensor]:
        """Returns each output as the port returns it, by its name; of the only one by ""."""
        if not self.names:
            return {"": first_tensor(returned)}
        return by_output(self._known(returned), self.port_names, "outputs of the port")

    def _known(self, returned: Any) -> Any:
        """Returns a mapping without what it has beside all of Keras's outputs."""
        is_more = isinstance(returned, Mapping) and set(self.port_names) < set(returned)
        return {name: returned[name] for name in self.port_names} if is_more else returned

    def activation_of(self, name: str) -> str | None:
        """Returns the activation at the end of one of several outputs of Keras's model."""
        found: str | None = next(t["activation"] for t in self._facts if str(t["name"]) == name)
        return found

    def like_returned(self, returned: Any, by_name: Any) -> Any:
        """Returns targets or weights in the form in which the port returns its outputs.

        Args:
            returned: by the port: a mapping keeps names, a tuple or list has them in its order.
            by_name: what belongs to each output; a tensor for all of them, or None, stays.
        """
        if not isinstance(by_name, Mapping) or isinstance(returned, Mapping):
            return by_name
        return tuple(by_name.get(name) for name in self.port_names)

    def like(self, returned: Any, by_name: Mapping[str, Any]) -> Any:
        """Returns a nest like the one that the port returns, with other things for its outputs."""
        return with_parts(returned, self.port_names if self.names else (), by_name)

    def taken(self, port: Port, returned: Any, by_name: Mapping[str, Any]) -> dict[str, Any]:
        """Returns outputs of a port as its loss and its metrics take them, by name.

        Args:
            port: what it makes of its outputs, `Port.output`, is made of these.
            returned: by the port, in whose form `output` gets them.
            by_name: outputs as the port returns them.
        """
        if port.output is None:
            return dict(by_name)
        made = port.output(self.like(returned, by_name))
        return by_output(made, self.port_names, "what Port(output=...) returns")

    def _theirs(self, columns: slice, num: int) -> np.ndarray | None:
        """Returns Keras's output of the probe, if that is the batch; NaN where none counts."""
        key = "forward/eval/output"
        if key not in self._arrays or self._arrays[key].shape[0] != num:
            return None
        theirs, counts = self._arrays[key][:, columns], "counted/eval/output"
        if counts not in self._arrays:
            return theirs
        return np.where(self._arrays[counts][:, columns], theirs, np.nan)

    def _stand_in(self, columns: slice, like: torch.Tensor) -> torch.Tensor:
        """Returns Keras's output of the probe; zeros for another batch."""
        key = "forward/eval/output"
        if key not in self._arrays or len(self._arrays[key]) != len(like):
            return like.new_zeros((len(like), columns.stop - columns.start))
        return torch.from_numpy(self._arrays[key][:, columns]).to(like)

    def _activated(
        self, name: str, activation: str | None, output: torch.Tensor, theirs: np.ndarray | None
    ) -> torch.Tensor:
        """Applies what the port leaves out; the values of the probe decided that once."""
        left_out = _LEFT_OUT.get(activation or "", {})
        if theirs is not None and left_out:
            may = self.may_return(name, activation)
            left_out = {form: apply for form, apply in left_out.items() if form in may}
        if theirs is not None and left_out:
            known = torch.from_numpy(theirs)
            counts = ~known.isnan()
            tried = {"same": output} | {form: apply(output) for form, apply in left_out.items()}
            flat = {form: each.detach().reshape(len(each), -1) for form, each in tried.items()}
            errors = {
                form: float((each.cpu().double() - known).abs().where(counts, 0.0).max())
                for form, each in flat.items()
                if tuple(each.shape) == theirs.shape
            }
            if errors and not torch.is_grad_enabled():
                self.forms[name] = min(errors, key=lambda form: errors[form])
        form = self.forms.get(name, "same")
        return output if form == "same" else left_out[form](output)


# --------------------------------------------------------------------------------------------------
#
# Keras's loss takes the logits of a softmax or sigmoid at the end of a port that has no loss.
#
# Keras undoes such an activation, and computes its crossentropies of what goes into it. A port's
# own loss gets what the port returns; where Keras's is taken in its place, it has to see as much as
# Keras's does. In the block, what a softmax or sigmoid returns carries its logits.


_NAMES = ("softmax", "sigmoid")


def carried_logits(loss: Any, facts: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """Returns a context in which outputs carry their logits, if Keras's loss is taken.

    Args:
        loss: of the port; None: it has none.
        facts: of Keras's trace.
    """
    is_keras_loss = loss is None and facts.get("output_activation") in _NAMES
    return _Carrying() if is_keras_loss else nullcontext()


class _Carrying(TorchFunctionMode):
    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        keywords = keywords or {}
        output = function(*arguments, **keywords)
        if getattr(function, "__name__", "") in _NAMES and isinstance(output, torch.Tensor):
            given = arguments[0] if arguments else keywords.get("input")
            if isinstance(given, torch.Tensor) and given is not output:
                return carrying(output, given)
        return output
