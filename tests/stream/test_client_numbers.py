"""What was missed is what was not received between the first message and the last, whatever was lost."""

from hypothesis import given
from hypothesis import strategies as st

from myodrive.stream.client_numbers import MOST_TOPICS, Numbers

TOPICS = (b"spikes/emg", b"drive/emg")


@st.composite
def sessions(draw):
    """Sessions one after the other: of each the topics in the order they were sent, and whether each one arrived."""
    sent = st.lists(st.tuples(st.sampled_from(TOPICS), st.booleans()), max_size=60)
    return draw(st.lists(sent, min_size=1, max_size=4))


@given(sessions())
def test_every_message_between_the_first_and_the_last_received_is_received_or_missed(sessions):
    numbers = Numbers()
    missed = {topic: 0 for topic in TOPICS}
    heard = []
    for name, sent in enumerate(sessions):
        for topic in TOPICS:
            arrived = [came for of, came in sent if of == topic]
            if any(arrived):
                span = arrived[arrived.index(True) : len(arrived) - arrived[::-1].index(True)]
                missed[topic] += span.count(False)
        count = dict.fromkeys(TOPICS, 0)
        for topic, came in sent:
            if came:
                assert numbers.take(topic, f"session {name}", count[topic])
                heard.append(name)
            count[topic] += 1
    assert {topic.decode(): number for topic, number in missed.items() if number} == dict(numbers.missed)
    assert numbers.restarts == max(0, len(set(heard)) - 1)
    assert numbers.session == (f"session {heard[-1]}" if heard else "")


def test_numbers_that_go_back_are_a_restart_and_not_a_hole():
    numbers = Numbers()
    for seq in (5, 6, 0, 1, 3):
        assert numbers.take(b"drive/emg", "same", seq)
    assert numbers.restarts == 1
    assert numbers.missed == {"drive/emg": 1}


def test_topics_without_end_take_no_memory_without_end():
    numbers = Numbers()
    for number in range(3 * MOST_TOPICS):
        taken = numbers.take(b"drive/%d" % number, f"session {number % 7}", number)
        assert taken == (number < MOST_TOPICS)
    assert len(numbers._next) == MOST_TOPICS
    assert not numbers.missed
