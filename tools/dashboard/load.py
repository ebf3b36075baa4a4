"""A pipeline that is none: publishes messages of ours at full load, for measuring those who read them.

python -m myodrive.tools.dashboard.load tcp://127.0.0.1:5570 [--channels 256] [--units 60] [--signal HZ]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np

from ...stream.curve import ServerKeys
from ...stream.endpoints import Endpoints
from ...stream.latency import LatencyHistogram
from ...stream.messages import (
    Drive,
    Electrodes,
    Emg,
    Muap,
    Params,
    Signal,
    SignalEntry,
    Spikes,
    Status,
    UnitEntry,
    Units,
)
from ..signals import stopped_by_signals

FS_HZ, HOP, DRIVE_HZ, EMG_HZ = 2048.0, 8, 100.0, 30.0
PARAMS_HZ = 4.0  # of a unit
MUAP_SAMPLES = 60
STREAM = "load"


class Load:
    """Publishes as `run` does: spikes a hop, drive, signals, parameters, status, and EMG and waveforms where wanted.

    Parameters
    ----------
    address : str
    channels, units : int
    clock : callable
        Seconds.
    keys : ServerKeys, optional
        Let in the clients on the list only.

    Attributes
    ----------
    signals : tuple of SignalEntry
        Beside the EMG; of those in the state "on" values come.
    """

    def __init__(
        self,
        address: str,
        channels: int,
        units: int,
        clock: Callable[[], float] = time.monotonic,
        seed: int = 100,
        keys: ServerKeys | None = None,
    ) -> None:
        self.state = "live"
        self.status_extra: dict[str, object] = {}
        self.signals: tuple[SignalEntry, ...] = ()
        self._clock = clock
        self._rng = np.random.default_rng(seed)
        self._channels, self._units = channels, units
        self._endpoints = Endpoints(address, STREAM, keys)
        self._publisher = self._endpoints.publisher
        self._latency = LatencyHistogram()
        self._rate = np.linspace(16.0, 7.0, units)  # pulses/s
        self._due = clock() + self._rng.uniform(0, 1, units)  # next discharges
        rows = 8 if channels % 8 == 0 else channels
        place = np.arange(channels)
        self._electrodes = Electrodes(
            channels=place.tolist(), row=(place % rows).tolist(), col=(place // rows).tolist(), ied_mm=8.0,
            grid_rows=rows, grid_cols=-(-channels // rows),
        )  # fmt: skip
        self._began = self._t = clock()
        self._next = dict.fromkeys(("hop", "drive", "emg", "status", "params"), self._began)
        self._waves = self._rng.normal(0, 20, (units, channels, MUAP_SAMPLES)).round(3)
        self._noise = self._rng.normal(0, 60, (8, channels, round(FS_HZ / EMG_HZ))).round(3)
        self._turn = 0
        self._sample = 0
        self._signalled = self._began

    def tend(self) -> None:
        """Send what is due."""
        now = self._clock()
        newcomers = self._publisher.newcomers()
        if newcomers:
            self._send("units", self._unit_table(), now)
            self._send("status", self._status(), now)
        self._each("status", 1.0, now, lambda t: self._send("status", self._status(), now))
        self._send_signals(now)
        live = self.state == "live"
        self._each("drive", DRIVE_HZ, now, lambda t: self._send("drive", self._drive(t, live), now))
        if not live:
            for name in ("hop", "emg", "params"):
                self._next[name] = now
            return
        self._t = now
        self._sample = round((now - self._began) * FS_HZ)
        self._each("hop", FS_HZ / HOP, now, lambda t: self._spikes(t, now))
        self._each("emg", EMG_HZ, now, lambda t: self._pictures(now))
        self._each("params", PARAMS_HZ * self._units, now, lambda t: self._params(now))

    def close(self) -> None:
        """Free the addresses."""
        self._endpoints.close()

    def _each(self, name: str, rate_hz: float, now: float, send: Callable[[float], None]) -> None:
        while self._next[name] <= now:
            send(self._next[name])
            self._next[name] += 1.0 / rate_hz

    def _send(self, kind: str, message, now: float) -> None:
        message.sample, message.t = self._sample, self._t
        self._publisher.send(kind, message, now)

    def _spikes(self, t: float, now: float) -> None:
        self._latency.record(1.5 + self._rng.gamma(2.0, 0.7))
        units = np.flatnonzero(self._due <= t)
        if len(units) == 0:
            return
        times = self._due[units].tolist()
        self._due[units] = np.maximum(t, self._due[units] + self._rng.normal(1.0, 0.12, len(units)) / self._rate[units])
        samples = [round((one - self._began) * FS_HZ) for one in times]
        message = Spikes(unit=units.tolist(), spike_sample=samples, spike_t=times, margin=[1.0] * len(times))
        self._send("spikes", message, now)

    def _drive(self, t: float, live: bool) -> Drive:
        level = 0.5 - 0.4 * np.cos(2 * np.pi * (t - self._began) / 20.0)
        rate = (self._rate * (0.6 + 0.5 * level)).round(2).tolist() if live else [0.0] * self._units
        return Drive(
            rate=rate, cst=float(sum(rate)), command=float(level) if live else 0.0,
            source="units" if live else "none", delay_s=0.08, envelope=80.0 * float(level), valid=live,
        )  # fmt: skip

    def _send_signals(self, now: float) -> None:
        """What has come since the last time, a hundredth of a second or more."""
        if now - self._signalled < 1.0 / DRIVE_HZ:
            return
        since, self._signalled = self._signalled, now
        for turn, one in enumerate(self.signals):
            steps = np.arange(np.ceil(since * one.fs_hz), np.ceil(now * one.fs_hz)) if one.state == "on" else ()
            if len(steps):
                t = steps / one.fs_hz
                value = 10.0 * np.sin(2 * np.pi * (t - self._began) / (8.0 + turn)) + self._rng.normal(0, 0.1, len(t))
                places = (t - self._began) * FS_HZ
                message = Signal(
                    name=one.name, unit=one.unit, fs_hz=one.fs_hz, value=value.tolist(), value_sample=places.tolist(),
                    value_t=t.tolist(),
                )  # fmt: skip
                self._send("signal", message, now)

    def _pictures(self, now: float) -> None:
        self._turn += 1
        if self._publisher.wanted("emg"):
            block = self._noise[self._turn % len(self._noise)]
            first = self._sample - block.shape[1] + 1
            self._send("emg", Emg(first_sample=first, fs_hz=FS_HZ, emg=block.tolist()), now)
        if self._publisher.wanted("muaps"):
            unit = self._turn % self._units
            message = Muap(unit=unit, waveform=self._waves[unit].tolist(), fs_hz=FS_HZ, before=30, spikes_used=200)
            self._send("muaps", message, now)

    def _params(self, now: float) -> None:
        unit = int(self._rng.integers(self._units))
        values = {"iz_mm": unit - 0.5 * self._units, "iz_mm_sd": 0.8, "cv_m_s": 4.0 + 0.01 * unit, "cv_m_s_sd": 0.1}
        self._send("params", Params(unit=unit, **values, spikes_used=self._turn, snr_db=12.0), now)

    def _status(self) -> Status:
        fields: dict[str, object] = {
            "state": self.state, "samples_in": self._sample, "samples_lost": 0, "gaps": 0, "reconnects": 0,
            "late_hops": 0, "bad_channels": [], "bad_reasons": [], "messages_dropped": self._publisher.dropped,
            "latency_ms": self._latency.summary(), "rate_hz": FS_HZ, "signals": list(self.signals),
        }  # fmt: skip
        return Status(**{**fields, **self.status_extra})

    def _unit_table(self) -> Units:
        rows = [
            UnitEntry(id=unit, sil=0.92, pnr_db=32.0, lag_s=0.006, trust=0.95 - 0.01 * (unit % 10))
            for unit in range(self._units)
        ]
        return Units(
            fs_hz=FS_HZ, decoder_sha256=f"{self._units} of {self._channels}", provider="CPUExecutionProvider",
            lookahead_s=0.0015, units=rows, electrodes=self._electrodes,
        )  # fmt: skip


def main() -> int:
    """Publish until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--units", type=int, default=60)
    parser.add_argument("--signal", type=float, metavar="HZ", help="a signal beside the EMG, of that rate")
    parser.add_argument("--seconds", type=float, default=1e7)
    args = parser.parse_args()
    load = Load(args.address, args.channels, args.units)
    if args.signal:
        load.signals = (SignalEntry(name="force", state="on", unit="N", fs_hz=args.signal),)
    try:
        with stopped_by_signals() as stop:
            end = time.monotonic() + args.seconds
            while not stop.is_set() and time.monotonic() < end:
                load.tend()
                time.sleep(0.002)
    finally:
        load.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
