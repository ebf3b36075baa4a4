"""The two steps in which a person contracts: the reference that the target is a share of, and the recording."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ...stream.errors import StreamError
from ..hdf5_writing import write_recording
from ..recording import InStream, Recording
from ..whole_file import written_whole
from .capture import blocks
from .effort import Effort, Envelope, Force, Scale, scale_of
from .electrodes import Electrodes, electrodes_of
from .folder import FORCE, RECORDING, TARGET, Chosen, SessionFolder
from .follow_view import shown, ticks_of
from .force import ForceStream
from .target import Followed, Target, followed, ticked


@dataclass(frozen=True)
class Contraction:
    """What came of a contraction.

    Attributes
    ----------
    emg : ndarray of float32, shape (samples, channels), uV
    stamps : ndarray of float64, shape (samples,), s
    effort : ndarray of float64, shape (samples,)
    lost : int
        Sample periods that are missing.
    """

    emg: NDArray[np.float32]
    stamps: NDArray[np.float64]
    effort: NDArray[np.float64]
    lost: int


def reference(
    folder: SessionFolder, seconds: float, full: float | None, console: Console | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure rest and a short maximum effort; or take `full`, in the measure's unit, as known, with a rest of 0.

    Returns
    -------
    dict
        ``rest``, ``full``, ``measure``, ``unit``, as `session reference --json` says them.
    """
    started, chosen = time.perf_counter(), folder.chosen
    if full is not None:
        scale, name, unit = Scale(0.0, full), "force" if chosen.force else "envelope", "" if chosen.force else "uV"
    else:
        electrodes = electrodes_of(chosen, say)
        with _effort(chosen, electrodes, say) as (effort, _):
            found = _contract(electrodes, effort, None, None, seconds, console)
        scale, name, unit = scale_of(found.effort, electrodes.source.fs_hz), effort.name, effort.unit
        if scale.hardly_above_rest:
            say(
                f"the reference contraction ({scale.full:.3g} {unit}) is hardly above rest ({scale.rest:.3g} {unit}): "
                "begin relaxed, then contract as hard as you can, or do it again; for a recording that "
                "`play` repeats nobody can: give --full, the reference in uV, there"
            )
    result = asdict(scale) | {"measure": name, "unit": unit, "hardly_above_rest": scale.hardly_above_rest}
    folder.finish("reference", time.perf_counter() - started, {"seconds": seconds, "full": full}, result)
    return result


def record(
    folder: SessionFolder, target: Target, console: Console | None, say: Callable[[str], None]
) -> tuple[dict[str, Any], Followed]:
    """Record a contraction that follows the target, and tell how well it did.

    Returns
    -------
    dict
        As `session record --json` says it.
    Followed
    """
    started, chosen = time.perf_counter(), folder.chosen
    known = folder.needs("reference", "reference contraction").result
    scale = Scale(known["rest"], known["full"])
    electrodes = electrodes_of(chosen, say)
    source = electrodes.source
    with _effort(chosen, electrodes, say) as (effort, force):
        if effort.name != known["measure"]:
            raise StreamError(
                f"the reference contraction was measured by {known['measure']}, this one would be by {effort.name}: do "
                "`session reference` again"
            )
        found = _contract(electrodes, effort, scale, target, target.seconds, console)
        beside = None if force is None else force.at(found.stamps)
        raw = None if force is None else force.all()
    level = ticked(scale.level(found.effort), source.fs_hz)
    how = followed(target, level)
    write_recording(
        folder.path / RECORDING,
        Recording(
            found.emg, source.fs_hz, electrodes.geometry, source=f"LSL stream {source.name}, subject {chosen.subject}",
            force=beside, force_unit=effort.unit if force is not None else "", labels=electrodes.labels,
            in_stream=InStream(tuple(electrodes.index.tolist()), source.channels),
        ),
    )  # fmt: skip
    _write_target(folder, target, level)
    (folder.path / FORCE).unlink(missing_ok=True)
    if raw is not None:
        with written_whole(folder.path / FORCE) as temporary, open(temporary, "wb") as file:
            np.savez(file, stamp_s=raw[0], value=raw[1], first_emg_s=found.stamps[0])
    if found.lost:
        say(f"{found.lost} samples were lost while recording; the decoder may be worse for it")
    result = {
        "recording": str(folder.path / RECORDING), "samples": len(found.emg), "samples_lost": found.lost,
        "measure": effort.name, "force": force is not None, "followed": asdict(how),
    }  # fmt: skip
    where = {"index": electrodes.index.tolist(), "stream_channels": source.channels, "source_id": source.source_id}
    settings = {"target": target.as_json(), "rest": scale.rest, "full": scale.full, **where}
    folder.finish("record", time.perf_counter() - started, msgspec.to_builtins(settings), result)
    return result, how


@contextlib.contextmanager
def _effort(
    chosen: Chosen, electrodes: Electrodes, say: Callable[[str], None]
) -> Iterator[tuple[Effort, ForceStream | None]]:  # fmt: skip
    """How effort is measured, and the force where there is one."""
    if chosen.force is None:
        yield Envelope(electrodes, chosen.bad or [], chosen.mains), None
        return
    stream = ForceStream(chosen.force, chosen.stream, say)
    try:
        stream.wait()
        yield Force(stream), stream
    finally:
        stream.close()


def _contract(
    electrodes: Electrodes,
    effort: Effort,
    scale: Scale | None,
    target: Target | None,
    seconds: float,
    console: Console | None,
) -> Contraction:
    """Take `seconds` of the stream; what is seen is a level where there is a scale, else the effort."""
    fs_hz, lost, taken = electrodes.source.fs_hz, 0, 0
    samples = round(seconds * fs_hz)
    emg = np.empty((samples, len(electrodes.index)), np.float32)
    stamps, efforts = np.empty(samples), np.empty(samples)
    with shown(console, target, seconds) as view, contextlib.closing(blocks(electrodes, seconds)) as coming:
        for block in coming:
            here = slice(taken, taken + len(block.stamps))
            emg[here], stamps[here], efforts[here] = block.signal, block.stamps, effort(block)
            taken = here.stop
            lost += block.lost_before
            last = efforts[taken - 1 : taken]
            view.update(taken / fs_hz, float((last if scale is None else scale.level(last))[0]))
    return Contraction(emg, stamps, efforts, lost)


def _write_target(folder: SessionFolder, target: Target, level: NDArray[np.float64]) -> None:
    time_s = ticks_of(target.seconds)[: len(level)]
    wanted = target.at(time_s)
    lines = [f"{t:.3f},{w:.4f},{v:.4f}\n" for t, w, v in zip(time_s, wanted, level, strict=False)]
    with written_whole(folder.path / TARGET) as temporary:
        temporary.write_text("time_s,target,level\n" + "".join(lines), encoding="utf-8", newline="\n")
