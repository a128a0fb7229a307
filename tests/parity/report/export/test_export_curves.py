"""Training curves as a picture: what it shows, that it is text, and what is refused."""

import math
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.errors import InputError, RunError
from parity.report.export.curves import MAX_TITLE_LINES, save_curves

NAN, INF = math.nan, math.inf
SVG = "{http://www.w3.org/2000/svg}"
HISTORY = {
    "loss": [2.0, 1.0, 0.5, 0.25],
    "val_loss": [2.0, 1.25, 1.0, 1.5],
    "accuracy": [0.25, 0.5, 0.75, 1.0],
    "val_accuracy": [0.25, 0.5, 0.5, 0.5],
    "learning_rate": [0.1, 0.1, 0.01, 0.01],
}
STARTS = {".svg": b"<?xml", ".png": b"\x89PNG\r\n", ".pdf": b"%PDF-"}


@pytest.fixture
def draw(tmp_path):
    """Draws a history as SVG and returns the root of its tree."""

    def drawn(history, title=""):
        path = tmp_path / "curves.svg"
        save_curves(history, path, title=title)
        return ElementTree.fromstring(path.read_bytes())

    return drawn


def texts(root):
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def group(root, name):
    """The groups of an SVG whose id starts with a name, in the order in which they are drawn."""
    return [g for g in root.iter(f"{SVG}g") if re.match(name + r"_\d+$", g.get("id", ""))]


def curves(root, axes=0):
    """The points and the style of each curve of a chart; its legend is not cut to the axes."""
    found = []
    for path in group(root, "axes")[axes].iter(f"{SVG}path"):
        if path.get("d") and path.get("clip-path") and "stroke-width: 1.6" in path.get("style"):
            numbers = [float(number) for number in re.findall(r"[-\d.]+", path.get("d"))]
            points = list(zip(numbers[::2], numbers[1::2], strict=True))
            found.append((points, path.get("style")))
    return found


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".Png"])
def test_the_suffix_decides_the_format(tmp_path, suffix):
    path = tmp_path / f"curves{suffix}"
    save_curves(HISTORY, path, title="a run")
    assert path.read_bytes().startswith(STARTS[suffix.lower()])
    assert list(tmp_path.iterdir()) == [path]


def test_points_stand_where_their_values_are(draw):
    history = {"loss": [1.0, 2.0, 3.0, 4.0], "val_loss": [4.0, 4.0, 1.0, 1.0]}
    (loss, _), (val_loss, _) = curves(draw(history))
    x, y = np.transpose(loss)
    np.testing.assert_allclose(np.diff(x), np.full(3, np.diff(x)[0]), atol=1e-4)
    np.testing.assert_allclose(np.diff(y), np.full(3, np.diff(y)[0]), atol=1e-4)
    assert np.diff(x)[0] > 0 > np.diff(y)[0], "an SVG counts downwards"
    np.testing.assert_allclose(np.transpose(val_loss), [x, y[[3, 3, 0, 0]]], atol=1e-4)


def test_a_falling_loss_is_straight_on_its_log_axis(draw):
    root = draw({"loss": [1000.0, 100.0, 10.0, 1.0]})
    ((points, _),) = curves(root)
    y = np.transpose(points)[1]
    np.testing.assert_allclose(np.diff(y), np.full(3, np.diff(y)[0]), atol=1e-4)
    assert "loss (log)" in texts(root)
    assert {"1", "3", "10", "30", "100", "300", "1000"} <= set(texts(root))


def test_the_legend_tells_the_last_values_the_least_and_the_cuts(draw):
    shown = texts(draw(HISTORY | {"eval_accuracy": [0.5, 0.5, 0.5, 0.875]}))
    for label in (
        "loss, last 0.2500",
        "val_loss, last 1.500",
        "lowest val_loss 1.000 (epoch 3)",
        "accuracy, last 1.000",
        "val_accuracy, last 0.5000",
        "eval_accuracy, last 0.8750",
    ):
        assert shown.count(label) == 1
    assert shown.count("learning rate cut (1)") == 2
    assert not any("finite" in label for label in shown)


def test_a_cut_is_a_line_at_its_epoch(draw):
    root = draw(HISTORY)
    (cuts,) = group(group(root, "axes")[0], "LineCollection")
    (path,) = cuts.iter(f"{SVG}path")
    x = float(re.match(r"M ([\d.]+)", path.get("d"))[1])
    ((points, _), _) = curves(root)
    assert x == pytest.approx(points[2][0], abs=1e-4)


