"""FlowBatches: the batches of a Keras flow, made again from its arrays and what it drew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torchvision.transforms import v2

from parity.data.image_changes import first_images, put_draws, summed
from parity.errors import InputError, RunError
from parity.traces.trace import PortWriter
from parity.traces.training_recorder import is_recorded_step
from torch_impl.augment import FitFlow, ImageDataGenerator, KerasTransform, Parameters
from torch_impl.augment.layout import from_channels_first, to_channels_first
from torch_impl.augment.parameters import AT_REST, ParameterSampler
from torch_impl.augment.standardize import Standardization
from torch_impl.port import Port
from torch_impl.seeds import KerasSeeds

# --- The augmentation of a port, applied with the random parameters that Keras drew ---------------
#
# `Port(augment=...)` goes in: an ImageDataGenerator or a KerasTransform of `torch_impl.augment`, a
# `v2.Compose` with one, or a function of (images, parameters). Images come out.


# Arguments that decide what is drawn: with Keras's parameters, no pixel shows them.
RANGES = (
    *("rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range"),
    *("channel_shift_range", "brightness_range", "horizontal_flip", "vertical_flip"),
)


def augmented(augment: Any, images: torch.Tensor, params: Parameters) -> torch.Tensor:
    """Returns images as the port augments them.

    Args:
        augment: of the port.
        images: (N, C, H, W), as the flow got them.
        params: (N,) each, by the names of `get_random_transform`.

    Raises:
        InputError: the augmentation cannot be given parameters, or does not return such images.
    """
    output = _called(augment, images, params) if _is_function(augment) else images
    for part in () if _is_function(augment) else _parts(augment):
        output = _applied(part, output, params)
    if not isinstance(output, torch.Tensor) or output.shape != images.shape:
        form = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise InputError(
            f"Port(augment=...) returned {form} for images of shape {tuple(images.shape)}; "
            "expected a tensor of this shape"
        )
    return output


def ranges(augment: Any) -> dict[str, Any]:
    """Returns the arguments RANGES of a port's augmentation, ready for JSON, if it has them."""
    for part in () if _is_function(augment) else _parts(augment):
        transform = part.transform if isinstance(part, ImageDataGenerator) else part
        if isinstance(transform, KerasTransform):
            found = {name: getattr(transform.sampler, name) for name in RANGES}
            return {n: list(v) if isinstance(v, tuple) else v for n, v in found.items()}
    return {}


def _is_function(augment: Any) -> bool:
    return not isinstance(augment, ImageDataGenerator | nn.Module)


def _called(augment: Any, images: torch.Tensor, params: Parameters) -> Any:
    if not callable(augment):
        raise InputError(
            f"Port(augment={type(augment).__name__}): expected torch_impl.augment's KerasTransform "
            "or ImageDataGenerator, a v2.Compose with one, or a function of (images, parameters)"
        )
    return augment(images, params)


def _parts(augment: Any) -> Iterator[Any]:
    """Yields the transforms of a chain, one after another."""
    if isinstance(augment, v2.Compose):
        chain: Any = augment.transforms
    elif isinstance(augment, nn.Sequential):
        chain = augment
    else:
        yield augment
        return
    for part in chain:
        yield from _parts(part)


def _applied(part: Any, images: torch.Tensor, params: Mapping[str, Any]) -> Any:
    if isinstance(part, ImageDataGenerator):
        return part.standardization.apply(_applied(part.transform, images, params))
    if isinstance(part, KerasTransform):
        return part.transform(images, params)
    if isinstance(part, v2.Transform) and _draws(part):
        raise InputError(
            f"Port(augment=...) has {type(part).__name__}, which draws by itself and cannot get "
            "what Keras drew; expected torch_impl.augment.KerasTransform, or a function of "
            "(images, parameters)"
        )
    return part(images)


def _draws(transform: v2.Transform) -> bool:
    """Whether a transform of torchvision draws random numbers."""
    is_random = type(transform).__name__.startswith("Random")
    return is_random or type(transform).make_params is not v2.Transform.make_params


