"""The lead of the stamps: late samples and missing ones are no jump of the clock, a lead as never before is."""

import pytest

from myodrive.stream.stamp_lead import StampLead


@pytest.fixture
def lead():
    """Two seconds of samples, received 5 ms after their stamps."""
    lead = StampLead()
    for i in range(500):
        lead.accept(100 + i * 0.004, 100 + i * 0.004 + 0.005, 0.004)
    return lead


def test_a_gap_that_took_its_time_is_no_jump(lead):
    assert not lead.ran_ahead(102.5, 0.5, 102.505)


def test_samples_that_come_late_behind_a_gap_are_no_jump(lead):
    lead.accept(102.0, 103.0, 0.004)  # a second late, and the rest at once
    assert not lead.ran_ahead(102.5, 0.496, 103.0001)


@pytest.mark.parametrize("jump_s", [0.05, 0.5, 3600.0])
def test_stamps_that_run_ahead_while_no_time_passes_have_jumped(lead, jump_s):
    assert lead.ran_ahead(102.0 + jump_s, jump_s, 102.005)


def test_a_clock_that_was_set_back_is_seen_to_be_set_right(lead):
    lead.jumped(-0.5)
    assert lead.ran_ahead(102.0, 0.5, 102.005)
    assert not lead.ran_ahead(101.9, 0.4, 102.405)


def test_of_another_clock_nothing_is_known(lead):
    lead.forget()
    lead.accept(5000.0, 102.005, 0.004)
    assert not lead.ran_ahead(5000.5, 0.5, 102.505)
    assert lead.ran_ahead(5000.5, 0.496, 102.009)
