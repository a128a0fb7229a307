"""The drawings of a page, each made once for the same content.

Drawing takes most of the time of a report, and most changes of a file leave what is drawn as it is.
A drawing of other values, or one that raises, is made as always.
"""

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from parity.report.html import render
from parity.report.pages import svg
from parity.traces.trace import Record

_DRAWN: dict[bytes, str] = {}


@contextmanager
def remembered() -> Iterator[None]:
    """Makes the reports of this process remember."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "drawn", _drawn)
        yield


def _drawn(name, height, paint, draw=svg.drawn):
    told = io.BytesIO()
    _Pickler(told).dump((name, height, *_content(paint)))
    key = told.getvalue()
    if key not in _DRAWN:
        _DRAWN[key] = draw(name, height, paint)
    return _DRAWN[key]


def _content(paint):
    """What a function draws: its name, what it is given, and the values that it has around it."""
    if isinstance(paint, partial):
        return paint.func, paint.args, paint.keywords
    around = [cell.cell_contents for cell in paint.__closure__ or ()]
    return paint.__module__, paint.__qualname__, paint.__defaults__, around


class _Pickler(pickle.Pickler):
    def reducer_override(self, value):
        if isinstance(value, Record):  # knows its file, of which only an error tells
            return dict, (list(value.items()),)
        return NotImplemented
