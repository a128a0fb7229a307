"""How the equations of torch's own optimizers differ from Keras's, whatever their numbers are.

A port's optimizer and the settings of Keras's go in; sentences come out. The IDs are those of the
registry: `parity explain C11` shows both formulas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch_impl.optim.base import KerasOptimizer

_OF_ADAM = (
    "F2",
    "torch adds epsilon behind the correction of the second moment, Keras before it",
)
# Class of torch.optim -> ID, and what it does otherwise at each step.
_ALWAYS = {
    "Adam": _OF_ADAM,
    "AdamW": _OF_ADAM,
    "Adamax": ("F2", "torch adds epsilon to each gradient, Keras to the greatest of them"),
    "RMSprop": ("F4", "torch adds epsilon to the root, Keras under it"),
    "Adagrad": ("F8", "torch adds epsilon to the root, Keras under it"),
}


def told_of_equations(optimizer: Any, config: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each equation of a port's optimizer that is not Keras's.

    Args:
        optimizer: of the port. Of one of torch_impl, nothing is told: it has Keras's equations. Of
            a class of the user's, nothing is known.
        config: settings of Keras's optimizer.
    """
    kind = type(optimizer)
    if isinstance(optimizer, KerasOptimizer) or not kind.__module__.startswith("torch.optim."):
        return
    group = optimizer.param_groups[0]
    name = kind.__name__
    if name == "NAdam" and group.get("momentum_decay") != 1:
        text = f"torch's momentum_decay is {group['momentum_decay']:g}, that of Keras's rule is 1"
        yield _told("F14", text, name)
    if name in _ALWAYS:
        yield _told(*_ALWAYS[name], name)
    if name == "RMSprop" and group.get("momentum"):
        yield _told("F4", "torch's momentum holds steps without their rate, Keras's with it", name)
    if name == "SGD" and group.get("momentum"):
        text = "behind a change of the rate, torch's momentum has the new rate, Keras's the old one"
        yield _told("F5", text, name)
    if group.get("weight_decay") and name != "AdamW" and not group.get("decoupled_weight_decay"):
        theirs = "decouples it" if config.get("weight_decay") else "has none"
        text = f"torch's weight_decay is added to the gradients, Keras {theirs}"
        yield _told("C11", text, name)
    for setting, what in (
        ("gradient_accumulation_steps", "takes the mean gradient of several steps"),
        ("use_ema", "keeps an average of the weights"),
    ):
        if config.get(setting):
            yield f"Keras's optimizer {what} ({setting}={config[setting]}); the Port's does not"


def _told(identity: str, text: str, name: str) -> str:
    return f"{identity}: {text}; torch_impl.optim.{_KERAS.get(name, name)} computes as Keras does"


_KERAS = {"NAdam": "Nadam"}  # class of torch -> of torch_impl.optim
