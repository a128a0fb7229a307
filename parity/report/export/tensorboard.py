"""The curves of both halves, and their differences, as event files of TensorBoard.

In: a result. Out: a folder for each of four runs of TensorBoard, so that related curves are in one
chart:

    keras, torch   epoch_loss, epoch_val_accuracy, ...: each column of the history, by epoch
    difference     difference/loss, ...: the absolute difference of each column, by epoch;
                   trajectory/weights, trajectory/running_loss, ...: the worst difference, by step
    allowed        trajectory/...: the tolerance

The library `tensorboard` has the messages and the writer of records. Its EventFileWriter is not
used, since it imports TensorFlow, if installed, to make a folder.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from parity.errors import InputError, unwritten
from parity.files.atomic import write_bytes
from parity.programs.halves import HALVES
from parity.report.training import items_of

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.ladder.result import Result
    from parity.traces.trace import History

FILE = "events.out.tfevents.0.parity"  # a fixed name: writing again replaces the file

Scalar = tuple[str, int, float]  # (tag, step, value)


def write_events(result: Result, folder: Path) -> list[Path]:
    """Writes the event files of one result; files of an earlier call are replaced.

    Args:
        result: result of a run, or of a check, which has a trajectory and no history.
        folder: folder for TensorBoard (`tensorboard --logdir FOLDER`); created if missing.

    Returns:
        The files, one per TensorBoard run with scalars.

    Raises:
        InputError: `tensorboard` is not installed, the result has neither a history nor a
            trajectory, or the folder cannot be written to.
    """
    contents = {name: _content(scalars) for name, scalars in _runs(result).items() if scalars}
    if not contents:
        raise InputError(
            "the result has neither a history nor a trajectory, so there is no curve for "
            "TensorBoard; expected the result of a run with two trained halves"
        )
    paths = []
    try:
        for name, content in contents.items():
            path = folder / name / FILE
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)
            paths.append(path)
    except OSError as error:
        raise unwritten(f"{folder}:", error) from error
    return paths


def _runs(result: Result) -> dict[str, list[Scalar]]:
    keras, torch = (result.history.get(half, {}) for half in HALVES)
    trajectory = _trajectory(result)
    return {
        "keras": _epochs(keras),
        "torch": _epochs(torch),
        "difference": [
            *_differences(keras, torch),
            *((tag, step, item.worst) for (tag, step), item in trajectory.items()),
        ],
        "allowed": [(tag, step, item.allowed) for (tag, step), item in trajectory.items()],
    }


def _epochs(history: History) -> list[Scalar]:
    """Returns the columns of a history, with the tags of Keras's callback."""
    return [
        (f"epoch_{key}", epoch, value)
        for key, values in history.items()
        for epoch, value in enumerate(values)
    ]


def _differences(keras: History, torch: History) -> list[Scalar]:
    return [
        (f"difference/{key}", epoch, abs(a - b))
        for key in keras
        # One half may have stopped early.
        for epoch, (a, b) in enumerate(zip(keras[key], torch.get(key, ()), strict=False))
    ]


def _trajectory(result: Result) -> dict[tuple[str, int], Item]:
    """Returns the items by tag and step; for all weights, the one closest to its limit."""
    found: dict[tuple[str, int], Item] = {}
    levels = [level for level in result.levels if level.id == "trajectory"]
    for item in (item for level in levels for item in items_of(level)):
        name = "weights" if "." in item.name else item.name.replace(" ", "_")
        if item.step is not None:
            key = f"trajectory/{name}", item.step
            if key not in found or item.ratio > found[key].ratio:
                found[key] = item
    return dict(sorted(found.items()))


def _content(scalars: Sequence[Scalar]) -> bytes:
    """Returns an event file: its version first, then an event per scalar."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise InputError(
            f"event files cannot be written without the package tensorboard ({error}); install it "
            "with: pip install 'keras-torch-parity[tensorboard]'"
        ) from None
    now = time.time()
    file = io.BytesIO()
    writer = RecordWriter(file)
    writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
    for tag, step, value in scalars:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        writer.write(Event(wall_time=now, step=step, summary=summary).SerializeToString())
    return file.getvalue()
