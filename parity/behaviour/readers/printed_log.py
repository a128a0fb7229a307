"""What a training prints: Keras's progress, or another program's lines of epochs.

In: text, as it was copied from a terminal or stored in a notebook. Out: a row for each epoch that
ended. An epoch begins with `Epoch 3/10` (or `Epoch [3/10]`, `Epoch: 3`). Its values are the last
ones that stand for each name before the next begins. Where `Epoch 1` comes again, another training
begins: only the last one is read.
"""

from __future__ import annotations

import re
from pathlib import Path

from parity.behaviour.readers.reading import Columns, Read
from parity.errors import InputError

_EPOCH = re.compile(
    r"\bepoch\s*[:#]?\s*\[?(\d{1,6})(?:\s*/\s*\d+|\]|\s*[:,|-]|\s+[a-z]|\s*$)", re.IGNORECASE
)
_CALLBACK = re.compile(r"\bEpoch 0\d+: .*")
_NUMBER = r"[-+]?(?:nan|inf|\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?)"
_PAIR = re.compile(
    rf"([A-Za-z][\w/ ]{{0,40}}?)\s*[:=]\s*({_NUMBER})(%|[a-zA-Z]+)?(?![\d:])", re.IGNORECASE
)
_PROGRESS = re.compile(r"(?:^|\s)(\d+)/(\d+)\s")
# Times, and what programs print beside the numbers of an epoch.
_NOT_MEASURED = re.compile(r"eta|time|elapsed|epoch|step|batch|seed|it/s", re.IGNORECASE)
# Lines that name an epoch which has ended long ago.
_SUMMARY = re.compile(r"best|early|restor|resum|sav(?:e|ed|ing)\b|final|load", re.IGNORECASE)
_METRIC = re.compile(r"loss|acc", re.IGNORECASE)


def looks_printed(text: str) -> bool:
    """Whether text is a printed log: it names an epoch, and a loss or an accuracy with a number."""
    pairs = (name for name, _, _ in _PAIR.findall(text))
    return bool(_EPOCH.search(text)) and any(_METRIC.search(name) for name in pairs)


def read_printed(path: Path, text: str) -> Read:
    """Reads the last training of a printed log.

    Args:
        path: path of the file, for messages.
        text: what was printed; lines that say nothing of an epoch are passed over.

    Raises:
        InputError: no epoch has a number.
    """
    fits, cut = _fits(text)
    if not fits:
        raise InputError(
            f"{path} names epochs, but none has numbers; expected lines such as "
            "'Epoch 1/2' and 'loss: 0.9 - accuracy: 0.7'; name another file"
        )
    notes = []
    if len(fits) > 1:
        notes.append(f"the log has {len(fits)} trainings, and the last one is read")
    if cut:
        notes.append("the last epoch did not end and is left out")
    epochs = fits[-1]
    names = dict.fromkeys(name for epoch in epochs for name in epoch)
    columns: Columns = {name: [epoch.get(name) for epoch in epochs] for name in names}
    return Read(columns, tuple(notes))


def _fits(text: str) -> tuple[list[list[dict[str, float]]], bool]:
    """Returns the trainings, each a list of epochs, and whether the last epoch is unfinished."""
    fits: list[list[dict[str, float]]] = []
    last_number, is_open = 0, False
    # A progress bar is drawn again after a carriage return, or after backspaces.
    for line in re.split(r"[\r\n\x08]+", text):
        said = _CALLBACK.sub("", line)
        if _SUMMARY.search(said):
            continue
        epoch = _header(said)
        if epoch is not None:
            number = int(epoch[1])
            if not fits or number < last_number:
                fits.append([{}])
            elif number > last_number:
                fits[-1].append({})
            last_number = number
            said = said[epoch.end() - 1 :]
        found = _pairs(said)
        if fits and found:
            fits[-1][-1].update(found)
            progress = _PROGRESS.search(said)
            is_open = progress is not None and int(progress[1]) < int(progress[2])
    fits = [[epoch for epoch in fit if epoch] for fit in fits]
    fits = [fit for fit in fits if fit]
    if is_open and fits and len(fits[-1]) > 1:
        del fits[-1][-1]
        return fits, True
    return fits, False


def _header(line: str) -> re.Match[str] | None:
    """Returns the number of the epoch that begins here: at the start, or before its numbers."""
    epoch = _EPOCH.search(line)
    if epoch is None:
        return None
    is_start = not line[: epoch.start()].strip(" \t[(*#=-")
    return epoch if is_start or _pairs(line[epoch.end() - 1 :]) else None


def _pairs(line: str) -> dict[str, float]:
    found = {}
    for name, value, unit in _PAIR.findall(line):
        word = "_".join(name.lower().split())
        is_number = unit in ("", "%") or unit.startswith("Epoch")
        if is_number and not _NOT_MEASURED.search(word):
            found[word] = float(value)
    return found
