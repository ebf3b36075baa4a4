"""Every fault of the amplifier, live: when the pipeline says so, what it counts lost, what it reports falsely.

A `play` process with faults is heard over LSL by a `run` process, and that by a subscriber that keeps every message.
What `play` says at its end is the truth about samples; the discharges are held to those that the same decoder finds
in the same recording without faults.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from ..stream.decoder_file import Decoder, read_decoder
from ..stream.errors import StreamError
from ..stream.messages import Drive, Message, Spikes, Status
from ..stream.pipeline import Pipeline
from .commands.decode import decode, selected
from .faults import ON_SAMPLES, Fault, FaultPlan
from .hdf5_reading import read_recording
from .parameters import NONE
from .ports import control_address, free_port_pair
from .processes import decoder_of, finish, output_of, start
from .recording import BUNDLED, Recording
from .subscriber import STALE_S, Subscriber, ask

START_S = 60.0
END_S = 15.0
CHUNK = 8
FALSE_S = 0.1  # after a fault
NEAR = 2  # samples
SAID_S, LIVE_S = 0.5, 2.0  # the bounds on a death of the amplifier
FOUR = "channels=9+10+23+40"
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Playing:
    """One `play` and `run`: the faults in order of time, and how long it lasts."""

    faults: tuple[str, ...]
    seconds: float
    counter: bool = False


PLAYINGS = (
    Playing(
        (
            "gap@3:1n", "gap@5:37n", "gap@7:0.25", "gap@9:5000n", "drop@13:1,share=0.2", "duplicate@16:1,share=0.5",
            "burst@18:1,chunks=10", "stall@21:1",
        ),
        24.5,
    ),
    Playing(
        (
            f"nan@3:1,{FOUR}", f"flat@7:1,{FOUR}", f"saturated@11:1,{FOUR}", f"noise@15:1,{FOUR}", f"swap@19:1,{FOUR}",
            "artefact@22:1", "mains@25:1", "pop@28:1,channels=9+10",
        ),
        31.0,
    ),
    Playing(("jitter@3:2,sd_ms=2",), 7.0),
    Playing(("equal@3:2",), 7.0),
    Playing(("jitter@2:9,sd_ms=3", "gap@4:37n", "clock@6:1,jump=-0.5", "gap@9:0.25"), 12.0, counter=True),
    Playing(("drift@3,ppm=3000",), 12.0),
    Playing(("clock@3,jump=-0.5", "clock@6,jump=5"), 9.0),
    Playing(("die@3:1,rate=1000",), 8.0),
    Playing(("die@3:1,channels=32",), 8.0),
    Playing(("die@3:1,labels=new",), 8.0),
)  # fmt: skip


@dataclass
class Heard:
    """What a subscriber got in one playing, and what was played."""

    truth: dict[str, Any]
    messages: list[Message] = field(default_factory=list)
    missed: int = 0

    def of(self, form: type) -> list[Any]:
        """The messages of one kind."""
        return [message for message in self.messages if type(message) is form]

    def offset(self, fs_hz: float, before: float) -> int:
        """Number, in the amplifier's count, of the pipeline's sample 0; from the drive until `before` s."""
        begun = self.truth["first_stamp"]
        early = [(d.t - begun) * fs_hz - d.sample for d in self.of(Drive) if d.t < begun + before]
        if not early:
            raise StreamError("no message came before the first fault: run `myodrive doctor`")
        return round(float(np.median(early)))


def faults(
    *,
    deaths: int = 20,
    decoder: str | None = None,
    recording: str = str(BUNDLED),
    playings: Sequence[Playing] = PLAYINGS,
    progress: Progress = lambda share, note: None,
) -> dict[str, Any]:
    """Play the whole list.

    Parameters
    ----------
    deaths : int
        How often the amplifier goes away, for a second each, and comes back.
    decoder : str, optional
        One of the recording, instead of calibrating.
    recording : str
    playings : sequence of Playing
    progress : callable, optional
    """
    every = list(playings)
    if deaths:
        dying = tuple(f"die@{3 + 3.5 * n:g}:1" for n in range(deaths))
        every.append(Playing(dying, 3 + 3.5 * deaths + 0.5))
    whole = sum(one.seconds + 4.0 for one in every)
    rows: list[dict[str, Any]] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = decoder_of(recording, decoder, folder, progress)
        used, played = read_decoder(path), read_recording(recording)
        begun = time.monotonic()
        for one in every:

            def show(note: str) -> None:
                progress(min(1.0, (time.monotonic() - begun) / whole), note)

            heard = _heard(one, path, recording, played.channels, show)
            rows += judged(one, heard, used, played)
    dead = [row for row in rows if row["text"].startswith("die") and "," not in row["text"]]
    return {
        "faults": [row for row in rows if row not in dead], "deaths": dead,
        "stalled_after_s": _worst(dead, "said_after_s"), "live_after_s": _worst(dead, "live_after_s"),
        "deaths_in_time": sum(_in_time(row) for row in dead),
        "identity_held": all(row["identity"] for row in rows), "valid_when_stale": sum(row["stale"] for row in rows),
        "seconds": time.monotonic() - began,
    }  # fmt: skip


def _worst(rows: list[dict[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows]
    return None if not values or None in values else max(values)


def _in_time(row: dict[str, Any]) -> bool:
    said, live = row["said_after_s"], row["live_after_s"]
    return said is not None and live is not None and said <= SAID_S and live <= LIVE_S


def _heard(playing: Playing, decoder: str, recording: str, channels: int, show: Callable[[str], None]) -> Heard:
    """Start the processes, keep every message until the playing is over, and stop them."""
    name = f"myodrive-bench-{free_port_pair()}"
    address = f"tcp://127.0.0.1:{free_port_pair()}"
    play = ["play", recording, "--name", name, "--source-id", name, "--loop", "--chunk", str(CHUNK), "--json"]
    play += ["--seconds", str(playing.seconds), "--wait-for-consumers", str(START_S)]
    for fault in playing.faults:
        play += ["--fault", fault]
    run = ["run", "--stream", name, "--decoder", decoder, "--bind", address, "--params", NONE, "--quiet", "--json"]
    if playing.counter:
        play.append("--counter")
        run += ["--counter", str(channels)]
    amplifier, pipeline = start(play), start(run)
    subscriber = None
    heard = Heard({})
    try:
        subscriber = Subscriber(address, ("spikes/", "drive/", "status/"))
        limit = time.monotonic() + START_S + playing.seconds
        over = math.inf
        while time.monotonic() < min(limit, over):
            if pipeline.poll() is not None:
                output_of(pipeline, 1.0)
                raise StreamError("the pipeline stopped by itself: run `myodrive doctor`")
            if amplifier.poll() is not None and math.isinf(over):
                over = time.monotonic() + 0.3
            found = subscriber.receive(0.05)
            if found is not None:
                heard.messages.append(found[1])
            show(", ".join(playing.faults)[:40])
        heard.missed = sum(subscriber.missed.values())
        heard.truth = msgspec.json.decode(output_of(amplifier, END_S))
        ask(control_address(address), "stop")
        output_of(pipeline, END_S)
        return heard
    finally:
        if subscriber is not None:
            subscriber.close()
        for process in (amplifier, pipeline):
            finish(process)


# what came of each fault


def judged(playing: Playing, heard: Heard, decoder: Decoder, recording: Recording) -> list[dict[str, Any]]:
    """A row for each fault of a playing."""
    fs_hz = recording.fs_hz
    every = [Fault.parse(text) for text in playing.faults]
    plan = FaultPlan(every, fs_hz, recording.channels, CHUNK)
    offset = heard.offset(fs_hz, every[0].at_s)
    clean = _without_faults(decoder, recording, heard.truth["counted"], offset)
    spikes = [
        (sample + offset, unit) for m in heard.of(Spikes) for sample, unit in zip(m.spike_sample, m.unit, strict=True)
    ]
    stray = np.array([sample for sample, unit in spikes if not clean[unit][_around(sample, len(clean[unit]))].any()])
    identity = all(s.sample + 1 == s.samples_in + s.samples_lost for s in heard.of(Status))
    rows = []
    for i, fault in enumerate(every):
        first = fault.first(fs_hz)
        end = fault.end(fs_hz) if math.isfinite(fault.end(fs_hz)) else first
        instant = heard.truth["first_stamp"] + plan.time(first)
        over = heard.truth["first_stamp"] + plan.time(int(end))
        following = [other.first(fs_hz) for other in every if other.first(fs_hz) > first]
        until = heard.truth["first_stamp"] + (plan.time(min(following)) if following else math.inf)
        here = [m for m in heard.messages if instant <= m.t_pub < until]
        statuses = [m for m in heard.messages if type(m) is Status and m.t_pub < instant]
        before = statuses[-1] if statuses else None
        told = next((m for m in here if tells(fault, m, before)), None)
        back = next((m for m in here if m.t_pub >= over and is_live(fault, m)), None)
        drive = [m for m in here if type(m) is Drive]
        silent = [m for m in drive if instant + SAID_S <= m.t_pub < over] if fault.kind in ("die", "stall") else []
        last = next((m for m in reversed(here) if type(m) is Status), before)
        counted = 0 if last is None or before is None else last.samples_lost - before.samples_lost
        stop = min(following, default=math.inf)
        true = sum(max(0, min(a + n, stop) - max(a, first)) for a, n in heard.truth["gaps"])
        rows.append(
            {
                "fault": fault.kind, "text": playing.faults[i], "counter": playing.counter,
                "said_after_s": None if told is None else told.t_pub - instant,
                "said_by": None if told is None else word_for(fault, told),
                "lost_counted": counted, "lost_true": true, "timing": None if last is None else last.timing,
                "false_during": int(np.count_nonzero((stray >= first) & (stray < end))),
                "false_after": int(np.count_nonzero((stray >= end) & (stray < end + FALSE_S * fs_hz))),
                "live_after_s": None if back is None else max(0.0, back.t_pub - over),
                "invalid_s": sum(not m.valid for m in drive) / 100.0,
                "commanded_in_silence": sum(m.valid or m.command > 0 for m in silent),
                "stale": sum(m.valid and m.t_pub - m.t > STALE_S for m in drive),
                "masked": None if last is None or before is None else max(
                    (len(m.masked_channels) for m in here if type(m) is Status), default=0
                ),
                "refused": bool(last is not None and last.state == "stalled" and last.reason),
                "off_place": max((abs(_off(m, heard, fs_hz, offset)) for m in drive if m.valid), default=0),
                "identity": identity, "missed": heard.missed,
            }
        )  # fmt: skip
    return rows


def _off(drive: Drive, heard: Heard, fs_hz: float, offset: int) -> int:
    """By how many samples the number of a drive's sample is off, as its time stamp says."""
    return round((drive.t - heard.truth["first_stamp"]) * fs_hz) - drive.sample - offset


