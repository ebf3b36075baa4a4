"""Requests that no friend sends."""

import numpy as np
import pytest

from myodrive.stream.errors import MessageError
from myodrive.stream.messages import decode_request
from myodrive.tools.hostile_frames import oversized, request


def test_no_hostile_request_is_a_word_of_ours():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        parts = request(rng)
        if len(parts) == 1:
            with pytest.raises(MessageError) as caught:
                decode_request(parts[0])
            assert len(str(caught.value)) < 300


def test_requests_are_the_same_for_the_same_seed():
    first, second = ([request(np.random.default_rng(5)) for _ in range(3)] for _ in range(2))
    assert first == second
    assert len(oversized(np.random.default_rng(0))[0]) > 16_384
