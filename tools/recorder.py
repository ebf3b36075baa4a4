"""Starts the recorder beside a live session, watches it, and ends it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from importlib import metadata
from multiprocessing import shared_memory

import msgspec
import pylsl

from ..stream.decoder_file import Decoder
from ..stream.endpoints import reached_here
from ..stream.errors import RecordingError
from ..stream.markers import Blank
from ..stream.parameter_file import ParameterFile
from ..stream.recording import CLOSING, HEAD_WORDS, STARTING, STATE, Recording, reason_in
from ..stream.ring import Ring
from .parameters import ChosenModel
from .processes import python_command
from .recorder_process import SYNC_S, Orders
from .segments import SUFFIX
from .session_file import DECODER, PARAMETERS
from .session_info import INFO, VERSION, SessionInfo, make_folder, write_info
from .whole_file import write_synced

SIGNAL_BYTES = 24  # of a value and its place, as text
RING_S = 8.0  # of samples that the ring holds while the disk is busy
LEAST_BYTES, MOST_BYTES = 1 << 20, 64 << 20
START_S = 30.0
END_S = 15.0


class Recorder:
    """The recorder process of one session.

    Parameters
    ----------
    folder : str
        New, or empty.
    decoder : Decoder
    hop : int
    address, session : str
        Of the pipeline's messages.
    curve : str, optional
        Folder of keys.
    sync_s : float, optional
        Between two waits for the disk.
    signals : int
        Signals that are recorded beside the EMG.

    Raises
    ------
    RecordingError
        The folder cannot be used.

    Attributes
    ----------
    ring : Ring
    pid : int
    """

    def __init__(
        self,
        folder: str,
        decoder: Decoder,
        hop: int,
        address: str,
        session: str,
        curve: str | None = None,
        sync_s: float = SYNC_S,
        signals: int = 0,
    ) -> None:
        self.folder = make_folder(folder)
        self._decoder = decoder
        self._session = session
        self._recording: Recording | None = None
        self._ended = False
        size = ring_bytes(decoder.info.fs_hz, len(decoder.info.channels.index), hop, signals)
        try:
            write_synced(self.folder / DECODER, decoder.model.raw)
            self._memory = _shared_memory(size)
        except OSError as error:
            self._remove()
            raise RecordingError(
                f'"{folder}" cannot be recorded to ({error.strerror or error}): choose another folder'
            ) from error
        self.ring = Ring(self._memory.buf)
        orders = Orders(
            memory=self._memory.name, folder=os.path.abspath(folder), address=reached_here(address), session=session,
            curve=curve, sync_s=sync_s,
        )  # fmt: skip
        try:
            self._process = subprocess.Popen(
                python_command(f"{__package__}.recorder_process"),
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                # Ctrl-C is for the pipeline, which ends the recorder. A group of its own and no session: where the
                # pipeline dies while the recorder stands still (SIGSTOP), the system wakes it, and it finds out.
                process_group=0,
            )  # fmt: skip
        except OSError as error:
            self._free_memory()
            self._remove()
            raise RecordingError(
                f"the recorder cannot be started ({error.strerror or error}): end other programs, or leave --record out"
            ) from error
        self.pid = self._process.pid
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it ended at once: `wait_until_running` says so
            self._process.stdin.write(msgspec.json.encode(orders) + b"\n")
            self._process.stdin.flush()

    def describe(self, info: SessionInfo, parameters: ParameterFile | None) -> None:
        """Write down what runs, before the first sample.

        Raises
        ------
        RecordingError
        """
        try:
            if parameters is not None:
                write_synced(self.folder / PARAMETERS, parameters.raw)
            write_info(self.folder, info)
        except OSError as error:
            raise RecordingError(
                f'"{self.folder}" cannot be written ({error.strerror or error}): choose another folder'
            ) from error

    def wait_until_running(self) -> None:
        """Return when the recorder reads the ring and hears the messages.

        Raises
        ------
        RecordingError
            It does not come up.
        """
        deadline = time.monotonic() + START_S
        while self.ring.load(STATE) == STARTING:
            if self._process.poll() is not None or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        else:
            if not (reason := reason_in(self.ring)):
                return
            raise RecordingError(f"the recorder cannot start: {reason}")
        raise RecordingError("the recorder does not start: run `myodrive doctor`")

    def watch(self, recording: Recording) -> None:
        """Tell `recording` when the process ends before its time."""
        self._recording = recording
        threading.Thread(target=self._wait, name="myodrive recorder", daemon=True).start()

    def _wait(self) -> None:
        code = self._process.wait()
        if not self._ended and self._recording is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            self._recording.fail(reason_in(self.ring) or f"the recorder {how}")

    def close(self) -> None:
        """Let the recorder write what is left, and end it; a session without a sample leaves nothing behind."""
        if self._ended:
            return
        self._ended = True
        self.ring.store(CLOSING, 1)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.look()
        self._free_memory()
        if recording is None or not recording.kept:
            self._remove()

    def _free_memory(self) -> None:
        self.ring.release()
        with contextlib.suppress(BufferError):
            self._memory.close()
        with contextlib.suppress(FileNotFoundError):
            self._memory.unlink()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.name in (DECODER, INFO, PARAMETERS) or path.suffix == SUFFIX:
                    path.unlink()
            self.folder.rmdir()


def _shared_memory(size: int) -> shared_memory.SharedMemory:
    """Memory that is there: the loop touches no page first, and none is missing when it does.

    Raises
    ------
    OSError
        There is not so much.
    """
    memory = shared_memory.SharedMemory(create=True, size=size)
    try:
        if hasattr(os, "posix_fallocate") and hasattr(memory, "_fd"):
            os.posix_fallocate(memory._fd, 0, size)  # else a page that is missing ends the process (SIGBUS)
        memory.buf[:] = bytes(len(memory.buf))
    except OSError:
        memory.close()
        memory.unlink()
        raise
    return memory


def ring_bytes(fs_hz: float, channels: int, hop: int, signals: int = 0) -> int:
    """Size of the ring's memory for some seconds of turns, and of signals as fast as the EMG."""
    turn = 8 * (1 + HEAD_WORDS) + 4 * hop * channels + 8 + SIGNAL_BYTES * hop * signals
    wanted = round(RING_S * fs_hz / hop) * turn
    return Ring.bytes_for(max(min(max(wanted, LEAST_BYTES), MOST_BYTES), 4 * turn) // 8)


def session_info(
    *,
    session: str,
    stream: str,
    decoder: Decoder,
    hop: int,
    provider: str,
    whitening: str,
    gain: float | None,
    drive_rate_hz: float,
    smoothing_s: float,
    fallback: str,
    chosen: ChosenModel,
    options: dict[str, object] | None = None,
    blank: Sequence[Blank] = (),
    signals: Sequence[str] = (),
) -> SessionInfo:
    """What `session.json` says of a session that is about to begin."""
    return SessionInfo(
        version=VERSION, session=session, stream=stream, fs_hz=decoder.info.fs_hz,
        channels=list(decoder.info.channels.index), decoder_sha256=decoder.sha256, hop=hop, provider=provider,
        whitening=whitening, gain=gain, drive_rate_hz=drive_rate_hz, smoothing_s=smoothing_s, fallback=fallback,
        parameters_sha256=None if chosen.file is None else chosen.file.sha256, why_no_parameters=chosen.why_none,
        clock=(pylsl.local_clock(), time.time()),
        created_by={"program": "myodrive run", "version": metadata.version("myodrive")}, options=options or {},
        blank=list(blank), signals=list(signals),
    )  # fmt: skip