# --- Which change of Keras's augmentation gives the images of a port: the name of its fault -------
#
# Each trial augments a batch with other parameters, or with another setting, and compares it with
# what the port has made of the same images.


# Other libraries compute positions in float32; another turn or shift is much further off.
_SAME_OF_AUGMENT_TRIALS = 1e-4


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
    batches: FlowBatches, index: torch.Tensor, params: Parameters, port_images: np.ndarray
) -> dict[str, Any] | None:
    """Returns the divergence that gives the images of a port, and what was changed.

    Args:
        batches: of the flow.
        index: (N,) the samples.
        params: that Keras drew, (N,) each.
        port_images: (N, H, W, C) images of the port.

    Returns:
        {"id", "told"}, or None if no trial gives them.
    """
    scale = max(float(np.ptp(port_images)), 1e-300)
    for trial in _trials(batches.transform):
        changed = {**params, **trial.params(params)}
        transform = _transform(batches.transform, **trial.settings)
        images = batches.images(index, changed, transform)
        # Some pixels at an edge may fall on the other side of it.
        apart = np.abs(images - port_images) > _SAME_OF_AUGMENT_TRIALS * scale
        if apart.mean() < _SAME_OF_AUGMENT_TRIALS:
            return {"id": trial.divergence, "told": trial.told}
    return None


def _trials(transform: KerasTransform) -> Iterator[Trial]:
    yield Trial("H15", "theta of the other sign gives the port's images", _negated("theta"))
    yield Trial("H16", "tx and ty exchanged give the port's images", _exchanged("tx", "ty"))
    for names in (("tx", "ty"), ("tx",), ("ty",)):
        sentence = f"{' and '.join(names)} of the other sign"
        yield Trial("H16", f"{sentence} gives the port's images", _negated(*names))
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
        sentence = f"the port's images are those without {' and '.join(names)}"
        yield Trial("H17", sentence, _at_rest(*names))
    yield Trial("H17", "the port's images are not augmented", _at_rest(*_MOVING))
    for mode in ("nearest", "constant", "reflect", "wrap"):
        if mode != transform.fill_mode:
            sentence = f"fill_mode={mode!r} gives the port's images"
            yield Trial("H17", sentence, settings={"fill_mode": mode})
    order = 1 - transform.interpolation_order
    sentence = f"interpolation_order={order} gives the port's images"
    yield Trial("H17", sentence, settings={"interpolation_order": order})
    sentence = "keras_quirks=False gives the port's images"
    yield Trial("H17", sentence, settings={"keras_quirks": False})


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


# --- DrawnFlow: what a port with Keras's seeds draws of a flow by itself, batch by batch ----------
#
# seeds of the port -> FitFlow -> samples and parameters of the images -> images of the port


class Drawn(NamedTuple):
    """One batch.

    Attributes:
        samples: (N,) int64, their numbers.
        params: (N,) each, the parameters of their images.
        images: (N, C, H, W) as the port augments them.
    """

    samples: torch.Tensor
    params: Parameters
    images: torch.Tensor


def draws_itself(augment: Any, seeds: KerasSeeds | None) -> bool:
    """Whether a port draws what is fed to it: an ImageDataGenerator has the state of its seeds."""
    is_generator = isinstance(augment, ImageDataGenerator)
    return is_generator and seeds is not None and augment.random_state is seeds.numpy


