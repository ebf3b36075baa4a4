"""What a pipeline publishes as two LSL streams, so that LabRecorder keeps it beside the EMG.

Discharges are a stream of markers, ``NAME-spikes``: one string a discharge, "unit 7", stamped with the time of its
sample. One that nobody should act on, as the pipeline was not valid, is "unit 7 (not valid)": whoever looks for
"unit 7" misses it, and does not take it for a good one. The drive is a stream of numbers at its own rate,
``NAME-drive``, stamped with the time of the sample it is read out at. What never arrived here is missing there too:
nothing is filled in. LSL has neither encryption nor a list of clients: anybody on the network can read these streams.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

import pylsl

from ..stream.client import Client
from ..stream.errors import OptionError
from ..stream.lsl import quieten
from ..stream.messages import Drive, Message, Spikes, Units

TOPICS = ("spikes/", "drive/", "units/")
UNTOLD_DRIVE_HZ = 100.0  # of a pipeline that does not say; `run` has it by default
WAIT_S = 0.2
LONGEST_NAME = 200
NOT_VALID = " (not valid)"
SCALARS = (  # label, unit and type of the drive's first channels
    ("command", "normalized", "Command"),
    ("cst", "pulses/s", "CumulativeSpikeTrain"),
    ("envelope", "microvolts", "Envelope"),
    ("valid", "boolean", "Validity"),
)


@dataclass
class Sent:
    """What went out, and what did not."""

    markers: int = 0
    not_valid: int = 0  # of these
    rows: int = 0
    repeated: int = 0  # drive messages of no new sample, as a pipeline without samples sends them
    early: int = 0  # messages that came before the unit table
    missed: int = 0
    restarts: int = 0


class LslOutlet:
    """Two outlets that follow the messages of one pipeline.

    Parameters
    ----------
    name : str
        The streams are ``name-spikes`` and ``name-drive``.
    place : str
        Where the pipeline is; with the decoder it makes the streams' source ids, so that a recorder finds them again
        after a restart with the same decoder, and not with another.

    Attributes
    ----------
    name : str
    sent : Sent
    """

    def __init__(self, name: str, place: str) -> None:
        quieten()
        self.sent = Sent()
        self.name = name
        self._place = place
        self._session = ""
        self._sample = -1  # newest that a row of the drive was sent of
        self._kind: tuple[object, ...] = ()
        self._units: list[int] = []
        self._spikes: pylsl.StreamOutlet | None = None
        self._drive: pylsl.StreamOutlet | None = None

    @property
    def is_on(self) -> bool:
        """Whether there are streams."""
        return self._drive is not None

    def take(self, message: Message) -> bool:
        """Send what a message says; whether the streams were opened anew for it."""
        if isinstance(message, Units):
            return self._describe(message)
        if self._spikes is None or self._drive is None:
            self.sent.early += 1
        elif isinstance(message, Spikes):
            judged = "" if message.valid else NOT_VALID
            for t, unit in sorted(zip(message.spike_t, message.unit, strict=True)):
                self._spikes.push_sample([f"unit {unit}{judged}"], t)
            self.sent.markers += len(message.unit)
            self.sent.not_valid += 0 if message.valid else len(message.unit)
        elif isinstance(message, Drive):
            self._send_row(message, self._drive)
        return False

    def _send_row(self, drive: Drive, outlet: pylsl.StreamOutlet) -> None:
        if drive.session != self._session:
            self._session, self._sample = drive.session, -1
        if drive.sample <= self._sample or len(drive.rate) != len(self._units):
            self.sent.repeated += 1
            return
        self._sample = drive.sample
        outlet.push_sample([drive.command, drive.cst, drive.envelope, float(drive.valid), *drive.rate], drive.t)
        self.sent.rows += 1

    def _describe(self, units: Units) -> bool:
        """Open the streams, or open them anew where the decoder or the drive is another."""
        kind = (units.decoder_sha256, units.fs_hz, units.drive_hz, units.drive_delay_s, len(units.units))
        if kind == self._kind:
            return False
        self._kind = kind
        self._units = [unit.id for unit in units.units]
        self._spikes = self._drive = None  # those of before go away first
        self._spikes = pylsl.StreamOutlet(self._marker_info(units))
        self._drive = pylsl.StreamOutlet(self._drive_info(units))
        return True

    def _marker_info(self, units: Units) -> pylsl.StreamInfo:
        info = pylsl.StreamInfo(
            f"{self.name}-spikes", "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, self._source_id(units, "spikes")
        )
        channel = info.desc().append_child("channels").append_child("channel")
        told = f'"unit N", or "unit N{NOT_VALID}" where nobody should act on it'
        for key, value in (("label", "discharge"), ("unit", "none"), ("type", "Marker"), ("values", told)):
            channel.append_child_value(key, value)
        self._common(info, units, "the sample at which the unit's source peaks, lag_s after the onset of its potential")
        return info

    def _drive_info(self, units: Units) -> pylsl.StreamInfo:
        rates = [(f"rate of unit {unit}", "pulses/s", "DischargeRate") for unit in self._units]
        rows = [*SCALARS, *rates]
        info = pylsl.StreamInfo(
            f"{self.name}-drive", "NeuralDrive", len(rows), units.drive_hz or UNTOLD_DRIVE_HZ, pylsl.cf_float32,
            self._source_id(units, "drive"),
        )  # fmt: skip
        channels = info.desc().append_child("channels")
        for label, unit, kind in rows:
            channel = channels.append_child("channel")
            for key, value in (("label", label), ("unit", unit), ("type", kind)):
                channel.append_child_value(key, value)
            if label in ("command", "cst", "envelope"):
                channel.append_child_value("delay_s", f"{units.drive_delay_s:g}")
        self._common(info, units, "the sample that the drive is read out at")
        return info

    def _source_id(self, units: Units, what: str) -> str:
        return f"myodrive:{self._place}:{self.name}:{units.decoder_sha256[:16]}:{what}"

    def _common(self, info: pylsl.StreamInfo, units: Units, stamp: str) -> None:
        desc = info.desc()
        desc.append_child_value("manufacturer", "myodrive")
        made = desc.append_child("decoder")
        for key, value in (
            ("sha256", units.decoder_sha256), ("fs_hz", f"{units.fs_hz:g}"), ("lookahead_s", f"{units.lookahead_s:g}"),
            ("drive_delay_s", f"{units.drive_delay_s:g}"), ("time_stamps", stamp),
        ):  # fmt: skip
            made.append_child_value(key, value)
        table = made.append_child("units")
        for unit in units.units:
            entry = table.append_child("unit")
            for key, value in (("id", str(unit.id)), ("sil", f"{unit.sil:.4g}"), ("pnr_db", f"{unit.pnr_db:.4g}"),
                               ("lag_s", f"{unit.lag_s:g}")):  # fmt: skip
                entry.append_child_value(key, value)


def run_outlet(
    client: Client,
    address: str,
    name: str | None,
    *,
    stop: Callable[[], bool],
    say: Callable[[str], None],
) -> Sent:
    """Follow a pipeline until told to stop.

    Parameters
    ----------
    client : Client
        Subscribed to `TOPICS`.
    address : str
        Of the pipeline.
    name : str or None
        Of the streams; by default that of the pipeline's own stream.
    stop, say : callable
        Asked whether to stop; takes a line for the user.
    """
    if name is not None and not 0 < len(name) <= LONGEST_NAME:
        raise OptionError(f"a name of {len(name)} characters is no name for a stream: give 1 to {LONGEST_NAME}")
    place = f"{socket.gethostname()}:{address.removeprefix('tcp://')}"
    outlet = None if name is None else LslOutlet(name, place)
    missed = restarts = 0
    while not stop():
        received = client.receive(WAIT_S)
        if sum(client.missed.values()) > missed:
            found = sum(client.missed.values())
            say(f"missed {found - missed} messages, {found} in all: the LSL streams have holes there")
            missed = found
        if client.restarts > restarts:
            restarts = client.restarts
            say("the pipeline was started again: its samples begin anew, the time stamps go on")
        if received is None:
            continue
        if outlet is None:
            outlet = LslOutlet(client.stream, place)
        if outlet.take(received[1]):
            say(f'LSL streams "{outlet.name}-spikes" (markers) and "{outlet.name}-drive" are on')
    sent = Sent() if outlet is None else outlet.sent
    sent.missed, sent.restarts = missed, restarts
    return sent
