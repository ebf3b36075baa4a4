"""The live table: what a pipeline publishes, for a person to watch. A subscriber like any other."""

from __future__ import annotations

import io
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..stream.beside import MOST_SIGNALS
from ..stream.curve import ClientKeys
from ..stream.messages import Drive, Event, Message, Params, Signal, Spikes, Status, UnitEntry, Units
from .subscriber import STALE_S, Subscriber

CELL_S = 0.04  # a character of the raster; braille cells hold two marks side by side
CELLS = " ⡇⢸⣿"
REFRESH_S = 0.1
MOST_NAMED = 6  # bad channels
MOST_COLUMNS, FEW_COLUMNS = 100, 40  # characters of the raster; below the second one the deviations give room
LONGEST_AFTER = 42  # characters behind the command's bar
PATIENCE_S = 15.0  # that a pipeline may take to start
STATE_STYLE = {"live": "bold green", "stalled": "bold red", "paused": "bold yellow", "stopped": "bold red"}


class Picture:
    """What the table shows, kept up to date by messages."""

    def __init__(self) -> None:
        self.units: Units | None = None
        self.status: Status | None = None
        self.drive: Drive | None = None
        self.params: dict[int, Params] = {}
        self.event: Event | None = None
        self.signals: dict[str, str] = {}  # the newest value by name
        self.discharges: dict[int, int] = defaultdict(int)
        self.spikes = 0
        self._raster: deque[tuple[float, int]] = deque(maxlen=20_000)
        self._newest = 0.0

    def take(self, message: Message) -> None:
        """Remember what a message says."""
        self._newest = max(self._newest, message.t)
        if isinstance(message, Spikes):
            for unit, t in zip(message.unit, message.spike_t, strict=False):
                self._raster.append((t, unit))
                self.discharges[unit] += 1
                self.spikes += 1
        elif isinstance(message, Drive):
            self.drive = message
        elif isinstance(message, Params):
            self.params[message.unit] = message
        elif isinstance(message, Units):
            self.units = message
        elif isinstance(message, Status):
            self.status = message
        elif isinstance(message, Event):
            self.event = message
        elif isinstance(message, Signal):
            self._take_signal(message)

    def _take_signal(self, message: Signal) -> None:
        known = message.name in self.signals or len(self.signals) < MOST_SIGNALS
        if message.value and known:
            unit = message.unit and f" {message.unit}"
            self.signals[message.name] = f"{message.value[-1]:.4g}{unit}"

    def ago(self, unit: int, span_s: float) -> list[float]:
        """How long ago a unit discharged, within the last `span_s` seconds."""
        return [self._newest - t for t, one in self._raster if one == unit and self._newest - t < span_s]

    def render(self, width: int, missed: int, age_s: float, height: int | None = None) -> Group:
        """The picture as rich draws it.

        Parameters
        ----------
        width, height : int
            Characters and lines there are; without a height every unit is shown.
        missed : int
            Messages that were missed here.
        age_s : float
            How long no message has come.
        """
        header, command = self._header(missed, age_s), self._command(width, age_s)
        units = self.units.units if self.units is not None else []
        shown = units
        if height is not None:
            room = height - lines_of(header, width) - 2  # of the command and the names of the columns
            if len(units) > room:
                shown = units[: max(0, room - 1)]
        parts = [header, command, self._rows(shown, width)]
        if len(shown) < len(units):
            parts.append(
                Text(f"and {len(units) - len(shown)} more: make the terminal higher", style="dim", no_wrap=True)
            )
        return Group(*parts)

    def _header(self, missed: int, age_s: float) -> Panel:
        status = self.status
        if status is None:
            waits = age_s < PATIENCE_S
            said = "starting" if waits else "no message yet: is the pipeline running?"
            return Panel(Text(said, style="" if waits else "yellow"), title="myodrive")
        silent = age_s > 1.5
        state = "no messages" if silent else status.state
        line = Text.assemble(
            (f" {state} ", STATE_STYLE.get(state, "bold yellow" if not silent else "bold red")),
            f"  {status.samples_in} samples   lost {status.samples_lost} in {status.gaps} gaps   "
            f"reconnects {status.reconnects}   late hops {status.late_hops}"
            + (f"   missed here {missed}" if missed else ""),
        )
        latency = status.latency_ms
        provider = self.units.provider.removesuffix("ExecutionProvider") if self.units is not None else "-"
        begun = status.samples_in > 0
        p50, p99 = (f"{value:.2f}" if begun else "-" for value in (latency.p50, latency.p99))
        rate = f"{status.rate_hz:.1f} Hz, {status.timing}" if begun else "- Hz"
        second = Text(f"to message, ms: p50 {p50}  p99 {p99}   {rate}   on {provider}")
        lines = [line, second]
        if status.bad_channels or status.masked_channels:
            lines.append(Text(bad_channels(status), style="red"))
        if status.recording:
            why = f": {status.recording_reason}" if status.recording_reason else ""
            style = "" if status.recording == "on" and not why else "red"
            lines.append(Text(f"recording {status.recording}, {status.recorded_s:.1f} s on disk{why}", style=style))
        if beside := self._beside(status):
            lines.append(Text(beside))
        if status.reason:
            lines.append(Text(status.reason, style="red"))
        return Panel(Group(*lines), title="myodrive")

    def _beside(self, status: Status) -> str:
        """What comes beside the EMG: the last marker, and the newest value of each signal."""
        parts = []
        if status.events:
            last = "" if self.event is None else f', "{self.event.label[:40]}" at sample {self.event.event_sample}'
            parts.append(f"events {status.events}, {status.events_in} so far{last}")
        for entry in status.signals[:MOST_SIGNALS]:
            value = self.signals.get(entry.name, "no value yet") if entry.state == "on" else entry.state
            parts.append(f"{entry.name[:40]}: {value}" + (f" ({entry.reason})" if entry.reason else ""))
        return "   ".join(parts)

    def _rows(self, entries: Sequence[UnitEntry], width: int) -> Table:
        table = Table(box=None, padding=(0, 1), expand=False)
        names = ["unit", "SIL", "1/s", "spikes"]
        rates = self.drive.rate if self.drive is not None else []
        rows = []
        for entry in entries:
            rate = f"{rates[entry.id]:.1f}" if entry.id < len(rates) else "-"
            rows.append([str(entry.id), f"{entry.sil:.2f}", rate, str(self.discharges[entry.id])])
        columns = room_beside(names, rows, width)
        if self.knows_parameters():
            wide = [[*row, *self.parameters(entry.id)] for row, entry in zip(rows, entries, strict=True)]
            if room_beside([*names, "IZ", "CV"], wide, width) >= FEW_COLUMNS:
                names, rows = [*names, "IZ", "CV"], wide
            else:
                names = [*names, "IZ mm", "CV m/s"]
                rows = [[*row, *self.bare_parameters(entry.id)] for row, entry in zip(rows, entries, strict=True)]
            columns = room_beside(names, rows, width)
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
        span = columns * CELL_S
        table.add_column(f"last {span:.1f} s", justify="left", no_wrap=True, overflow="crop")
        marks = self._marks(columns)
        for entry, row in zip(entries, rows, strict=True):
            train = Text("".join(CELLS[mark] for mark in marks[entry.id]), style="bold cyan")
            table.add_row(*row, train)
        return table

    def _marks(self, columns: int) -> dict[int, list[int]]:
        """Which cells of each unit's raster are marked, and in which half."""
        span = columns * CELL_S
        since = self._newest - span
        marks: dict[int, list[int]] = defaultdict(lambda: [0] * columns)
        for t, unit in reversed(self._raster):
            if t < since:
                break
            half = min(2 * columns - 1, int(2 * (t - since) / CELL_S))
            marks[unit][half // 2] |= 1 + half % 2
        return marks

    def knows_parameters(self) -> bool:
        return any(known.iz_mm is not None or known.cv_m_s is not None for known in self.params.values())

    def parameters(self, unit: int) -> list[str]:
        """Innervation zone and conduction velocity of a unit, as far as they are known."""
        known = self.params.get(unit)
        if known is None:
            return ["-", "-"]
        return [with_sd(known.iz_mm, known.iz_mm_sd, 1, "mm"), with_sd(known.cv_m_s, known.cv_m_s_sd, 2, "m/s")]

    def bare_parameters(self, unit: int) -> list[str]:
        """The same without deviations and units."""
        known = self.params.get(unit)
        iz_mm, cv_m_s = (None, None) if known is None else (known.iz_mm, known.cv_m_s)
        return ["-" if iz_mm is None else f"{iz_mm:.1f}", "-" if cv_m_s is None else f"{cv_m_s:.2f}"]

    def _command(self, width: int, age_s: float) -> Text:
        drive = self.drive
        if drive is None:
            return Text("command: -")
        stale = age_s > STALE_S
        command = 0.0 if stale else drive.command
        note = "  (stale)" if stale else "" if drive.valid else "  (not valid)"
        before, after = f"command {command:4.2f} ", f"  {drive.cst:5.0f} pulses/s, {drive.envelope:.0f} uV{note}"
        columns = max(0, min(MOST_COLUMNS - 20, width - len(before) - LONGEST_AFTER))
        filled = round(command * columns)
        bar = "█" * filled + "░" * (columns - filled)
        return Text(before + bar + after, style="green" if drive.valid and not stale else "yellow", no_wrap=True)


def lines_of(drawn: RenderableType, width: int) -> int:
    """How many lines something takes."""
    return len(Console(width=width, file=io.StringIO()).render_lines(drawn))


def room_beside(names: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> int:
    """How many characters the raster may have beside the other columns."""
    taken = sum(max(map(len, column)) + 2 for column in zip(names, *rows, strict=True))
    return max(1, min(MOST_COLUMNS, width - taken - 3))  # the space around the raster, and one to end the line in


def bad_channels(status: Status) -> str:
    """Which channels are bad and why, and which of them the filters leave out."""
    flagged = list(zip(status.bad_channels, status.bad_reasons, strict=False))
    bad = ", ".join(f"{channel} {reason}" for channel, reason in flagged[:MOST_NAMED]) or "none now"
    bad += ", ..." if len(flagged) > MOST_NAMED else ""
    masked = status.masked_channels
    named = ", ".join(map(str, masked[:MOST_NAMED])) + (", ..." if len(masked) > MOST_NAMED else "")
    return f"bad channels: {bad}" + (f"   left out by the filters: {named}" if masked else "")


def with_sd(value: float | None, sd: float | None, digits: int, unit: str) -> str:
    """Such as "12.3 ± 0.4 mm"; "-" where there is no number."""
    if value is None:
        return "-"
    return f"{value:.{digits}f}" + ("" if sd is None else f" ± {sd:.{digits}f}") + f" {unit}"


def watch(
    address: str,
    *,
    stop: Callable[[Picture], bool],
    console: Console | None = None,
    quiet: bool = False,
    keys: ClientKeys | None = None,
) -> tuple[Picture, int]:
    """Show the table until `stop` says so; what it knew at the end, and how many messages it missed."""
    console = console or Console(stderr=True)
    subscriber = Subscriber(address, ("spikes/", "drive/", "params/", "status/", "units/", "event/", "signal/"), keys)
    picture = Picture()
    height = console.height if console.is_terminal else None
    heard = drawn = time.monotonic()
    live = Live(console=console, auto_refresh=False, screen=False, transient=False)
    try:
        if not quiet:
            live.start()
        while not stop(picture):
            received = subscriber.receive(STALE_S / 2)
            now = time.monotonic()
            if received is not None:
                picture.take(received[1])
                heard = now
            if not quiet and now - drawn >= REFRESH_S:
                drawn = now
                missed = sum(subscriber.missed.values())
                live.update(picture.render(console.width, missed, now - heard, height), refresh=True)
    finally:
        if not quiet:
            live.stop()
        missed = sum(subscriber.missed.values())
        subscriber.close()
    return picture, missed