def _around(sample: int, samples: int) -> slice:
    return slice(max(0, min(sample - NEAR, samples)), max(0, min(sample + NEAR + 1, samples)))


def _without_faults(decoder: Decoder, recording: Recording, counted: int, offset: int) -> list[NDArray[np.bool_]]:
    """Of each unit, by the amplifier's sample number, where the same decoder finds its discharges."""
    emg = selected(recording, decoder)
    rows = np.arange(max(0, offset), counted) % len(emg)
    pipeline = Pipeline(decoder, 64)
    try:
        trains = decode(np.ascontiguousarray(emg[rows]), pipeline, 64)
    finally:
        pipeline.close()
    found = []
    for train in trains.values():
        there = np.zeros(counted, np.bool_)
        there[train + max(0, offset)] = True
        found.append(there)
    return found


def tells(fault: Fault, message: Message, before: Status | None) -> bool:
    """Whether a message says that `fault` has come; `before` is the status right before it."""
    if before is None:
        return False
    if isinstance(message, Drive):
        return fault.kind in ("swap", "artefact", "mains", "pop") and not message.valid
    if not isinstance(message, Status):
        return False
    kind = fault.kind
    if kind in ("gap", "drop"):
        return message.samples_lost > before.samples_lost
    if kind == "duplicate":
        return message.repeats_dropped > before.repeats_dropped
    if kind in ("jitter", "equal", "burst"):
        return message.timing != before.timing
    if kind == "drift":
        return abs(message.rate_hz / before.rate_hz - 1.0) > 0.5e-6 * abs(fault["ppm"])
    if kind == "clock":
        return message.clock_jumps > before.clock_jumps
    if kind in ("stall", "die"):
        return message.state == "stalled"
    return bool(message.bad_channels)


