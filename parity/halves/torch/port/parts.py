"""The parts of a port with a step of its own, called side by side, as Keras's half calls its own.

Neither of the two models has a `forward` that reaches all weights: a GAN is two networks. What
Keras's model holds, by the names of its attributes, goes in; a module of the port is found for each
of them, and a function comes out that the probes call in the place of `forward`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import nn

from parity.errors import InputError
from parity.halves.torch.call import flat_tensors
from parity.halves.torch.port.feeding import positional
from torch_impl.port import Port


class Parts:
    """The parts of a module.

    Args:
        module: of the port.
        facts: of Keras's half: by the name of a part, how it is called and what is kept of it.
        layers: of the port; may name the module of a part.
        needless: parts that may do without a module, since the port computes them by itself.

    Attributes:
        paths: of the modules, by the names of the parts.
        left_out: the parts without a module.

    Raises:
        InputError: another part has no module.
    """

    def __init__(
        self,
        module: nn.Module,
        facts: Mapping[str, Any],
        layers: Mapping[str, str],
        needless: Collection[str] = (),
    ) -> None:
        self._module, self._facts = module, facts
        self.paths = _paths(module, list(facts), layers, needless)
        self.left_out = [name for name in facts if name not in self.paths]

    def weights_left_out(self) -> set[str]:
        """Returns the names of the weights of the parts without a module."""
        return {weight for name in self.left_out for weight in self._facts[name].get("weights", ())}

    def forward(self, *given: Any) -> dict[str, Any]:
        """Returns what each part makes of its input, by Keras's names of the outputs.

        Args:
            given: one mapping by the names of the parts; or the input of the only one.
        """
        inputs = given[0] if isinstance(given[0], Mapping) else {next(iter(self._facts)): given[0]}
        made = ((name, self._made(name, inputs[name])) for name in sorted(self.paths))
        return dict(leaf for name, nest in made for leaf in _leaves(nest, name))

    def _made(self, name: str, given: Any) -> Any:
        facts, path = self._facts[name], self.paths[name]
        part = self._module.get_submodule(path)
        returned = part(*given) if facts["is_row"] or _takes_a_row(part, given) else part(given)
        kept = facts["kept"]
        if kept is None:
            return returned
        # Keras's other outputs are random.
        flat = flat_tensors(returned)
        if len(flat) == facts["num_outputs"]:
            flat = [flat[number] for number in kept]
        if len(flat) != len(kept):
            raise InputError(
                f"the module {path!r} returns {len(flat)} tensors; expected "
                f"{facts['num_outputs']}, as `{name}` in Keras, or {len(kept)} without those that "
                f"are random"
            )
        return flat[0] if len(flat) == 1 else flat


def _takes_a_row(part: nn.Module, given: Any) -> bool:
    """Whether a module takes the inputs that Keras gives in a list one after the other."""
    if not isinstance(given, list | tuple) or len(given) < 2:
        return False
    names, takes_any = positional(part.forward)
    return takes_any or len(names) == len(given)


def _leaves(nest: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yields what is in a nest by its path, as Keras's half names it: "encoder/0"."""
    if isinstance(nest, Mapping | list | tuple):
        items = nest.items() if isinstance(nest, Mapping) else enumerate(nest)
        for key, value in items:
            yield from _leaves(value, f"{path}/{key}")
    else:
        yield path, nest


def called_by_parts(port: Port, module: nn.Module, facts: Mapping[str, Any]) -> Port:
    """Lets a module be called by parts, if Keras's model is; returns the port for the probes.

    A part needs no module if its weights are those of the factory, and no step moves them: a port
    may compute the statistics of a `Normalization` by itself.

    Raises:
        InputError: a part has no module, and needs one.
    """
    training = facts.get("own_training", {})
    part_facts = training.get("parts")
    if not part_facts:
        return port
    steady = {name for name, is_moved in training.get("as_built", {}).items() if not is_moved}
    # Older bundles do not tell the weights of a part.
    needless = [
        n for n, part in part_facts.items() if steady.issuperset(part.get("weights", (None,)))
    ]
    parts = Parts(module, part_facts, port.layers, needless)
    module.forward = parts.forward  # that of the object: its class stays
    layers = {name: path for name, path in port.layers.items() if name not in part_facts}
    return replace(port, layers=layers, feed=None)  # `feed` is for what the step gets


def parts_in(module: nn.Module) -> dict[str, nn.Module]:
    """Returns the parts of a module that is called by parts, by Keras's names; else none."""
    parts = _parts_of(module)
    if parts is None:
        return {}
    return {name: module.get_submodule(path) for name, path in parts.paths.items()}


def parts_left_out(module: nn.Module) -> list[str]:
    """Returns the parts of Keras's model that have no module in one that is called by parts."""
    parts = _parts_of(module)
    return [] if parts is None else parts.left_out


def weights_left_out(module: nn.Module) -> set[str]:
    """Returns the weights of Keras that these parts hold."""
    parts = _parts_of(module)
    return set() if parts is None else parts.weights_left_out()


def _parts_of(module: nn.Module) -> Parts | None:
    parts = getattr(vars(module).get("forward"), "__self__", None)
    return parts if isinstance(parts, Parts) else None


@contextmanager
def as_written(module: nn.Module) -> Iterator[None]:
    """Lets a module be called as its code is written in the block, and not by parts."""
    by_parts = vars(module).pop("forward", None)
    try:
        yield
    finally:
        if by_parts is not None:
            module.forward = by_parts


def _paths(
    module: nn.Module, names: list[str], layers: Mapping[str, str], needless: Collection[str]
) -> dict[str, str]:
    """Returns the path of the module of each part: as `layers` says, by its name, or in order."""
    known = dict(module.named_modules())
    found = {name: layers[name] for name in names if name in layers}
    found |= {name: name for name in names if name not in found and name in known}
    left = [name for name in names if name not in found]
    free = [
        name
        for name, child in module.named_children()
        if name not in found.values() and any(True for _ in child.parameters())
    ]
    needed = [name for name in left if name not in needless]
    for these in (left, needed):
        if not found and these and len(these) == len(free):  # none is found by its name
            found |= dict(zip(these, free, strict=True))
            left = [name for name in left if name not in found]
    if wrong := [path for path in found.values() if path not in known]:
        raise InputError(
            f"Port(layers=...) names {', '.join(wrong)}; expected modules of the port: "
            f"{', '.join(name for name, _ in module.named_children())}"
        )
    lacking = [name for name in left if name not in needless]
    if lacking or not found:
        wanted = lacking or names
        raise InputError(
            f"the Keras model holds {', '.join(names)}, and the port has no module for "
            f"{', '.join(wanted)}; call its modules so, or say "
            f"Port(layers={{{wanted[0]!r}: 'NAME'}})"
        )
    return {name: found[name] for name in names if name in found}
