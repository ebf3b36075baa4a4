"""What one page is sent: all that is new since its last frame, and nothing that it does not show."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...stream.beside import MOST_SIGNALS
from ..palette import NINETY, RAMP, UNITS_DARK, UNITS_LIGHT
from .board import EMG_BINS_HZ, FRAMES_HZ, SPAN_S, Board
from .signal_trace import SignalTrace

SLOW_FRAMES = FRAMES_HZ // 2  # parameters and waveforms are sent every so many frames
RATES_FRAMES = FRAMES_HZ // 5  # and the units' rates


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """What a page shows: whether it is seen, unit of its map, grid column of its EMG, which signal, frames a second."""

    seen: bool = True
    unit: int = -1
    column: int = 0
    signal: int = 0
    rate: Annotated[int, msgspec.Meta(ge=1, le=FRAMES_HZ)] = FRAMES_HZ


class Frames:
    """Frames for one page.

    Parameters
    ----------
    board : Board
    """

    def __init__(self, board: Board) -> None:
        self.wish = Wish()
        self.number = 0
        self._board = board
        self._base = 0.0  # of the times in frames
        self._begin()
        self._told: dict[str, Any] = {}

    def _begin(self) -> None:
        """Nothing has been sent of what the board remembers now."""
        self._epoch = self._board.epoch
        self._spikes = self._traces = self._signal = self._emg = 0
        self._column = self._emg_source = None
        self._signal_source: SignalTrace | None = None
        self._params: dict[int, int] = {}
        self._muap = (-1, 0)

    def next(self) -> bytes:
        """The next frame, as JSON."""
        board = self._board
        with board.lock:
            frame: dict[str, Any] = {"n": self.number}
            if self.number == 0:
                frame["hello"] = self._hello()
            if board.epoch != self._epoch:
                self._begin()
            if self._spikes == self._traces == 0 and self._signal_source is None:
                self._base = board.now()
            frame |= {"epoch": board.epoch, "base": self._base, "now": board.now(), "missed": board.missed}
            self._add_changes(frame)
            self._add_spikes(frame)
            self._add_traces(frame)
            self._add_signal(frame)
            if self.wish.seen:
                self._add_emg(frame)
                if self.number % SLOW_FRAMES == 0:
                    self._add_params(frame)
                if self.number % SLOW_FRAMES == 0 or self.wish.unit != self._muap[0]:
                    self._add_muap(frame)
        self.number += 1
        return msgspec.json.encode(frame)

    def _hello(self) -> dict[str, Any]:
        return {
            "address": self._board.address, "span_s": SPAN_S, "emg_bins_hz": EMG_BINS_HZ, "ninety": NINETY,
            "light": UNITS_LIGHT, "dark": UNITS_DARK, "ramp": RAMP,
        }  # fmt: skip

    def _add_changes(self, frame: dict[str, Any]) -> None:
        """State, tables and log, where they are others than this page knows."""
        board = self._board
        head = board.headline()  # may add to the log
        if self._told.get("headline") != head:
            self._told["headline"] = frame["headline"] = head
        lines = board.happenings.since(self._told.get("log", 0))
        if lines:
            self._told["log"] = board.happenings.version
            frame["log"] = lines
        if self._told.get("stream") != board.stream:
            self._told["stream"] = frame["stream"] = board.stream
        for name, make in (("units", self._units), ("status", self._status), ("drive", self._drive)):
            if self._told.get(name) != board.versions[name]:
                self._told[name] = board.versions[name]
                frame[name] = make()
        if self.number % RATES_FRAMES == 0 and self._told.get("rates") != board.versions["drive"]:
            self._told["rates"] = board.versions["drive"]
            frame["rates"] = self._rates()

    def _units(self) -> dict[str, Any] | None:
        units = self._board.units
        if units is None:
            return None
        rows = [
            {"id": one.id, "sil": _round(one.sil, 3), "pnr": _round(one.pnr_db, 1), "trust": _round(one.trust, 2)}
            for one in units.units
        ]
        return {"fs": units.fs_hz, "provider": units.provider, "rows": rows, "electrodes": units.electrodes}

    def _status(self) -> dict[str, Any] | None:
        status = self._board.status
        if status is None:
            return None
        latency = status.latency_ms
        return {
            "state": status.state, "sound": status.sound, "timing": status.timing, "rate_hz": status.rate_hz,
            "lost": status.samples_lost, "gaps": status.gaps, "late": status.late_hops,
            "bad": status.bad_channels, "masked": status.masked_channels,
            "recording": status.recording, "recorded_s": status.recorded_s,
            "signals": [
                {"name": one.name, "state": one.state, "unit": one.unit, "fs": one.fs_hz, "reason": one.reason}
                for one in status.signals[:MOST_SIGNALS]
            ],
            "latency": {"p50": latency.p50, "p99": latency.p99, "p999": latency.p999, "max": latency.max,
                        "hist": latency.hist[:400]},
        }  # fmt: skip

    def _drive(self) -> dict[str, Any] | None:
        drive = self._board.drive
        if drive is None:
            return None
        return {
            "command": _round(drive.command, 3), "cst": _round(drive.cst, 1), "envelope": _round(drive.envelope, 1),
            "valid": drive.valid, "source": drive.source,
        }  # fmt: skip

    def _rates(self) -> list[float]:
        """Of each unit of the table."""
        drive, units = self._board.drive, self._board.units
        if drive is None or units is None:
            return []
        return [round(drive.rate[one.id], 1) if 0 <= one.id < len(drive.rate) else 0.0 for one in units.units]

    def _add_spikes(self, frame: dict[str, Any]) -> None:
        rows = self._board.spikes.since(self._spikes)
        self._spikes = self._board.spikes.head
        if len(rows["t"]):
            frame["spikes"] = {"t": self._milliseconds(rows["t"]), "u": rows["unit"].tolist()}

    def _add_traces(self, frame: dict[str, Any]) -> None:
        rows = self._board.traces.since(self._traces)
        self._traces = self._board.traces.head
        if len(rows["t"]):
            frame["traces"] = {
                "t": self._milliseconds(rows["t"]), "cst": _list(rows["cst"], 1),
                "command": _list(rows["command"], 3), "flag": rows["flag"].tolist(),
            }  # fmt: skip

    def _add_signal(self, frame: dict[str, Any]) -> None:
        chosen, traces = self.wish.signal, list(self._board.signals.values())
        if not 0 <= chosen < len(traces):
            return
        trace = traces[chosen]
        fresh = trace is not self._signal_source
        if fresh:
            self._signal_source, self._signal = trace, 0
        rows = trace.ring.since(self._signal)
        self._signal = trace.ring.head
        if fresh or len(rows["t"]):
            frame["signal"] = {
                "fresh": fresh, "number": chosen, "since": round(trace.since - self._base, 3),
                "t": self._milliseconds(rows["t"]), "low": _significant(rows["low"]),
                "high": _significant(rows["high"]), "value": trace.newest,
            }  # fmt: skip

    def _milliseconds(self, times: NDArray[np.float64]) -> list[int]:
        return np.rint(1e3 * (times - self._base)).astype(np.int64).tolist()

    def _add_emg(self, frame: dict[str, Any]) -> None:
        emg, units = self._board.emg, self._board.units
        if emg is None or units is None or units.electrodes is None:
            return
        column = self.wish.column
        electrodes = units.electrodes
        places = [place for place, one in enumerate(electrodes.col) if one == column and place < emg.channels]
        places.sort(key=lambda place: electrodes.row[place])
        if (column, emg) != (self._column, self._emg_source):
            self._column, self._emg_source, self._emg = column, emg, 0
        bins = emg.ring.since(self._emg)
        fresh, self._emg = self._emg == 0, emg.ring.head
        if fresh or len(bins["low"]):
            frame["emg"] = {
                "fresh": fresh, "column": column, "bins_hz": emg.fs_hz / emg.samples,
                "rows": [electrodes.row[place] for place in places],
                "channels": [electrodes.channels[place] for place in places],
                "low": _list(bins["low"][:, places], 1), "high": _list(bins["high"][:, places], 1),
            }  # fmt: skip

    def _add_params(self, frame: dict[str, Any]) -> None:
        fresh = []
        for unit, (version, one) in self._board.params.items():
            row = self._board.row_of(unit)
            if row is None or self._params.get(unit) == version:
                continue
            self._params[unit] = version
            fresh.append(
                {
                    "row": row, "iz": _round(one.iz_mm, 2), "iz_sd": _round(one.iz_mm_sd, 2),
                    "cv": _round(one.cv_m_s, 3), "cv_sd": _round(one.cv_m_s_sd, 3),
                    "used": one.spikes_used, "snr": _round(one.snr_db, 1), "reason": one.reason,
                }
            )  # fmt: skip
        if fresh:
            frame["params"] = fresh

    def _add_muap(self, frame: dict[str, Any]) -> None:
        unit = self.wish.unit
        known = self._board.muaps.get(unit)
        if known is None or self._muap == (unit, known.version):
            return
        self._muap = unit, known.version
        frame["muap"] = {
            "unit": unit, "fs": known.fs_hz, "before": known.before, "used": known.spikes_used,
            "waveform": _list(known.waveform, 2),
        }  # fmt: skip


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _list(values: NDArray[Any], digits: int) -> list[Any]:
    return values.astype(np.float64).round(digits).tolist()


def _significant(values: NDArray[np.float64]) -> list[float]:
    """To seven digits, wherever the point is."""
    return [float(f"{value:.7g}") for value in values]
