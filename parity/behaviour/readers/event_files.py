"""The scalars of TensorBoard's event files, read without TensorFlow and without torch.

In: the content of event files. Out: for each name, the value of each step.

    keras.callbacks.TensorBoard   train/ and validation/, tags epoch_loss, epoch_accuracy, ...;
                                  its batch_* and evaluation_*_vs_iterations are left out
    SummaryWriter, tf.summary     tags loss/train, val/loss, ..., or a folder for each: a part
                                  for training is removed, a part for validation becomes "val_"

An event file is a sequence of records: length (8 bytes), its checksum (4), an `Event` in protobuf,
its checksum (4); see tensorflow/core/lib/io/record_writer.h. During a run it may end anywhere, so
all records before the first damage count, and a note says that the rest was not read. The library
`tensorboard` has the message types.

Lightning's logger counts steps, and writes the number of the epoch beside each value as "epoch".
Then the values of an epoch are put together, see `parity.behaviour.readers.tables`.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from parity.behaviour.readers.tables import Read, by_group, by_step, keras_names, named
from parity.errors import InputError

# Names of folders and parts of tags; the first one that is found for validation counts.
TRAINING = ("train", "training")
VALIDATION = ("validation", "val", "valid", "test", "eval")

# A larger record holds a graph, a histogram or images. Checksums are slow here, 10 MB a second.
MAX_RECORD = 1 << 20

_NOT_BY_EPOCH = re.compile(r"batch_|evaluation_.*_vs_iterations$")

# Name to the value of each step.
Points = dict[str, dict[int, float]]


def is_event_file(content: bytes) -> bool:
    """Whether a file is an event file, according to its first record."""
    return b"brain.Event:" in content[:64]


def event_files(folder: Path) -> list[Path]:
    """Returns the event files of one run: those in the folder, in train/ and in validation/.

    Raises:
        InputError: the folder contains only folders of runs.
    """
    validation = next((name for name in VALIDATION if (folder / name).is_dir()), None)
    names = [".", *TRAINING, *([validation] if validation else [])]
    files = [file for name in names for file in sorted((folder / name).glob("*tfevents*"))]
    if not files:
        below = [
            file.parent for levels in ("*", "*/*") for file in folder.glob(f"{levels}/*tfevents*")
        ]
        splits = TRAINING + VALIDATION
        runs = sorted({str(run.parent if run.name in splits else run) for run in below})
        if runs:
            shown = ", ".join(runs[:3]) + (", ..." if len(runs) > 3 else "")
            raise InputError(
                f"{folder} is a folder of runs ({shown}); expected the event files of one run; "
                "name one of these folders"
            )
    return files


def read_events(path: Path, contents: Iterable[tuple[Path, bytes]]) -> Read:
    """Reads the scalars of the event files of one run.

    Args:
        path: the path that the user gave, for messages.
        contents: path and bytes of each file; its folder shows whether it is validation.

    Returns:
        A value per epoch; later values replace earlier ones of the same step.

    Raises:
        InputError: `tensorboard` is not installed, no scalar can be read, or the losses of
            training and validation are not counted in the same steps.
    """
    scalars = []
    torn = []
    for file, content in contents:
        folder = file.resolve().parent.name.lower()
        for event in _events(content):
            if event is None:
                torn.append(file.name)
                break
            for summary in event.summary.value:
                value = _scalar(summary)
                if value is not None and not _NOT_BY_EPOCH.match(summary.tag):
                    scalars.append((event.wall_time, folder, summary.tag, event.step, value))
    if not scalars:
        raise InputError(
            f"{path} has no readable scalars (it is empty, damaged, or has none by epoch); "
            "expected event files of keras.callbacks.TensorBoard or SummaryWriter; name another "
            "folder"
        )
    # Keras's own tags count epochs; other tags of a program may count something else.
    by_keras = any(tag.startswith("epoch_") for _, _, tag, _, _ in scalars)
    words = {word for _, folder, tag, _, _ in scalars for word in (folder, *tag.lower().split("/"))}
    validation = next((word for word in VALIDATION if word in words), None)
    points: Points = {}
    for _, folder, tag, step, value in sorted(scalars, key=lambda scalar: scalar[0]):
        if by_keras and not tag.startswith("epoch_"):
            continue
        name = _name(tag.removeprefix("epoch_"), folder, validation)
        points.setdefault(name, {})[step] = value
    notes = [f"damaged or unfinished, read up to there: {named(torn)}"] if torn else []
    epochs = {} if by_keras else points.pop("epoch", {})
    if epochs:
        read = _by_epoch(points, epochs)
        return Read(read.columns, (*notes, *read.notes))
    if not by_keras:
        _check_steps(path, {name.lower(): values for name, values in points.items()})
    return Read(by_step(keras_names(points)), tuple(notes))


def _by_epoch(points: Points, epochs: Mapping[int, float]) -> Read:
    """Puts values of steps together by the number of the epoch, which stands at the same steps."""
    rows: dict[int, dict[str, float]] = {}
    for name, values in points.items():
        for step, value in values.items():
            rows.setdefault(step, {})[name] = value
    # The monitor of the rate writes no epoch: it is that of the next step with one.
    known = sorted(epochs.items())
    found = {at: next((epoch for step, epoch in known if step >= at), None) for at in rows}
    kept = [(rows[step], epoch) for step, epoch in found.items() if epoch is not None]
    return by_group([row for row, _ in kept], [epoch for _, epoch in kept], "epoch")


def _name(tag: str, folder: str, validation: str | None) -> str:
    """Returns the name of a tag in Keras's history, from its parts or its folder."""
    parts = tag.split("/")
    if len(parts) == 2:
        for split, metric in (parts, parts[::-1]):
            if split.lower() in TRAINING:
                return metric
            if split.lower() == validation:
                return f"val_{metric}"
    return f"val_{tag}" if folder == validation else tag


