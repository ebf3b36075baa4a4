"""The live table as a drawing: what a pipeline published over its last seconds, as one SVG file."""

from __future__ import annotations

from pathlib import Path

from .svg import text
from .table import Picture

SPAN_S = 10.0
WIDTH, LEFT, RIGHT, TOP, ROW = 1000, 150, 20, 92, 20
ZONE_X, VELOCITY_X, LEFT_OF_RASTER = 246, 392, 412  # where the parameters' columns end and the raster begins, if known
INK, FAINT, PAPER, MARK, GOOD = "#d8dee9", "#7b8494", "#1d2129", "#88c0d0", "#a3be8c"


def save_picture(picture: Picture, path: str | Path) -> None:
    """Draw state, counters, the raster of the last seconds and the command.

    Parameters
    ----------
    picture : Picture
        What a subscriber has gathered.
    path : str or Path
        SVG file to write.
    """
    units = picture.units.units if picture.units is not None else []
    height = TOP + ROW * len(units) + 74
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" '
        f'font-size="13" fill="{INK}"><rect width="{WIDTH}" height="{height}" rx="8" fill="{PAPER}"/>',
        *_header(picture),
        *_raster(picture),
        *_command(picture, TOP + ROW * len(units) + 16),
        "</svg>",
    ]
    Path(path).write_text("\n".join(parts) + "\n", encoding="utf-8")


def _text(x: float, y: float, words: str, colour: str = INK, anchor: str = "start") -> str:
    return text(x, y, words, colour, anchor)


def _header(picture: Picture) -> list[str]:
    status = picture.status
    if status is None:
        return [_text(16, 28, "no message yet", FAINT)]
    latency = status.latency_ms
    return [
        _text(16, 28, status.state, GOOD if status.state == "live" else "#bf616a"),
        _text(
            LEFT, 28, f"{status.samples_in} samples, {status.samples_lost} lost, {status.gaps} gaps, "
            f"{status.late_hops} late hops, {picture.spikes} discharges",
        ),
        _text(
            LEFT, 50, f"sample to message, ms: p50 {latency.p50:.2f}, p99 {latency.p99:.2f}, max {latency.max:.2f}",
            FAINT,
        ),
        _text(16, TOP - 10, "unit  SIL   1/s", FAINT),
        *(_text(x, TOP - 10, name, FAINT, "end") for name, x in _parameter_columns(picture)),
        _text(WIDTH - RIGHT, TOP - 10, f"last {SPAN_S:g} s", FAINT, "end"),
    ]  # fmt: skip


def _parameter_columns(picture: Picture) -> list[tuple[str, int]]:
    """Heading and right edge of the columns of parameters; none while none is known."""
    return [("IZ", ZONE_X), ("CV", VELOCITY_X)] if picture.knows_parameters() else []


def _raster(picture: Picture) -> list[str]:
    entries = picture.units.units if picture.units is not None else []
    rates = picture.drive.rate if picture.drive is not None else []
    columns = _parameter_columns(picture)
    left = LEFT_OF_RASTER if columns else LEFT
    drawn = []
    for line, entry in enumerate(entries):
        y = TOP + ROW * line
        rate = rates[entry.id] if entry.id < len(rates) else 0.0
        drawn.append(_text(34, y + 14, str(entry.id), anchor="end"))
        drawn.append(_text(84, y + 14, f"{entry.sil:.2f}", anchor="end"))
        drawn.append(_text(132, y + 14, f"{rate:.1f}", anchor="end"))
        told = picture.parameters(entry.id) if columns else []
        drawn += [_text(x, y + 14, words, anchor="end") for words, (_, x) in zip(told, columns, strict=True)]
        marks = "".join(
            f"M{left + (1 - ago / SPAN_S) * (WIDTH - left - RIGHT):.1f} {y + 3}v{ROW - 6}"
            for ago in picture.ago(entry.id, SPAN_S)
        )
        drawn.append(f'<path d="{marks}" stroke="{MARK}" stroke-width="1.6"/>' if marks else "")
    return drawn


def _command(picture: Picture, y: float) -> list[str]:
    drive = picture.drive
    if drive is None:
        return []
    width = WIDTH - LEFT - RIGHT
    colour = GOOD if drive.valid else FAINT
    return [
        _text(16, y + 14, f"command {drive.command:.2f}", colour),
        f'<rect x="{LEFT}" y="{y}" width="{width}" height="18" fill="none" stroke="{FAINT}"/>',
        f'<rect x="{LEFT}" y="{y}" width="{drive.command * width:.1f}" height="18" fill="{colour}"/>',
        _text(LEFT, y + 40, f"{drive.cst:.0f} pulses/s of all units, EMG amplitude {drive.envelope:.0f} uV", FAINT),
    ]
