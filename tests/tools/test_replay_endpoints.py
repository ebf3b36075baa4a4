"""What stands in the place of the sockets when a session is run again."""

from myodrive.tools import replay_endpoints as module


def test_waiting_for_a_turn_ends_when_it_is_told_to_stop(monkeypatch):
    slept = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    pace = module.Pace(1.0, lambda: len(slept) == 3)
    pace(0.0)
    pace(3000.0)
    assert len(slept) == 3
    assert max(slept) <= module.Pace.STEP_S