class DrawnFlow:
    """Draws the batches of a training, each once and in order.

    Args:
        images: (N, C, H, W) of the flow.
        settings: batch_size, shuffle and seed of the flow.
        augment: the generator of the port.
        seeds: of the port, after its network was built.
        shuffle: whether `fit` shuffles the order of the batches.
    """

    def __init__(
        self,
        images: torch.Tensor,
        settings: Mapping[str, Any],
        augment: ImageDataGenerator,
        seeds: KerasSeeds,
        *,
        shuffle: bool,
    ) -> None:
        self._format = augment.data_format
        given = from_channels_first(images, self._format)
        self._flow = augment.flow(given, **settings)
        self._fed = FitFlow(self._flow, seeds, shuffle=shuffle)
        self._batches = self._epochs()
        self._drawn: list[tuple[np.ndarray, Parameters]] = []

    def next(self) -> Drawn:
        """Draws the next batch."""
        drawn = next(self._batches)
        self._drawn.append((drawn.samples.numpy(), drawn.params))
        return drawn

    def write(self, writer: PortWriter) -> None:
        """Writes what was drawn, as the Keras half does."""
        sizes = np.array([len(samples) for samples, _ in self._drawn], np.int64)
        index = np.concatenate([np.zeros(0, np.int64), *(samples for samples, _ in self._drawn)])
        names = self._drawn[0][1] if self._drawn else ()
        drawn = {n: np.concatenate([params[n] for _, params in self._drawn]) for n in names}
        put_draws(writer, sizes, index, drawn)

    def _epochs(self) -> Iterator[Drawn]:
        while True:
            for number in self._fed.begin():
                images = to_channels_first(self._flow[number], self._format)
                assert self._flow.params is not None
                yield Drawn(self._flow.indices(number), self._flow.params, images)
            self._fed.end()


# --- FlowBatches: the batches of a Keras flow, made again from its arrays and what it drew --------
#
#     images of the flow -> parameters that Keras drew -> augmented images, by torch_impl.augment
#                                                      -> ... and by the port, if it augments itself
#                        -> ... that the port drew     -> augmented images, by the port
#
# A port that augments itself is trained on its own images. Some of them are kept for comparison.
# One with Keras's seeds draws samples and parameters, too, and these are kept.


# Of the sum over a batch, relative to that of its absolute values: any other image is further off.
_SAME_SUM = 1e-9
_SAME = 1e-12  # of pixels, relative; as the level data allows


