"""What a person sees while following."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from myodrive.tools.session import follow_view
from myodrive.tools.session.follow_view import HEIGHT, NoView, draw_curves, shown
from myodrive.tools.session.target import Target


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=80, height=40)


def test_it_is_drawn_ten_times_a_second_at_least_and_not_at_every_block(terminal, monkeypatch):
    clock = iter(0.02 * np.arange(1, 1000))  # s, a block each
    monkeypatch.setattr(follow_view, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    target = Target(hold_s=5.0)
    monkeypatch.setattr(follow_view, "Live", Shown)
    with shown(terminal, target, target.seconds) as view:
        for number in range(500):
            view.update(0.02 * number, 0.1)
        assert 100 <= view.drawn <= 150


class Shown:
    """Stands for `rich.live.Live`, which looks at the clock as well."""

    def __init__(self, **options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def update(self, picture, refresh):
        assert refresh


def test_the_level_runs_where_it_is(terminal):
    columns = 40
    target, level = np.full(2 * columns, np.nan), np.full(2 * columns, np.nan)
    level[:] = 0.0
    lines = draw_curves(target, level, 1.0).plain.split("\n")
    assert len(lines) == HEIGHT
    assert lines[-1] == chr(0x2800 + 0x40 + 0x80) * columns
    assert set("".join(lines[:-1])) == {chr(0x2800)}
    level[:] = 5.0  # above the top
    lines = draw_curves(target, level, 1.0).plain.split("\n")
    assert lines[0] == chr(0x2800 + 0x01 + 0x08) * columns


def test_a_jump_is_one_line_without_holes():
    level = np.zeros(20)
    level[10:] = 1.0
    text = draw_curves(np.full(20, np.nan), level, 1.0).plain.split("\n")
    assert all(line[5] != chr(0x2800) for line in text)


@pytest.mark.parametrize("console", [None, Console(file=io.StringIO())])
def test_without_a_terminal_nothing_is_drawn(console):
    with shown(console, Target(), 1.0) as view:
        assert isinstance(view, NoView)
        view.update(0.0, 0.0)


def test_the_reference_contraction_is_a_bar(terminal):
    with shown(terminal, None, 2.0) as view:
        view.update(0.1, 3.0)
    assert "highest 3" in terminal.file.getvalue()