def _check_steps(path: Path, points: Mapping[str, Mapping[int, float]]) -> None:
    """Rejects a loss by batch with a validation loss by epoch: their steps differ in meaning."""
    loss, val_loss = sorted(points.get("loss", ())), sorted(points.get("val_loss", ()))
    if not loss or not val_loss:
        return
    only_the_start = loss[: len(val_loss)] == val_loss and 2 * len(val_loss) < len(loss)
    if only_the_start or not set(val_loss) <= set(loss):
        raise InputError(
            f"{path} counts the training loss in other steps (to {loss[-1]}) than the validation "
            f"loss (to {val_loss[-1]}); expected one number of the epoch for both; log both by "
            "epoch"
        )


def _events(content: bytes) -> Iterator[Any]:
    """Yields the events of a file up to its end or its first damage, then None for a damage."""
    try:
        from google.protobuf.message import DecodeError
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
    except ImportError as error:
        raise InputError(
            f"event files cannot be read without the package tensorboard ({error}); install it "
            "with: pip install 'keras-torch-parity[tensorboard]'"
        ) from None
    start = 0
    while len(head := content[start : start + 12]) == 12:
        length, checksum = struct.unpack("<QI", head)
        end = start + 12 + length
        if masked_crc32c(head[:8]) != checksum or end + 4 > len(content):
            yield None
            return
        if length <= MAX_RECORD:
            record = content[start + 12 : end]
            if masked_crc32c(record) != struct.unpack_from("<I", content, end)[0]:
                yield None
                return
            try:
                event = Event.FromString(record)
            except DecodeError:
                yield None
                return
            yield event
        start = end + 4
    if head or not content:
        yield None


def _scalar(summary: Any) -> float | None:
    """Returns the number in a summary; None for a histogram, an image or a text."""
    from tensorboard.util.tensor_util import make_ndarray

    kind = summary.WhichOneof("value")
    if kind == "simple_value":
        return float(summary.simple_value)
    if kind != "tensor" or summary.tensor.tensor_shape.dim:
        return None
    try:
        number = make_ndarray(summary.tensor).item()
    except (KeyError, TypeError, ValueError, OverflowError):  # not a number
        return None
    return float(number) if isinstance(number, int | float) else None
