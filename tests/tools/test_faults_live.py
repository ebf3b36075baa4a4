"""The fault-making amplifier in another process against the live inlet's accounting: what it says it never sent."""

import json
import subprocess
import sys
import time
import uuid

import numpy as np
import pytest

from myodrive.stream.errors import MissingStreamError, OptionError, StreamError
from myodrive.stream.inlet import StreamSource
from myodrive.tools.recording import BUNDLED

FS_HZ, CHANNELS = 2048.0, 64


@pytest.fixture
def heard():
    """Function that plays the bundled recording with faults, and follows it; gives source, numbers and the truth.

    It follows to the end, or for a second once the amplifier has come back where that is asked for with `returns`:
    how long the way back takes is the network's and the machine's to say.
    """
    processes, sources = [], []

    def start(faults, *options, counter=None, seconds=2.5, counts=True, returns=False):
        name = f"faults {uuid.uuid4().hex[:12]}"
        command = [
            sys.executable, "-m", "myodrive.tools.cli", "play", str(BUNDLED), "--name", name, "--source-id", name,
            "--seconds", str(seconds), "--wait-for-consumers", "20", "--json", *options, *(["--counter"] * counts),
        ]  # fmt: skip
        command += [part for fault in faults for part in ("--fault", fault)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        processes.append(process)
        source = StreamSource(name, np.arange(CHANNELS - 1), FS_HZ, 8, lambda info: None, None, counter)
        sources.append(source)
        number = []  # (place by our account, by the amplifier's counter)
        since_return = 0
        end = time.monotonic() + 40
        while time.monotonic() < end and (source.samples_in or isinstance(source.refusal, MissingStreamError | None)):
            hop = source.next_hop()
            if hop.samples and counts:
                rows = source._raw[source._taken - hop.samples : source._taken, -1]
                number += zip(range(hop.first_sample, hop.first_sample + hop.samples), rows.tolist(), strict=True)
            elif not hop.samples and process.poll() is not None:
                break
            since_return += hop.samples if source.reconnects else 0
            if returns and since_return > FS_HZ:
                break
        assert source.sample + 1 == source.samples_in + source.samples_lost
        return source, np.array(number), process

    yield start
    for source in sources:
        source.close()
    for process in processes:
        process.kill()
        process.communicate(timeout=5)


def misplaced(number):
    """Samples whose place is not the one that the amplifier counted."""
    ours, theirs = number[:, 0], number[:, 1].astype(int)
    return int(np.count_nonzero((theirs - theirs[0] - ours) % 2**16))


FAULTS = ("gap@0.4:37n", "gap@0.8:0.25", "drop@1.2:0.5,share=0.2", "duplicate@1.8:0.5,share=0.2")


@pytest.mark.parametrize("how", ["by stamps", "counted in 16 bits under jitter and clock jumps"])
def test_what_was_never_sent_is_lost_and_everything_else_in_its_place(heard, how):
    options = ("--dtype", "int16") if "16" in how else ()
    faults = FAULTS + (("jitter@0:9,sd_ms=3", "clock@1:1,jump=-0.4") if "jitter" in how else ())
    source, number, process = heard(faults, *options, counter=None if how == "by stamps" else CHANNELS)
    truth = json.loads(process.communicate(timeout=10)[0])
    assert source.timeline.timing == ("exact" if how == "by stamps" else "counted")
    assert source.samples_lost == truth["never_sent"] > 600
    assert source.repeats == truth["repeated"] > 0
    assert source.gaps == len(truth["gaps"])
    assert misplaced(number) == 0


def test_a_clock_set_back_by_whole_periods_costs_nothing_and_chunks_sent_twice_are_still_dropped(heard):
    source, number, process = heard(["clock@1:0.8,jump=-0.5", "duplicate@0.4:2,share=0.1"])
    truth = json.loads(process.communicate(timeout=10)[0])
    assert source.samples_lost == truth["never_sent"] == 0
    assert source.repeats == truth["repeated"] > 0
    assert source.timeline.clock_jumps == 2
    assert misplaced(number) == 0


def test_the_amplifiers_absence_is_lost_to_the_sample(heard):
    source, number, _ = heard(["die@0.5:1"], seconds=30, returns=True)
    assert (source.reconnects, source.gaps) == (1, 1)
    assert source.samples_lost >= FS_HZ
    assert misplaced(number) == 0


def test_a_count_that_starts_anew_leaves_the_absence_to_the_time_stamps(heard):
    source, number, _ = heard(["die@0.5:1,count=anew"], counter=CHANNELS, seconds=30, returns=True)
    assert source.timeline.timing == "counted"
    absences = np.flatnonzero(np.diff(number[:, 0]) > 1)
    assert len(absences) == source.gaps == source.reconnects == 1
    number[absences[0] + 1 :, 1] += 1.5 * FS_HZ  # when it came back, and counted from 0
    assert misplaced(number) == 0


@pytest.mark.parametrize(("channel", "found"), [(CHANNELS - 1, "does not go up by one"), (99, "no channel 99")])
def test_a_channel_that_is_no_counter_is_refused_before_the_first_sample(heard, channel, found):
    source, _, _ = heard([], counter=channel, counts=False)
    assert isinstance(source.refusal, StreamError)
    assert found in str(source.refusal)
    assert source.samples_in == 0


@pytest.mark.parametrize("channel", [0, -1])
def test_a_channel_that_cannot_be_the_counter_is_refused_at_once(channel):
    with pytest.raises(OptionError, match="cannot be the counter"):
        StreamSource("x", np.arange(4), FS_HZ, 8, lambda info: None, None, channel)