def test_what_is_not_finite_is_left_out_and_marked(draw):
    root = draw({"loss": [1.0, NAN, 3.0, 4.0, INF], "val_loss": [NAN] * 5})
    assert "not finite, left out (5)" in texts(root)
    assert "val_loss, last nan" in texts(root)
    ((points, _),) = curves(root)
    assert len(points) == 3
    assert "lowest" not in "".join(texts(root))


def test_an_epoch_between_two_that_are_left_out_has_its_point_in_a_long_training(draw):
    def points(history):
        color = "fill: #0072b2"
        return sum(color in use.get("style") for use in draw(history).iter(f"{SVG}use"))

    epochs = [float(epoch) for epoch in range(1, 101)]
    alone = [NAN if epoch in (49, 51) else epoch for epoch in epochs]
    assert points({"loss": epochs}) == 1  # that of the legend
    assert points({"loss": alone}) == 2


# The program that draws a format might choke on these numbers, or on so many points.
EXTREMES = {
    "many epochs": {key: column * 250 for key, column in HISTORY.items()},
    "nothing finite": {"loss": [NAN], "val_loss": [INF]},
    "far apart": {"loss": [1e10, 1e-10, 0.0]},
    "huge": {"loss": [-1e200, 1e200], "val_loss": [1e308, -INF]},
    "tiny": {"loss": [1e200, 1e-200], "accuracy": [0.0, 5e-324]},
}
HISTORIES = {
    "one epoch": {key: column[:1] for key, column in HISTORY.items()},
    "loss alone": {"loss": [1.0, 2.0]},
    "one accuracy": {"val_accuracy": [0.1]},
    "constant": {"loss": [0.5] * 9, "accuracy": [0.0] * 9},
    "nearly constant": {"loss": [2.3026, 2.302601, 2.302599]},
    "no float": {"loss": [1, 2, 10**400, None]},
}


TITLES = {
    "a tag": "<script>alert('x')</script>",
    "quotes": "\"double\" and 'single' & ampersand",
    "a formula": r"$\frac{a}{b}$ and $x^2$",
    "one dollar": "$5 a_b_c \\alpha",
    "from right to left": "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "a script that is shaped": "\u0939\u093f\u0928\u094d\u0926\u0940",
    "letters that the font lacks": "\u65e5\u672c\u8a9e \U0001f600",
    "an end of a comment": "a --> b ]]> c",
    "Umlaute": "Größe × Maß",
}


@pytest.mark.parametrize(
    ("history", "title", "suffix"),
    [
        *((history, "", ".svg") for history in (HISTORIES | EXTREMES).values()),
        *((EXTREMES["huge"], "", suffix) for suffix in (".png", ".pdf")),
        *((HISTORY, " ".join(TITLES.values()), suffix) for suffix in (".png", ".pdf")),
    ],
)
def test_histories_and_titles_of_all_kinds_are_drawn(tmp_path, history, title, suffix):
    path = tmp_path / f"curves{suffix}"
    save_curves(history, path, title=title)
    assert path.read_bytes().startswith(STARTS[suffix])


def test_labels_are_plain_numbers(draw):
    for scale in (1e10, 1.0, 1e-10):
        root = draw({"loss": [scale, 1.00001 * scale, 1.0002 * scale]})
        labels = [text for text in texts(root) if text[0].isdigit()]
        assert max(float(label) for label in labels) == pytest.approx(max(scale, 3), rel=1e-3)
        assert all(re.fullmatch(r"[\d.]+(e[+-]\d+)?", label) for label in labels)


@pytest.mark.parametrize("title", TITLES.values(), ids=TITLES.keys())
def test_a_title_is_shown_as_text(draw, title):
    root = draw({"loss": [2.0, 1.0]}, title)
    assert title in texts(root)
    assert not list(root.iter(f"{SVG}script"))


def test_what_a_terminal_would_obey_is_shown_as_text(draw):
    shown = texts(draw(HISTORY, "a\x1b[31m\nb\udc80\u202e\x00\ufffe"))
    assert r"a\x1b[31m\nb\udc80\u202e\x00\ufffe" in shown


@pytest.mark.parametrize("title", ["many words " * 1000, "\u65e5" * 500])
def test_a_long_title_is_cut_to_lines_as_wide_as_the_picture(draw, title):
    root = draw({"loss": [2.0, 1.0]}, title)
    shown = [text for text in texts(root) if text[:5] in title]
    assert 1 <= len(shown) <= MAX_TITLE_LINES
    assert any(text.endswith("...") for text in texts(root))
    width = float(root.get("width").removesuffix("pt"))
    for element in root.iter(f"{SVG}text"):
        place = re.match(r"translate\(([-\d.]+) ", element.get("transform", ""))
        assert place is None or 0 <= float(place[1]) < width


