"""TensorBoard's event files, written without its writer, which starts TensorFlow."""

import struct

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c


def record(content):
    head = struct.pack("<Q", len(content))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (head, content)]
    return head + checksums[0] + content + checksums[1]


def event(tag, step, value, wall_time=0.0):
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    return Event(wall_time=wall_time, step=step, summary=summary)


def write(folder, events, name="events.out.tfevents.1"):
    folder.mkdir(parents=True, exist_ok=True)
    events = [Event(wall_time=0.0, file_version="brain.Event:2"), *events]
    path = folder / name
    path.write_bytes(b"".join(record(item.SerializeToString()) for item in events))
    return path


def write_columns(folder, columns, **options):
    """Writes tag to values; the steps are 0, 1, ..."""
    items = [
        event(tag, step, v) for tag, values in columns.items() for step, v in enumerate(values)
    ]
    return write(folder, items, **options)