class FlowBatches:
    """Batches by number, made when they are asked for.

    Args:
        arrays: what Keras recorded of the flow: arrays, samples and parameters of all images.
        settings: dtype of the images, arguments of the generator.
        augment: the port's own augmentation, or None.
        draws: returns what the port draws of the images (N, C, H, W) by itself; None: nothing.
    """

    def __init__(
        self,
        arrays: Mapping[str, Any],
        settings: Mapping[str, Any],
        augment: Any = None,
        draws: Callable[[torch.Tensor], DrawnFlow] | None = None,
    ) -> None:
        arguments = settings["arguments"]
        images = torch.from_numpy(arrays["x"].astype(settings["dtype"]))
        self._images = images.permute(0, 3, 1, 2)
        self._arrays, self._augment = arrays, augment
        self._drawn = None if draws is None else draws(self._images)
        self._ends = np.cumsum(arrays["sizes"])
        self.transform = KerasTransform(
            fill_mode=arguments["fill_mode"],
            cval=arguments["cval"],
            interpolation_order=arguments["interpolation_order"],
        )
        self.standardization = Standardization(
            featurewise_center=arguments["featurewise_center"],
            featurewise_std_normalization=arguments["featurewise_std_normalization"],
            rescale=arguments["rescale"],
            mean=_first(arrays["mean"]),
            std=_first(arrays["std"]),
        )
        self._sums: list[float] = []
        self._kept: dict[int, np.ndarray] = {}
        self._explained: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, part: slice) -> Iterator[tuple[Any, ...]]:
        """Returns batches (x, y) or (x, y, weight) of arrays in Keras's layout, one by one."""
        return map(self.batch, range(*part.indices(len(self))))

    def batch(self, number: int) -> tuple[Any, ...]:
        """Returns a batch, counted from 0.

        Raises:
            RunError: Keras's images cannot be made again.
            InputError: the augmentation of the port cannot be used.
        """
        index, params = self._of_keras(number)
        if self._augment is None:
            x = self._made(number, index, params)
        elif self._drawn is None:
            x = self._kept_images(
                number, in_keras_layout(augmented(self._augment, self._images[index], params))
            )
        else:
            batch = self._drawn.next()
            index, x = batch.samples, self._kept_images(number, in_keras_layout(batch.images))
        chosen = index.numpy()
        misc = [array[chosen] for array in self._arrays["misc"]]
        labels = [self._arrays[n] for n in ("y", "weight") if self._arrays[n] is not None]
        return ([x, *misc] if misc else x, *(array[chosen] for array in labels))

    def write(self, writer: PortWriter) -> None:
        """Writes the images of the port's own augmentation, and its ranges, if it has one."""
        if self._augment is None:
            return
        writer.put("training/image_sums", np.array(self._sums))
        for step, images in self._kept.items():
            writer.put(f"training/images/{step}", images)
        if self._drawn is not None:
            self._drawn.write(writer)
        writer.facts["augment"] = ranges(self._augment)
        writer.facts["augment_explained"] = self._explained

    def images(self, index: torch.Tensor, params: Parameters, transform: Any = None) -> np.ndarray:
        """Returns images (N, H, W, C) as a transform and the standardisation of Keras make them."""
        moved = (transform or self.transform).apply(self._images, params, index)
        return in_keras_layout(self.standardization.apply(moved))

    def _of_keras(self, number: int) -> tuple[torch.Tensor, Parameters]:
        """Returns the samples of a batch and the parameters of their images that Keras drew."""
        size = int(self._arrays["sizes"][number])
        rows = slice(self._ends[number] - size, self._ends[number])
        params: Parameters = {}
        for name, column in self._arrays["drawn"].items():
            values = np.full(size, column[0]) if len(column) == 1 else column[rows]
            params[name] = values.astype(bool) if name.startswith("flip_") else values
        return torch.from_numpy(self._arrays["index"][rows].astype(np.int64)), params

    def _made(self, number: int, index: torch.Tensor, params: Parameters) -> np.ndarray:
        """Returns Keras's images."""
        made = self.images(index, params)
        theirs, ours = float(self._arrays["sums"][number]), summed(made)
        if not abs(ours - theirs) <= _SAME_SUM * max(1.0, summed(np.abs(made))):
            raise RunError(
                f"batch {number + 1} of the flow cannot be made again from its arrays and draws "
                f"(its pixels sum to {ours:.9g}, Keras's to {theirs:.9g}); expected images that do "
                "not change during `fit`; a generator over the flow is written down instead: "
                "fit((batch for batch in flow), steps_per_epoch=len(flow))"
            )
        return made

    def _kept_images(self, number: int, images: np.ndarray) -> np.ndarray:
        """Keeps images of the port's own augmentation for comparison; returns them."""
        if number == len(self._sums):  # a loop of the port's own may ask for a batch again
            self._sums.append(summed(images))
            if is_recorded_step(number + 1):
                self._kept[number + 1] = first_images(images)
                index, params = self._of_keras(number)
                made = self._made(number, index, params)
                is_same_batch = made.shape == images.shape  # else the port has drawn another batch
                if self._explained is None and is_same_batch and not _agree(made, images):
                    self._explained = explained(self, index, params, images)
        return images


def with_flows(
    nests: Mapping[str, Any],
    settings: Mapping[str, Any],
    augment: Any,
    seeds: KerasSeeds | None = None,
    *,
    shuffle: bool = True,
) -> dict[str, Any]:
    """Returns the nests of a feed file, with batches in the place of flows.

    Args:
        nests: of the file.
        settings: of the file.
        augment: the port's own augmentation, which is that of training.
        seeds: of the port; None: it draws nothing.
        shuffle: the argument of Keras's `fit`.
    """
    found = dict(nests)
    if (flow := found.pop("train_flow", None)) is not None:
        given, draws = settings["flows"]["train_flow"], None
        if seeds is not None and draws_itself(augment, seeds):
            options = {"settings": given["flow"], "augment": augment, "seeds": seeds}
            draws = partial(DrawnFlow, **options, shuffle=shuffle)
        found["train_batches"] = FlowBatches(flow, given, augment, draws)
    if (flow := found.pop("val_flow", None)) is not None:
        found["val_batches"] = FlowBatches(flow, settings["flows"]["val_flow"])
    return found


