"""What the report's pictures share: colours, axes, and how a figure becomes part of a page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .palette import BENEATH as BENEATH
from .palette import CLASSICAL, ENCODER, FAINT, MEASURED, MODEL, NINETY, ZONE
from .palette import PALE as PALE

COLOURS = {"physics": MODEL, "encoder": ENCODER, "classical": CLASSICAL}
WIDTH_IN = 12.0  # 1152 pixels of a page
MOST_POINTS = 15_000  # of one picture's lines; beyond, they are painted as pixels in it
RASTER_DPI = 150
PATH = re.compile(r' d="[^"]*"')
LONG = re.compile(r"(\d\.\d\d)\d+")  # hundredths of a point are finer than any screen


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib as we want it, whatever the user's settings are; the same input draws the same bytes."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "myodrive", "svg.fonttype": "path", "font.size": 9.0, "axes.titlesize": 9.5,
                "axes.labelsize": 9.0, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "legend.fontsize": 8.5,
                "axes.titlelocation": "left", "axes.edgecolor": FAINT, "xtick.color": "#4a5160",
                "ytick.color": "#4a5160", "xtick.labelcolor": MEASURED, "ytick.labelcolor": MEASURED,
                "text.color": MEASURED, "axes.labelcolor": MEASURED, "legend.frameon": False,
                "axes.spines.top": False, "axes.spines.right": False, "path.simplify_threshold": 0.15,
            }
        )  # fmt: skip
        yield


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """A figure of its own, not pyplot's: no display, no state left behind."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def as_image(figure: Figure, words: str) -> str:
    """The figure as an HTML image that holds itself; `words` are read to those who cannot see it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    drawn = PATH.sub(lambda path: LONG.sub(r"\1", path[0]), buffer.getvalue().decode("utf-8"))
    data = base64.b64encode(drawn.encode("utf-8")).decode("ascii")
    width = round(96 * figure.get_figwidth())
    height = round(96 * figure.get_figheight())
    return f'<img alt="{words}" width="{width}" height="{height}" src="data:image/svg+xml;base64,{data}">'


def zone_band(axis: Axes, value: float | None, sd: float | None, colour: str = ZONE) -> None:
    """A line across the array at an innervation zone, and its 90 % interval."""
    if value is None:
        return
    if sd is not None:
        axis.axhspan(value - NINETY * sd, value + NINETY * sd, color=colour, alpha=0.18, linewidth=0, zorder=0.5)
    axis.axhline(value, color=colour, linewidth=1.3, zorder=1.5)


def say(axis: Axes, words: str) -> None:
    """Words in the middle of an axis that has nothing else to show."""
    axis.text(0.5, 0.5, words, transform=axis.transAxes, ha="center", va="center", color=FAINT, wrap=True)
