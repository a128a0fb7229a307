"""FlowBatches: the batches of a Keras flow, made again from its arrays and what it drew.

    images of the flow -> parameters that Keras drew -> augmented images, by torch_impl.augment
                                                     -> ... and by the port, if it augments itself
                       -> ... that the port drew     -> augmented images, by the port

A port that augments itself is trained on its own images. Some of them are kept for comparison. One
with Keras's seeds draws samples and parameters, too, and these are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from parity.data.augmented import first_images, summed
from parity.errors import RunError
from parity.halves.torch.program.augment_trials import explained
from parity.halves.torch.program.augmentation import augmented, ranges
from parity.halves.torch.program.drawn_flow import DrawnFlow, draws_itself
from parity.traces.trace import TraceWriter
from parity.traces.training_recorder import is_recorded_step
from torch_impl.augment import KerasTransform, Parameters
from torch_impl.augment.standardize import Standardization
from torch_impl.seeds import KerasSeeds

# Of the sum over a batch, relative to that of its absolute values: any other image is further off.
_SAME_SUM = 1e-9
_SAME = 1e-12  # of pixels, relative; as the level data allows


class FlowBatches:
    """Batches by number, made when they are asked for.

    Args:
        told: what Keras told of the flow: arrays, samples and parameters of all images.
        settings: dtype of the images, arguments of the generator.
        augment: the port's own augmentation, or None.
        draws: returns what the port draws of the images (N, C, H, W) by itself; None: nothing.
    """

    def __init__(
        self,
        told: Mapping[str, Any],
        settings: Mapping[str, Any],
        augment: Any = None,
        draws: Callable[[torch.Tensor], DrawnFlow] | None = None,
    ) -> None:
        arguments = settings["arguments"]
        images = torch.from_numpy(told["x"].astype(settings["dtype"]))
        self._images = images.permute(0, 3, 1, 2)
        self._told, self._augment = told, augment
        self._drawn = None if draws is None else draws(self._images)
        self._ends = np.cumsum(told["sizes"])
        self.transform = KerasTransform(
            fill_mode=arguments["fill_mode"],
            cval=arguments["cval"],
            interpolation_order=arguments["interpolation_order"],
        )
        self.standardization = Standardization(
            featurewise_center=arguments["featurewise_center"],
            featurewise_std_normalization=arguments["featurewise_std_normalization"],
            rescale=arguments["rescale"],
            mean=_first(told["mean"]),
            std=_first(told["std"]),
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
            x = self._own(
                number, in_keras_layout(augmented(self._augment, self._images[index], params))
            )
        else:
            batch = self._drawn.next()
            index, x = batch.samples, self._own(number, in_keras_layout(batch.images))
        chosen = index.numpy()
        misc = [array[chosen] for array in self._told["misc"]]
        labels = [self._told[n] for n in ("y", "weight") if self._told[n] is not None]
        return ([x, *misc] if misc else x, *(array[chosen] for array in labels))

    def write(self, writer: TraceWriter) -> None:
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
        size = int(self._told["sizes"][number])
        rows = slice(self._ends[number] - size, self._ends[number])
        params: Parameters = {}
        for name, column in self._told["drawn"].items():
            values = np.full(size, column[0]) if len(column) == 1 else column[rows]
            params[name] = values.astype(bool) if name.startswith("flip_") else values
        return torch.from_numpy(self._told["index"][rows].astype(np.int64)), params

    def _made(self, number: int, index: torch.Tensor, params: Parameters) -> np.ndarray:
        """Returns Keras's images."""
        made = self.images(index, params)
        theirs, ours = float(self._told["sums"][number]), summed(made)
        if not abs(ours - theirs) <= _SAME_SUM * max(1.0, summed(np.abs(made))):
            raise RunError(
                f"batch {number + 1} of the flow cannot be made again from its arrays and draws "
                f"(its pixels sum to {ours:.9g}, Keras's to {theirs:.9g}); expected images that do "
                "not change during `fit`; a generator over the flow is written down instead: "
                "fit((batch for batch in flow), steps_per_epoch=len(flow))"
            )
        return made

    def _own(self, number: int, own: np.ndarray) -> np.ndarray:
        """Keeps images of the port's own augmentation for comparison; returns them."""
        if number == len(self._sums):  # a loop of the port's own may ask for a batch again
            self._sums.append(summed(own))
            if is_recorded_step(number + 1):
                self._kept[number + 1] = first_images(own)
                index, params = self._of_keras(number)
                made = self._made(number, index, params)
                is_alike = made.shape == own.shape  # else the port has drawn another batch
                if self._explained is None and is_alike and not _agree(made, own):
                    self._explained = explained(self, index, params, own)
        return own


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
    if (told := found.pop("train_flow", None)) is not None:
        given, draws = settings["flows"]["train_flow"], None
        if seeds is not None and draws_itself(augment, seeds):
            own = {"settings": given["flow"], "augment": augment, "seeds": seeds}
            draws = partial(DrawnFlow, **own, shuffle=shuffle)
        found["train_batches"] = FlowBatches(told, given, augment, draws)
    if (told := found.pop("val_flow", None)) is not None:
        found["val_batches"] = FlowBatches(told, settings["flows"]["val_flow"])
    return found


def _agree(made: np.ndarray, own: np.ndarray) -> bool:
    return bool(np.abs(made - own).max(initial=0.0) <= _SAME * max(1.0, np.abs(made).max()))


def _first(array: np.ndarray | None) -> torch.Tensor | None:
    """Returns a statistic of the channels (1, 1, C) for images with channels first."""
    return None if array is None else torch.from_numpy(array).permute(2, 0, 1)


def in_keras_layout(images: torch.Tensor) -> np.ndarray:
    """Returns images (N, C, H, W) as an array (N, H, W, C)."""
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).cpu().numpy())
