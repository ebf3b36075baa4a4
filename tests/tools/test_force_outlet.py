"""The force of a recording as a stream of its own: each value that of its time."""

from dataclasses import replace

import numpy as np
import pylsl
import pytest

from myodrive.stream.errors import OptionError
from myodrive.tools.force_outlet import ForceOutlet, wanted_stream


@pytest.mark.parametrize(
    ("text", "found"),
    [("cell", ("cell", 100.0)), ("cell:80", ("cell", 80.0)), ("a:b:2.5", ("a:b", 2.5))],
)
def test_a_name_may_have_a_rate(text, found):
    assert wanted_stream(text) == found


@pytest.mark.parametrize("text", ["", ":80", "cell:", "cell:abc", "cell:0", "cell:1e6", "cell:nan", "cell:-3"])
def test_what_is_no_stream_is_refused(text):
    with pytest.raises(OptionError, match="NAME:HZ"):
        wanted_stream(text)


def test_a_recording_without_force_is_refused(muscle, unique):
    with pytest.raises(OptionError, match="no force"):
        ForceOutlet(muscle, unique, unique, loop=False)


@pytest.mark.parametrize("loop", [False, True])
def test_every_value_is_the_force_at_its_time(muscle, unique, until, loop):
    ramp = np.arange(1000, dtype=np.float32)
    recording = replace(muscle, emg=muscle.emg[:1000], force=ramp, force_unit="N", units={}, fs_hz=1000.0)
    outlet = ForceOutlet(recording, f"{unique}:50", unique, loop)
    inlet = None
    try:
        (info,) = pylsl.resolve_byprop("name", unique, 1, 10)
        inlet = pylsl.StreamInlet(info)
        inlet.open_stream(timeout=10)
        described = inlet.info(timeout=10)
        assert described.nominal_srate() == 50.0
        assert described.desc().child("channels").child("channel").child_value("unit") == "N"
        t0 = pylsl.local_clock() + 0.2
        outlet.begin(t0)
        rows, stamps = [], []

        def enough():
            more, times = inlet.pull_chunk(timeout=0.1)
            rows.extend(row[0] for row in more)
            stamps.extend(times)
            return len(rows) > 60

        assert until(enough)
    finally:
        outlet.close()
        if inlet is not None:
            inlet.close_stream()
    places = (np.array(stamps) - t0) * 1000
    np.testing.assert_allclose(places, 20.0 * np.arange(len(rows)), atol=1e-3)
    expected = places % 1000 if loop else np.minimum(places, 999)
    np.testing.assert_allclose(rows, np.round(expected), atol=1e-2)
