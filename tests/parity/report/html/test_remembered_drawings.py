"""What tests remember of drawings is what would be drawn."""

from functools import partial

import pytest
import remembered_drawings
from short_histories import GOOD_FIT, OVERFIT

from parity.report.html import curves, svg


def _pictures(history, **others):
    return curves.curve_pictures({"keras": history, "torch": history}, **others)


def test_a_remembered_drawing_is_the_one_that_is_made():
    found = {}
    for name, history in (("good", GOOD_FIT), ("bad", OVERFIT)):
        found[name] = _pictures(history)
        with remembered_drawings.remembered():
            assert _pictures(history) == found[name]
            assert _pictures(history) == found[name]
    assert found["good"] != found["bad"]


def test_it_is_drawn_once_and_anew_for_any_other_value(monkeypatch):
    drawn = []
    monkeypatch.setattr(remembered_drawings, "_DRAWN", {})

    def draw(name, height, paint):
        drawn.append(name)
        return str(len(drawn))

    def made(name, value, height=2.0):
        def paint(figure):
            figure.text(0, 0, value)

        return remembered_drawings._drawn(name, height, paint, draw)

    def given(value):
        return remembered_drawings._drawn("c", 2.0, partial(print, value, end=""), draw)

    made_here = [
        made("a", 1.0),
        made("a", 1.0),
        made("a", 2.0),
        made("b", 1.0),
        made("a", 1.0, 3.0),
    ]
    assert made_here == ["1", "1", "2", "3", "4"]
    assert [given(1), given(1), given(2)] == ["5", "5", "6"]


def test_a_drawing_that_raises_raises_again():
    def paint(figure):
        raise KeyError("seeded")

    with remembered_drawings.remembered():
        for _ in range(2):
            with pytest.raises(KeyError, match="seeded"):
                svg.drawn("raises", 2.0, paint)
