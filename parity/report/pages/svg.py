"""Drawings, images and numbers inside a page: in its colours, light or dark."""

from __future__ import annotations

import base64
import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from parity.report.sentences import number as finite_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# --- Values and positions as a page shows them ----------------------------------------------------


def figure(value: float) -> str:
    """Returns a difference or a limit, with signs for what is not finite."""
    if math.isfinite(value):
        return finite_number(value)
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"


def share(worst: float, allowed: float) -> float:
    """Returns the position of a difference between zero and its limit, from 0 to 1.

    The scale is logarithmic: twelve powers of ten below the limit is 0.
    """
    if worst == 0:
        return 0.0
    if not worst <= allowed:
        return 1.0
    return max(0.0, 1 + math.log10(worst / allowed) / 12)


# --- Images as data URLs: inputs of the halves, and images on which they disagree -----------------


MAX_SIDE = 96  # pixels; larger images are reduced, so that a page stays small


def data_url(pixels: np.ndarray) -> str:
    """Returns an image as a PNG in a data URL.

    Args:
        pixels: (H, W, C) in [0, 1]; C = 1 is grey, 3 is red, green, blue; of any other number of
            channels the first is shown.
    """
    from PIL import Image

    bytes_ = np.round(255 * np.clip(np.nan_to_num(pixels), 0, 1)).astype(np.uint8)
    image = Image.fromarray(bytes_ if bytes_.shape[2] == 3 else bytes_[:, :, 0])
    if max(image.size) > MAX_SIDE:
        image.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def on_one_scale(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns images with all values in [0, 1], where they are not yet; one scale for all."""
    finite = [array[np.isfinite(array)] for array in arrays]
    low = min((float(values.min()) for values in finite if values.size), default=0.0)
    high = max((float(values.max()) for values in finite if values.size), default=1.0)
    if low >= 0 and high <= 1:
        return list(arrays)
    return [(array - low) / ((high - low) or 1.0) for array in arrays]


# --- Drawings as SVG inside a page: in its colours, light or dark, and in its font ----------------
#
# matplotlib draws with placeholder colours, which `drawn` replaces with CSS variables. Two drawings
# on a page cannot collide: unused identifiers are removed, the others get a prefix.


WIDTH = 5.6  # inches of 72 pixels: 400 pixels, so that letters are legible on a phone

# Placeholder colours for the CSS variables of the page's style sheet.
INK, LINE, KERAS, TORCH, BAND, GOOD, BAD = (
    "#010203",
    "#020304",
    "#030405",
    "#040506",
    "#050607",
    "#060708",
    "#070809",
)
_VARIABLES = {
    INK: "var(--ink)",
    LINE: "var(--line)",
    KERAS: "var(--keras)",
    TORCH: "var(--torch)",
    BAND: "var(--band)",
    GOOD: "var(--good)",
    BAD: "var(--bad)",
}
_MORE_DIGITS = re.compile(r"(?<=\d\.\d)\d+")  # than a tenth of a pixel
HALF_COLORS = {"keras": KERAS, "torch": TORCH}
NAMES = {"keras": "Keras", "torch": "PyTorch"}

STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be searched, read out and shaped
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}


def drawn(name: str, height: float, paint: Callable[[Figure], None]) -> str:
    """Returns a drawing as the markup of an `svg` element.

    Args:
        name: of letters and digits, unique on the page.
        height: inches.
        paint: draws into the figure, which is WIDTH wide.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    with warnings.catch_warnings(), style.context(["default", {**STYLE, "svg.hashsalt": name}]):
        # The font measures a box for a missing letter; the browser has more fonts.
        for message in ("Glyph .* missing from", "Matplotlib currently does not support"):
            warnings.filterwarnings("ignore", message, UserWarning)
        figure = Figure(figsize=(WIDTH, height))
        paint(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return _fitted(file.getvalue(), name)


def _fitted(text: str, name: str) -> str:
    """The `svg` element alone, as wide as its place on the page."""
    text = text[text.index("<svg") :]
    text = re.sub(r' d="[^"]*"', lambda match: _MORE_DIGITS.sub("", match[0]), text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r'\1 aria-hidden="true"', text, count=1)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)  # HTML knows them
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    text = re.sub(r"font: ([0-9.]+px) [^;\"]*", r"font: \1 sans-serif", text)
    used = set(re.findall(r'(?:href="|url\()#([\w.-]+)', text))
    text = re.sub(
        r' id="([\w.-]+)"',
        lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "",
        text,
    )
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    return re.sub(r">\s+<", "><", text).strip()


def legend(axes: Axes, columns: int = 2) -> None:
    """Puts the legend above the axes, from their left end on."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=columns, borderaxespad=0.2)


def _power(value: float) -> str:
    return f"{value:g}" if 1e-3 <= value < 1e5 else f"{value:.0e}"


def log_labels(axes: Axes, which: str = "y") -> None:
    """Ticks of a logarithmic axis: some powers of ten, written as 1e-7."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(numticks=6))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
