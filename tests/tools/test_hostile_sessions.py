"""Sessions whose frames are sound and lie: read or refused in one sentence, soon, whatever stands in them."""

import shutil
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.recording import EVENT, EVENT_FORM, TICK, TICK_FORM, Tick
from myodrive.tools.hostile_files import check_session, outcome
from myodrive.tools.segments import frame, read_frames
from myodrive.tools.session_info import INFO
from myodrive.tools.synthetic_session import synthetic_session

RAW = "raw-0000.myo"
COUNTS = st.sampled_from([-(2**63), -1, 0, 1, 63, 65, 4096, 2**31, 2**40, 2**52, 2**53 - 1, 2**62, 2**63 - 1])
TIMES = st.sampled_from([float("nan"), float("inf"), -1e300, -1.0, 0.0, 1e-300, 3.0, 1e9, 1e300])
TICKS = st.sampled_from(Tick._fields).flatmap(
    lambda name: st.tuples(st.just(name), COUNTS if Tick._fields.index(name) < 17 else TIMES)
)
ANYTHING = st.one_of(
    st.none(), COUNTS, TIMES, st.text(max_size=20), st.lists(COUNTS, max_size=4), st.just("\x1b" * 9999)
)
EVENTS = st.one_of(
    st.fixed_dictionaries(
        {
            "event": st.just("swap"),
            "sample": COUNTS,
            "channels": st.lists(st.integers(-1, 5), max_size=5),
            "late": ANYTHING,
        }
    ),
    st.fixed_dictionaries({"event": st.sampled_from(["begin", "end"]), "now": ANYTHING}),
    st.fixed_dictionaries({"event": st.sampled_from(["refusal", "fault", "mask fault"]), "text": ANYTHING}),
    st.dictionaries(st.text(max_size=5), ANYTHING, max_size=3),
)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """The folder of a short session, and its frames."""
    folder = tmp_path_factory.mktemp("session") / "whole"
    synthetic_session(folder, 4, 2, 0.6, 0)
    return folder, list(read_frames(folder / RAW, []))


@pytest.fixture(scope="module")
def copy(session):
    """A copy of the session that a test may change."""
    other = session[0].with_name("copy")
    shutil.copytree(session[0], other)
    return other


def read_soon(folder):
    began = time.monotonic()
    assert outcome(check_session, folder) in ("read", "refused")
    assert time.monotonic() - began < 20  # that of a whole one takes a fifth of a second


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_turns_and_events_that_lie_are_read_or_refused(session, copy, data):
    """Each change stays for the rest of the session, or holds for one turn only."""
    shutil.copy(session[0] / INFO, copy / INFO)
    frames = session[1]
    changes = {}
    for _ in range(data.draw(st.integers(1, 3))):
        changes[data.draw(st.integers(0, len(frames) - 1))] = data.draw(TICKS), data.draw(st.booleans())
    events = {
        data.draw(st.integers(0, len(frames) - 1)): data.draw(EVENTS) for _ in range(data.draw(st.integers(0, 2)))
    }
    lasting, written = {}, []
    for n, (kind, payload) in enumerate(frames):
        if n in events:
            text = msgspec.json.encode(events[n])
            written.append(frame(EVENT, EVENT_FORM.pack(EVENT, n, len(text)) + text))
        if kind == TICK:
            changed = dict(lasting)
            if n in changes:
                (name, value), lasts = changes[n]
                changed[name] = value
                lasting |= {name: value} if lasts else {}
            tick = Tick(*TICK_FORM.unpack_from(payload))._replace(**changed)
            first = tick.samples_in + tick.samples_lost - tick.samples
            if "samples_lost" in changed and abs(first) < 1 << 53:
                tick = tick._replace(first_sample=first)
            payload = TICK_FORM.pack(*tick) + payload[TICK_FORM.size :]
        written.append(frame(kind, payload))
    (copy / RAW).write_bytes(b"".join(written))
    read_soon(copy)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_description_that_lies_is_read_or_refused(session, copy, data):
    shutil.copy(session[0] / RAW, copy / RAW)
    info = msgspec.json.decode((session[0] / INFO).read_bytes())
    for name in data.draw(st.lists(st.sampled_from(sorted(info)), min_size=1, max_size=2)):
        info[name] = data.draw(ANYTHING)
    (copy / INFO).write_bytes(msgspec.json.encode(info))
    read_soon(copy)
