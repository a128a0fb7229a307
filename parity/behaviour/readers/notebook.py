"""A Jupyter notebook: the training that its outputs show last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parity.behaviour.readers.printed_log import looks_printed, read_printed
from parity.behaviour.readers.reading import Read
from parity.errors import InputError


def is_notebook(content: Any) -> bool:
    """Whether the content of a JSON file is a notebook."""
    return isinstance(content, dict) and isinstance(content.get("cells"), list)


def read_notebook(path: Path, content: dict[str, Any]) -> Read:
    """Reads the last cell that printed epochs.

    Raises:
        InputError: no cell did.
    """
    printed = [text for cell in content["cells"] if looks_printed(text := _output(cell))]
    if not printed:
        raise InputError(
            f"{path} is a notebook without a training in its outputs; expected a cell that printed "
            "epochs, as model.fit does; run it and save it, or name another file"
        )
    read = read_printed(path, printed[-1])
    notes = read.notes
    if len(printed) > 1:
        notes = (f"{len(printed)} cells print a training, and the last one is read", *notes)
    return Read(read.columns, notes)


def _output(cell: Any) -> str:
    """Returns all text that a cell has printed."""
    outputs = cell.get("outputs") if isinstance(cell, dict) else None
    texts = []
    for output in outputs if isinstance(outputs, list) else []:
        if isinstance(output, dict):
            data = output.get("data")
            plain = data.get("text/plain") if isinstance(data, dict) else None
            texts += [_text(output.get("text")), _text(plain)]
    return "\n".join(texts)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""
