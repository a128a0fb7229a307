"""Which change of Keras's augmentation gives the images of a port: the name of its fault.

Each trial augments a batch with other parameters, or with another setting, and compares it with
what the port has made of the same images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from torch_impl.augment import KerasTransform, Parameters
from torch_impl.augment.parameters import AT_REST

if TYPE_CHECKING:
    from parity.halves.torch.program.flow_batches import FlowBatches

# Other libraries compute positions in float32; another turn or shift is much further off.
_SAME = 1e-4


class Trial(NamedTuple):
    """A change that a port may have made.

    Attributes:
        divergence: ID of the registry.
        told: what was changed, in words.
        params: the changed parameters.
        settings: of the KerasTransform.
    """

    divergence: str
    told: str
    params: Callable[[Parameters], dict[str, Any]] = lambda params: {}
    settings: dict[str, Any] = {}  # noqa: RUF012


def explained(
    batches: FlowBatches, index: torch.Tensor, params: Parameters, own: np.ndarray
) -> dict[str, Any] | None:
    """Returns the divergence that gives the images of a port, and what was changed.

    Args:
        batches: of the flow.
        index: (N,) the samples.
        params: that Keras drew, (N,) each.
        own: (N, H, W, C) images of the port.

    Returns:
        {"id", "told"}, or None if no trial gives them.
    """
    scale = max(float(np.ptp(own)), 1e-300)
    for trial in _trials(batches.transform):
        changed = {**params, **trial.params(params)}
        transform = _transform(batches.transform, **trial.settings)
        images = batches.images(index, changed, transform)
        # Some pixels at an edge may fall on the other side of it.
        apart = np.abs(images - own) > _SAME * scale
        if apart.mean() < _SAME:
            return {"id": trial.divergence, "told": trial.told}
    return None


def _trials(transform: KerasTransform) -> Iterator[Trial]:
    yield Trial("H15", "theta of the other sign gives the port's images", _negated("theta"))
    yield Trial("H16", "tx and ty exchanged give the port's images", _exchanged("tx", "ty"))
    for names in (("tx", "ty"), ("tx",), ("ty",)):
        told = f"{' and '.join(names)} of the other sign"
        yield Trial("H16", f"{told} gives the port's images", _negated(*names))
    yield Trial(
        "H16",
        "tx and ty exchanged and of the other sign give the port's images",
        lambda params: {"tx": -params["ty"], "ty": -params["tx"]},
    )
    yield Trial("H17", "shear of the other sign gives the port's images", _negated("shear"))
    yield Trial(
        "H17",
        "factors 1/zx and 1/zy give the port's images",
        lambda params: {name: 1 / params[name] for name in ("zx", "zy")},
    )
    yield Trial("H17", "zx and zy exchanged give the port's images", _exchanged("zx", "zy"))
    yield Trial(
        "H17",
        "one factor zx for both axes gives the port's images",
        lambda params: {"zy": params["zx"]},
    )
    yield Trial(
        "H17",
        "the flips exchanged give the port's images",
        _exchanged("flip_horizontal", "flip_vertical"),
    )
    for names in (("theta",), ("tx", "ty"), ("shear",), ("zx", "zy"), _FLIPS[:1], _FLIPS[1:]):
        told = f"the port's images are those without {' and '.join(names)}"
        yield Trial("H17", told, _at_rest(*names))
    yield Trial("H17", "the port's images are not augmented", _at_rest(*_MOVING))
    for mode in ("nearest", "constant", "reflect", "wrap"):
        if mode != transform.fill_mode:
            told = f"fill_mode={mode!r} gives the port's images"
            yield Trial("H17", told, settings={"fill_mode": mode})
    order = 1 - transform.interpolation_order
    told = f"interpolation_order={order} gives the port's images"
    yield Trial("H17", told, settings={"interpolation_order": order})
    told = "keras_quirks=False gives the port's images"
    yield Trial("H17", told, settings={"keras_quirks": False})


_FLIPS = ("flip_horizontal", "flip_vertical")
_MOVING = tuple(name for name, rest in AT_REST.items() if rest is not None)


def _negated(*names: str) -> Callable[[Parameters], dict[str, Any]]:
    return lambda params: {name: -params[name] for name in names}


def _exchanged(first: str, second: str) -> Callable[[Parameters], dict[str, Any]]:
    return lambda params: {first: params[second], second: params[first]}


def _at_rest(*names: str) -> Callable[[Parameters], dict[str, Any]]:
    return lambda params: {name: np.full_like(params[name], AT_REST[name]) for name in names}


def _transform(like: KerasTransform, **changes: Any) -> KerasTransform:
    names = ("fill_mode", "cval", "interpolation_order", "keras_quirks")
    return KerasTransform(**{**{name: getattr(like, name) for name in names}, **changes})