def test_an_svg_refers_to_nothing_outside_of_it(tmp_path):
    path = tmp_path / "curves.svg"
    save_curves(HISTORY, path, title="a run")
    content = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(content)
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.endswith("href") or value.startswith("#")
            assert re.findall(r"url\(([^#)])", value) == []
        assert element.tag.removeprefix(SVG) in {
            *["svg", "g", "defs", "style", "path", "use", "text", "tspan", "clipPath", "rect"]
        }
    assert "@import" not in content
    assert set(re.findall(r"https?://[^\"' <]+", content)) == {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }, "the names of namespaces only"
    assert "<!DOCTYPE" not in content


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The history as another process draws it, in a folder: with another hash seed, at another
    time, with another style of the user's."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "matplotlibrc").write_text(
        "lines.linewidth: 9\nfont.size: 20\ntext.usetex: True\naxes.grid: True\n"
    )
    script = (
        "import sys; from pathlib import Path\n"
        "from parity.report.export.curves import save_curves\n"
        "for path in sys.argv[1:]:\n"
        f"    save_curves({HISTORY!r}, Path(path), title='a run')"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONHASHSEED": "7",
        "MATPLOTLIBRC": str(folder),
        "SOURCE_DATE_EPOCH": "1",
    }
    paths = [folder / f"two{suffix}" for suffix in STARTS]
    subprocess.run([sys.executable, "-c", script, *paths], env=environment, check=True)
    return folder


def test_the_same_history_gives_the_same_bytes(tmp_path, elsewhere):
    for suffix in STARTS:
        path = tmp_path / f"one{suffix}"
        save_curves(HISTORY, path, title="a run")
        assert path.read_bytes() == (elsewhere / f"two{suffix}").read_bytes()


def test_matplotlib_is_left_as_it_was_and_pyplot_is_not_loaded(tmp_path):
    script = (
        "import sys, warnings; from pathlib import Path\n"
        "from parity.report.export.curves import save_curves\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        "settings = lambda: dict(dict.items(matplotlib.rcParams))  # not asking for a backend\n"
        "before, filters = settings(), list(warnings.filters)\n"
        "save_curves({'loss': [2.0, 1.0]}, Path(sys.argv[1]))\n"
        "assert (settings(), warnings.filters) == (before, filters)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("DISPLAY", None)
    path = tmp_path / "curves.png"
    subprocess.run([sys.executable, "-c", script, path], env=environment, check=True)
    assert path.exists()


ANOTHER_SUFFIX = r"^{path}: expected a name that ends in \.svg, \.png or \.pdf; choose one$"
# A history, the name of the file, and why it is refused.
REFUSED = [
    *((HISTORY, name, ANOTHER_SUFFIX) for name in ("curves", "curves.svg.txt", ".svg")),
    (HISTORY, "no/curves.svg", "expected a file in an existing folder"),
    *(
        (history, "curves.svg", f"the history has {what}; expected at least one epoch")
        for history, what in (
            ({}, "no keys"),
            ({"loss": []}, "loss"),
            ({"learning_rate": [0.1]}, "learning_rate"),
        )
    ),
]


@pytest.mark.parametrize(("history", "name", "message"), REFUSED)
def test_what_cannot_be_drawn_is_refused(tmp_path, history, name, message):
    with pytest.raises(InputError, match=message.format(path=tmp_path / name)):
        save_curves(history, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "curves.svg"
    path.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("parity.files.atomic._fsync", fail)
    with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)"):
        save_curves(HISTORY, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_matplotlib_the_message_names_the_extra(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match="pip install matplotlib"):
        save_curves(HISTORY, tmp_path / "curves.svg")
    assert list(tmp_path.iterdir()) == []


COLUMN = st.lists(st.one_of(st.floats(), st.floats(0, 5)), max_size=40)
KEYS = ("val_loss", "accuracy", "val_accuracy", "eval_accuracy", "learning_rate")


@pytest.mark.long
@settings(max_examples=20)
@given(
    st.fixed_dictionaries({"loss": COLUMN.filter(bool)}, optional=dict.fromkeys(KEYS, COLUMN)),
    st.text(max_size=40),
)
def test_no_history_and_no_title_breaks_a_picture(tmp_path_factory, history, title):
    path = tmp_path_factory.getbasetemp() / "random.svg"
    save_curves(history, path, title=title)
    ElementTree.fromstring(path.read_bytes())