def _agree(made: np.ndarray, port_images: np.ndarray) -> bool:
    return bool(np.abs(made - port_images).max(initial=0.0) <= _SAME * max(1.0, np.abs(made).max()))


def _first(array: np.ndarray | None) -> torch.Tensor | None:
    """Returns a statistic of the channels (1, 1, C) for images with channels first."""
    return None if array is None else torch.from_numpy(array).permute(2, 0, 1)


def in_keras_layout(images: torch.Tensor) -> np.ndarray:
    """Returns images (N, C, H, W) as an array (N, H, W, C)."""
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).cpu().numpy())


# --------------------------------------------------------------------------------------------------
#
# TimedFlow: a flow of ImageDataGenerator as a timed port is fed it, augmented anew in every pass.
#
#     images and arguments of Keras's flow -> order and parameters, drawn now -> augmented images
#
# The images are made as in a whole training: by the port, if it augments by itself, otherwise by
# `torch_impl.augment`. The draws are those of another seed, since no pass is compared.


DTYPE = "float32"


class TimedFlow:
    """Batches (x, y) or (x, y, weight) of arrays in Keras's layout; one pass is an epoch.

    Args:
        arrays: what Keras recorded of the flow.
        settings: arguments of the generator and of the flow.
        port: may augment by itself, and draw by itself.
        samples: number of samples in a pass, the first ones.
        batch_size: samples in a batch; the last batch may be smaller.
        shuffle: the argument of Keras's `fit`.
    """

    def __init__(
        self,
        arrays: Mapping[str, Any],
        settings: Mapping[str, Any],
        port: Port,
        *,
        samples: int,
        batch_size: int,
        shuffle: bool,
    ) -> None:
        x = arrays["x"][:samples]
        self._flow = FlowBatches({**arrays, "x": x}, {**settings, "dtype": DTYPE})
        self._images = torch.from_numpy(x.astype(DTYPE)).permute(0, 3, 1, 2)
        self._misc = [array[:samples] for array in arrays["misc"]]
        self._labels = [arrays[n][:samples] for n in ("y", "weight") if arrays[n] is not None]
        self._batch_size, self._is_shuffled = batch_size, bool(settings["flow"]["shuffle"])
        self._augment, self._draw = port.augment, np.random.RandomState(settings["flow"]["seed"])
        arguments = {name: settings["arguments"][name] for name in RANGES}
        self._sampler = ParameterSampler(**arguments, random_state=self._draw)
        self._drawn: DrawnFlow | None = None
        if draws_itself(port.augment, port.seeds):
            assert port.seeds is not None
            options = {**settings["flow"], "batch_size": batch_size}
            self._drawn = DrawnFlow(
                self._images, options, port.augment, port.seeds, shuffle=shuffle
            )

    def __len__(self) -> int:
        return -(-len(self._images) // self._batch_size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        number = len(self._images)
        order = self._draw.permutation(number) if self._is_shuffled else np.arange(number)
        for start in range(0, number, self._batch_size):
            index, x = self._batch(order[start : start + self._batch_size])
            misc = [array[index] for array in self._misc]
            yield ([x, *misc] if misc else x, *(array[index] for array in self._labels))

    def _batch(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the numbers of the samples of a batch, and their augmented images."""
        if self._drawn is not None:
            drawn = self._drawn.next()
            return drawn.samples.numpy(), in_keras_layout(drawn.images)
        chosen = torch.from_numpy(index)
        params = self._sampler.draw(len(index), *self._images.shape[2:])
        if self._augment is None:
            return index, self._flow.images(chosen, params)
        return index, in_keras_layout(augmented(self._augment, self._images[chosen], params))
