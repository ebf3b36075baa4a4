"""Many subscribers in one process, which reads them all until its input ends, then says what came and what was missed.

python -m myodrive.tools.many_subscribers ADDRESS COUNT
"""

from __future__ import annotations

import select
import sys
import time

import msgspec
import zmq

LAST_S = 1.0  # what is on its way when the input ends is still read


class Numbered(msgspec.Struct):
    """All that is read of a message."""

    seq: int


def main(arguments: list[str]) -> int:
    """Subscribe, read, count holes."""
    decode = msgspec.msgpack.Decoder(Numbered).decode
    address, count = arguments[0], int(arguments[1])
    context = zmq.Context()
    poller = zmq.Poller()
    expected: dict[tuple[int, bytes], int] = {}
    received = missed = 0
    for _ in range(count):
        socket = context.socket(zmq.SUB)
        socket.setsockopt(zmq.RCVBUF, 64 << 10)  # so that what is not read piles up at the publisher, not here
        socket.connect(address)
        for topic in (b"spikes/", b"drive/", b"params/", b"units/", b"status/"):
            socket.subscribe(topic)
        poller.register(socket, zmq.POLLIN)
    print("ready", flush=True)
    end = None
    while end is None or time.monotonic() < end:
        if end is None and select.select([sys.stdin], [], [], 0)[0]:
            end = time.monotonic() + LAST_S
        for socket, _ in poller.poll(100):
            topic, body = socket.recv_multipart()
            seq = decode(body).seq
            key = socket.fileno(), topic
            missed += max(0, seq - expected.get(key, seq))
            expected[key] = seq + 1
            received += 1
    print(msgspec.json.encode({"received": received, "missed": missed}).decode(), flush=True)
    context.destroy(linger=0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
