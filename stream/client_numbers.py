"""What a subscriber missed: holes in the numbers of the messages, and publishers that began anew."""

from __future__ import annotations

from collections import defaultdict

MOST_TOPICS = 1000  # of a pipeline there are nine
UNKNOWN = -1


class Numbers:
    """Follows ``seq`` of every topic and the ``session``.

    What was sent before the first message of a topic is not missed, and what was lost last shows with the next
    message. A new session, or one whose numbers go back, is a restart: its topics are counted anew.

    Attributes
    ----------
    missed : dict of str to int
        Messages lost per topic.
    session : str
        That of the newest message; "" before the first.
    restarts : int
        Times the session was another, or began anew.
    """

    def __init__(self) -> None:
        self.missed: dict[str, int] = defaultdict(int)
        self.session = ""
        self.restarts = 0
        self._next: dict[bytes, int] = {}  # of every topic; UNKNOWN until its first message of the session

    def take(self, topic: bytes, session: str, seq: int) -> bool:
        """Account for one message; False for a topic beyond those that any pipeline has."""
        expected = self._next.get(topic)
        if expected is None and len(self._next) == MOST_TOPICS:
            return False
        if session != self.session or (expected is not None and seq < expected):
            self.restarts += self.session != ""
            self.session = session
            self._next = dict.fromkeys(self._next, UNKNOWN)
        elif expected is not None and seq > expected != UNKNOWN:
            self.missed[topic.decode("utf-8", "replace")] += seq - expected
        self._next[topic] = seq + 1
        return True
