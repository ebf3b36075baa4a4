"""What happened, in words: a log of fixed length. What repeats within seconds is counted in one line."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import msgspec

from ...stream.messages import Status

KEPT = 200
MERGED_S = 5.0
LONGEST_S = 60.0  # that one line counts
GOOD, WARN, BAD = "good", "warn", "bad"


class Line(msgspec.Struct):
    """One line; ``version`` grows with every change of any line."""

    id: int
    version: int
    at: str
    level: str
    text: str


class Happenings:
    """The log.

    Parameters
    ----------
    clock : callable
        Seconds, for what comes shortly after what.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.version = 0
        self._clock = clock
        self._lines: deque[Line] = deque(maxlen=KEPT)
        self._counted: dict[str, tuple[float, float, Line, tuple[int, ...]]] = {}
        self._next = 0

    def note(self, level: str, text: str) -> Line:
        """Add a line."""
        self.version += 1
        line = Line(self._next, self.version, time.strftime("%H:%M:%S"), level, text)
        self._next += 1
        self._lines.append(line)
        return line

    def count(self, kind: str, level: str, amounts: tuple[int, ...], say: Callable[..., str]) -> None:
        """Add a line that `say` words from `amounts`, or add these to the last line of the kind if it is recent."""
        now = self._clock()
        known = self._counted.get(kind)
        if known is None or now - known[1] > MERGED_S or now - known[0] > LONGEST_S:
            self._counted[kind] = now, now, self.note(level, say(*amounts)), amounts
            return
        began, _, line, sums = known
        self.version += 1
        sums = tuple(one + more for one, more in zip(sums, amounts, strict=True))
        line.version, line.text = self.version, say(*sums)
        self._counted[kind] = began, now, line, sums

    def since(self, version: int) -> list[Line]:
        """Lines that are new or have changed after `version`, oldest first."""
        return [line for line in self._lines if line.version > version]

    def follow(self, before: Status, after: Status, fs_hz: float) -> None:
        """Note what two statuses of one session, in order, tell."""
        for kind, level, amounts, say in _counters(before, after, fs_hz):
            if any(amount > 0 for amount in amounts):
                self.count(kind, level, amounts, say)
        for level, text in _changes(before, after):
            self.note(level, text)


def plural(count: int, one: str) -> str:
    """Such as "1 gap" and "2 gaps"."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def listed(channels: Iterable[int], most: int = 8) -> str:
    """Such as "channel 3" and "channels 3, 7 and 20 more"."""
    channels = sorted(channels)
    named = ", ".join(map(str, channels[:most]))
    more = f" and {len(channels) - most} more" if len(channels) > most else ""
    return f"channel{'' if len(channels) == 1 else 's'} {named}{more}"


def _counters(
    before: Status, after: Status, fs_hz: float
) -> Iterator[tuple[str, str, tuple[int, ...], Callable[..., str]]]:
    """Counters that have grown: kind, level, by how much, and the words."""

    def gap(gaps: int, samples: int) -> str:
        return f"{plural(gaps, 'gap')} in the stream: {plural(samples, 'sample')} lost ({1e3 * samples / fs_hz:.0f} ms)"

    yield "gap", BAD, (after.gaps - before.gaps, after.samples_lost - before.samples_lost), gap
    for name, level, say in (
        ("reconnects", WARN, lambda n: f"reconnected to the amplifier{'' if n == 1 else f' {n} times'}"),
        ("late_hops", WARN, lambda n: f"{plural(n, 'hop')} left late: this machine was busy"),
        ("messages_dropped", BAD, lambda n: f"the pipeline could not send {plural(n, 'message')}"),
        ("repeats_dropped", WARN, lambda n: f"{plural(n, 'sample')} came twice and counted once"),
        ("clock_jumps", WARN, lambda n: f"the amplifier's clock jumped{'' if n == 1 else f' {n} times'}"),
        ("held_back", WARN, lambda n: f"{plural(n, 'peak')} held back: not to be told from disturbance"),
        ("masks_late", WARN, lambda n: f"filters without bad channels were late {plural(n, 'time')}"),
        ("connections_refused", WARN, lambda n: f"the pipeline turned {plural(n, 'connection')} away"),
    ):
        yield name, level, (getattr(after, name) - getattr(before, name),), say


def _changes(before: Status, after: Status) -> Iterator[tuple[str, str]]:
    """Words for what is otherwise than before."""
    yield from _channel_changes(before, after)
    if after.sound != before.sound:
        yield (GOOD, "the sources are sound again") if after.sound else (BAD, "the sources are not sound")
    if after.timing != before.timing:
        how = {"exact": "exact", "counted": "counted by the amplifier"}.get(after.timing, "estimated, stamps jitter")
        yield (WARN if after.timing == "estimated" else GOOD), f"the samples' times are {how}"
    if (after.recording, after.recording_reason) != (before.recording, before.recording_reason):
        why = f": {after.recording_reason}" if after.recording_reason else ""
        level = GOOD if after.recording in ("on", "") and not why else BAD
        yield level, f"recording {after.recording or 'off'}{why}"
    yield from _signal_changes(before, after)
    if after.reason and after.reason != before.reason:
        yield BAD, after.reason


def _signal_changes(before: Status, after: Status) -> Iterator[tuple[str, str]]:
    known = {one.name: one for one in before.signals}
    for one in after.signals:
        was = known.get(one.name)
        if was is None:
            continue
        if one.state == "lost" != was.state:
            yield BAD, f'signal "{one.name}" is lost{f": {one.reason}" if one.reason else ""}'
        elif (one.state, one.reason) == ("on", "") and (was.state != "on" or was.reason):
            yield GOOD, f'signal "{one.name}" comes{"" if was.state == "waiting" else " again"}'
        elif one.reason and one.reason != was.reason:
            yield BAD, one.reason


def _channel_changes(before: Status, after: Status) -> Iterator[tuple[str, str]]:
    reasons = dict(zip(after.bad_channels, after.bad_reasons, strict=False))
    fresh: dict[str, list[int]] = {}
    for channel in set(after.bad_channels) - set(before.bad_channels):
        fresh.setdefault(reasons.get(channel, "bad"), []).append(channel)
    for reason, channels in sorted(fresh.items()):
        yield BAD, f"{listed(channels)} {'is' if len(channels) == 1 else 'are'} bad: {reason}"
    good = set(before.bad_channels) - set(after.bad_channels)
    if good:
        yield GOOD, f"{listed(good)} {'is' if len(good) == 1 else 'are'} good again"
    masked, back = (
        set(after.masked_channels) - set(before.masked_channels),
        set(before.masked_channels) - set(after.masked_channels),
    )
    if masked:
        yield WARN, f"{listed(masked)} left out of the filters"
    if back:
        yield GOOD, f"{listed(back)} back in the filters"