def word_for(fault: Fault, message: Message) -> str:
    """The field that says so."""
    if isinstance(message, Drive):
        return "valid"
    assert isinstance(message, Status)
    if fault.kind in ON_SAMPLES:
        return "bad_channels"
    return {
        "gap": "samples_lost", "drop": "samples_lost", "duplicate": "repeats_dropped", "drift": "rate_hz",
        "clock": "clock_jumps", "stall": "stalled", "die": "stalled",
    }.get(fault.kind, "timing")  # fmt: skip


def is_live(fault: Fault, message: Message) -> bool:
    """Whether a message says that all is well again: the stream, or the drive where that went on."""
    if fault.kind in ("stall", "die"):
        return isinstance(message, Status) and message.state == "live"
    return isinstance(message, Drive) and message.valid


def table(result: dict[str, Any]) -> Table:
    """For a person."""
    dead = result["deaths"]
    title = f"{result['seconds']:.0f} s; identity " + ("held in every status" if result["identity_held"] else "BROKEN")
    if dead:
        title += (
            f"\n{result['deaths_in_time']} of {len(dead)} deaths in time: stalled after {_s(result['stalled_after_s'])}"
            f" s at worst, live {_s(result['live_after_s'])} s after the return"
        )
    shown = Table(title=title, box=box.SIMPLE_HEAD)
    names = (
        "fault", "said after s", "by", "lost", "of", "false during", "false 0.1 s after", "live after s", "invalid s",
        "commanded",
    )  # fmt: skip
    for name in names:
        shown.add_column(name, justify="left" if name in ("fault", "by") else "right", no_wrap=name in ("fault", "by"))
    for row in [*result["faults"], *dead]:
        text = row["text"] + (" (counter)" if row["counter"] else "")
        shown.add_row(
            text.replace("channels=9+10+23+40", "4 channels"), _s(row["said_after_s"]), row["said_by"] or "-",
            str(row["lost_counted"]), str(row["lost_true"]), str(row["false_during"]), str(row["false_after"]),
            "refused" if row["refused"] else _s(row["live_after_s"]), f"{row['invalid_s']:.2f}",
            str(row["commanded_in_silence"]),
        )  # fmt: skip
    return shown


def _s(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
