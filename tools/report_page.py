"""The report as a page: one HTML file that needs nothing else, the pool's table first."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .estimation import Pool, UnitEstimate
from .recording import Recording

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #22262e;
  background: #fff; max-width: 1200px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 25px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 44px 0 6px; border-top: 1px solid #d5dae2;
  padding-top: 18px; } p { margin: 6px 0 10px; max-width: 82em; } .faint { color: #5b6473; }
img { max-width: 100%; height: auto; display: block; margin: 10px 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13.5px; margin: 14px 0; }
th, td { padding: 4px 9px; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th { border-bottom: 1.5px solid #22262e; vertical-align: bottom; font-weight: 600; }
td { border-bottom: 1px solid #e3e7ed; } td.words { text-align: left; white-space: normal; min-width: 13em; }
a { color: #0072b2; } .sd { color: #5b6473; }
@media print { h2 { break-before: page; } body { padding: 0; } }
"""
METHODS = {
    "physics": "The physics inverted: the parameters whose modelled waveform is nearest to the measured one.",
    "encoder": "The parameter model (a network trained on modelled waveforms).",
    "classical": "Classical estimators: where propagation reverses, and maximum likelihood over the delays.",
}


def page(title: str, parts: Sequence[str]) -> str:
    """A whole HTML page of its parts."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def heading(pool: Pool, recording: Recording, decoder_name: str) -> str:
    """What was recorded and how it was estimated."""
    geometry, name = pool.array.geometry, recording.path.name if recording.path else "recording"
    facts = [
        escape(recording.muscle) if recording.muscle else "",
        f"{recording.duration_s:.1f} s at {recording.fs_hz:g} Hz",
        f"{len(geometry)} channels of a {geometry.grid_rows} x {geometry.grid_cols} grid, {geometry.ied_mm:g} mm apart",
        escape(pool.array.montage), f"decoder {escape(decoder_name)}",
    ]  # fmt: skip
    left_out = "".join(
        f"<p>Left out: channel{'s' if len(where) > 1 else ''} {', '.join(map(str, where))} ({escape(why)}).</p>"
        for why, where in sorted(_by_reason(pool.bad).items())
    )
    known = sum(one.whole.number("cv_m_s") is not None for one in pool.units)
    return (
        f"<h1>Motor units of {escape(name)}</h1>\n<p class='faint'>{' · '.join(filter(None, facts))}</p>\n"
        f"<p>{len(pool.units)} units, {known} with a conduction velocity. {METHODS[pool.method]} Places are "
        "millimetres along the fibres from the grid's centre, towards higher rows; ± is one standard deviation.</p>"
        + left_out
    )


def table(pool: Pool, force_unit: str, has_force: bool) -> str:
    """One row a unit."""
    others = [name for name in ("encoder", "classical") if name != pool.method and pool.units
              and name in pool.units[0].whole.beside]  # fmt: skip
    named = ["unit", "IZ<br>mm", "CV<br>m/s", "depth<br>mm", "size<br>µV", "SNR<br>dB", "spikes", "rate<br>1/s",
             "ISI<br>CoV"]  # fmt: skip
    if has_force:
        named += [f"recruited<br>{escape(force_unit)}", f"derecruited<br>{escape(force_unit)}"]
    for name in others:
        named += [f"{name}<br>IZ mm", f"{name}<br>CV m/s"]
    said = any(notes(one, others) for one in pool.units)
    rows = [_row(one, others, has_force, said) for one in pool.units]
    head = "".join(f"<th>{one}</th>" for one in (*named, *([""] if said else [])))
    return (
        f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>\n" + "\n".join(rows) + "</tbody></table></div>"
    )


def _row(unit: UnitEstimate, others: Sequence[str], has_force: bool, said: bool) -> str:
    whole = unit.whole
    snr = whole.average.snr_db
    cells = [
        f"<a href='#unit-{unit.unit}'>{unit.unit}</a>",
        with_sd(whole.number("iz_mm"), whole.number("iz_mm_sd"), 1, "+"),
        with_sd(whole.number("cv_m_s"), whole.number("cv_m_s_sd"), 2),
        with_sd(whole.number("depth_mm"), whole.number("depth_mm_sd"), 1),
        f"{whole.peak_to_peak_uv:.0f}", f"{snr:.0f}" if abs(snr) < 1e3 else "–", str(whole.average.discharges),
        with_sd(unit.rate_hz, None, 1), with_sd(unit.cov_isi, None, 2),
    ]  # fmt: skip
    if has_force:
        cells += [with_sd(unit.recruited_at, None, 1), with_sd(unit.derecruited_at, None, 1)]
    for name in others:
        values = whole.beside[name].values
        cells += [with_sd(values.get("iz_mm"), values.get("iz_mm_sd"), 1, "+"),
                  with_sd(values.get("cv_m_s"), values.get("cv_m_s_sd"), 2)]  # fmt: skip
    last = f"<td class='words'>{escape(notes(unit, others))}</td>" if said else ""
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + last + "</tr>"


def notes(unit: UnitEstimate, others: Sequence[str]) -> str:
    """Why there is no number, of every method that has none."""
    said = [unit.whole.answer.reason or ""]
    for name in others:
        reason = unit.whole.beside[name].reason
        if reason and reason not in said:
            said.append(f"{name}: {reason}")
    return "; ".join(filter(None, said))


def with_sd(value: float | None, sd: float | None, digits: int, sign: str = "") -> str:
    """A number for a table, its standard deviation beside it."""
    if value is None:
        return "–"
    beside = "" if sd is None else f" <span class='sd'>± {sd:.{digits}f}</span>"
    return f"{value:{sign}.{digits}f}{beside}".replace("-", "−", 1)


def unit_words(unit: UnitEstimate) -> str:
    """Heading of a unit and what is known of it in one line."""
    whole = unit.whole
    parts = []
    if (speed := whole.number("cv_m_s")) is not None:
        parts.append(f"CV {with_sd(speed, whole.number('cv_m_s_sd'), 2)} m/s")
    if (zone := whole.number("iz_mm")) is not None:
        parts.append(f"IZ {with_sd(zone, whole.number('iz_mm_sd'), 1, '+')} mm")
    if (depth := whole.number("depth_mm")) is not None:
        parts.append(f"depth {with_sd(depth, whole.number('depth_mm_sd'), 1)} mm")
    parts.append(f"{whole.peak_to_peak_uv:.0f} µV peak to peak")
    parts.append(f"{whole.average.discharges} discharges averaged")
    said = escape(notes(unit, list(whole.beside)))
    return (
        f"<h2 id='unit-{unit.unit}'>Unit {unit.unit}</h2>\n<p>{' · '.join(parts)}</p>"
        + (f"\n<p class='faint'>{said[0].upper()}{said[1:]}.</p>" if said else "")
    )  # fmt: skip


def _by_reason(bad: dict[int, str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for channel, why in sorted(bad.items()):
        found.setdefault(why, []).append(channel)
    return found
