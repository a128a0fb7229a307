"""AnchorFolder: the anchors of a run, which the port reads while the reference still trains.

plan.json             the AnchorPlan, before the first step
STEP.safetensors      an anchor, as soon as its steps are made:

    weights/NAME      in the portable layout
    slots/SLOT/NAME   of the optimizer, by Keras's name of the slot
    masks/LAYER, rates, others/NAME
    batches/N/…       the metadata have the structure of the batches

end.json              after the last step
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.files.json_io import read_json, write_json
from parity.traces.anchors import Anchor, AnchorPlan
from parity.traces.feed_file import form_of, nest_of
from parity.traces.folder import RunFolder


class AnchorFolder:
    """The folder of the anchors of a run.

    Args:
        half: the folder of the Keras half.
        pause: called between two looks at what is not there yet; it may raise.
    """

    def __init__(self, half: RunFolder, pause: Callable[[], None]) -> None:
        self._half, self._pause = half, pause

    def begin(self, plan: AnchorPlan) -> None:
        """Writes the plan."""
        self._half.anchors.mkdir(parents=True, exist_ok=True)
        write_json(self._plan, dataclasses.asdict(plan))

    def plan(self) -> AnchorPlan:
        """Returns the plan, as soon as it is there; an empty one if there will never be one."""
        if self._is_there(self._plan):
            return AnchorPlan(**read_json(self._plan))
        return AnchorPlan((), (), ())

    def write(self, anchor: Anchor) -> None:
        """Writes an anchor."""
        arrays = {f"weights/{name}": array for name, array in anchor.weights.items()}
        for slot, values in anchor.slots.items():
            arrays |= {f"slots/{slot}/{name}": array for name, array in values.items()}
        arrays |= {f"masks/{name}": state for name, state in anchor.masks.items()}
        arrays |= {f"others/{name}": value for name, value in anchor.others.items()}
        arrays["rates"] = anchor.rates
        self.put(anchor.step, arrays, form_of("batches", tuple(anchor.batches), arrays))

    def put(self, step: int, arrays: Mapping[str, np.ndarray], batches: Any) -> None:
        """Writes an anchor by the keys of its file.

        Args:
            step: of the anchor.
            arrays: by key.
            batches: form of the nest of its batches.
        """
        from safetensors.numpy import save

        path = self._anchor(step)
        path.parent.mkdir(parents=True, exist_ok=True)  # there may be no plan yet
        part = path.with_suffix(".part")
        # Whole or not there, without the fsync of `atomic_path`: it is removed after the run.
        whole = {key: np.array(array, order="C") for key, array in arrays.items()}
        part.write_bytes(save(whole, {"batches": json.dumps(batches)}))
        os.replace(part, path)

    def read(self, step: int) -> Anchor | None:
        """Returns an anchor, as soon as it is there; None if there will never be one."""
        if not self._is_there(self._anchor(step)):
            return None
        arrays, form = self.content(step)
        batches = nest_of("batches", form, arrays)
        kinds = ("weights", "slots", "masks", "rates", "others", "batches")
        parts: dict[str, dict[str, Any]] = {kind: {} for kind in kinds}
        for key, array in arrays.items():
            kind, _, name = key.partition("/")
            if kind == "slots":
                slot, _, name = name.partition("/")
                parts[kind].setdefault(slot, {})[name] = array
            else:
                parts[kind][name] = array
        return Anchor(
            step,
            parts["weights"],
            parts["slots"],
            parts["masks"],
            parts["rates"][""],
            parts["others"],
            batches,
        )

    def content(self, step: int) -> tuple[dict[str, np.ndarray], Any]:
        """Returns the arrays of an anchor that is there, by key, and the form of its batches."""
        from safetensors import safe_open

        with safe_open(self._anchor(step), framework="numpy") as file:
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return arrays, json.loads(file.metadata()["batches"])

    def end(self) -> None:
        """Says that there will be no more anchors."""
        write_json(self._end, {})

    def _is_there(self, path: Path) -> bool:
        """Waits until a file is there, or nobody will write it; returns whether it is there."""
        while not path.exists():
            if self._end.exists() or self._half.has_ended:
                return path.exists()  # it may have come before the end
            self._pause()
        return True

    @property
    def _plan(self) -> Path:
        return self._half.anchors / "plan.json"

    @property
    def _end(self) -> Path:
        return self._half.anchors / "end.json"

    def _anchor(self, step: int) -> Path:
        return self._half.anchors / f"{step:08d}.safetensors"
