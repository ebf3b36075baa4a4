"""A browser that is slow to answer is waited for, one that does not is replaced once, and none is left behind."""

import contextlib
import os
import sys
import textwrap

import pytest

from myodrive.tools.dashboard import browser as browsers

# Stands in for Chromium: `how` "silent" takes connections and says nothing, "gone" ends, "sound" answers everything.
PROGRAM = textwrap.dedent(
    """
    import json, pathlib, socket, sys, time

    how = sys.argv[1]
    profile = next(one.partition("=")[2] for one in sys.argv if one.startswith("--user-data-dir="))
    file = pathlib.Path(profile, "DevToolsActivePort")

    def answer(connection):
        for message in connection:
            asked = json.loads(message)
            told = {"targetId": "1", "sessionId": "2", "result": {"value": how}}
            connection.send(json.dumps({"id": asked["id"], "result": told}))

    if how == "gone":
        sys.exit(3)
    if how == "silent":
        with socket.create_server(("127.0.0.1", 0)) as door:
            file.write_text(f"{door.getsockname()[1]}\\n/page\\n")
            time.sleep(60)

    from websockets.sync.server import serve

    with serve(answer, "127.0.0.1", 0) as server:
        port = server.socket.getsockname()[1]
        file.write_text(f"{port}\\n/page\\n")
        server.serve_forever()
    """
)


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """Open a browser with stand-ins in the place of Chromium; what was started is noted."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    monkeypatch.setattr(browsers, "find_browser", lambda: "chromium")
    started = []
    start = browsers.subprocess.Popen

    def note(*given, **options):
        started.append(start(*given, **options))
        return started[-1]

    monkeypatch.setattr(browsers.subprocess, "Popen", note)

    def open_(*hows):
        wanted = iter(hows)

        def command(chromium):
            how = next(wanted)
            monkeypatch.setattr(browsers, "START_S", 3.0 if how == "silent" else 60.0)
            return [sys.executable, str(program), how, *chromium[1:]]

        return browsers.open_browser(command)

    open_.started = started
    return open_


def all_gone(processes):
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, 0)
            return False
    return True


def test_a_browser_that_answers_is_used_and_ended(stand_ins):
    with stand_ins("sound") as browser:
        assert browser.run("1") == "sound"
        assert stand_ins.started[0].poll() is None
    assert len(stand_ins.started) == 1
    assert all_gone(stand_ins.started)


@pytest.mark.parametrize("first", ["silent", "gone"])
def test_one_that_does_not_answer_is_replaced(stand_ins, first):
    with stand_ins(first, "sound") as browser:
        assert browser.run("1") == "sound"
        assert stand_ins.started[0].poll() is not None
    assert len(stand_ins.started) == 2
    assert all_gone(stand_ins.started)


def test_two_that_do_not_answer_are_said_in_a_sentence(stand_ins):
    with pytest.raises(browsers.BrowserError, match=r"does not answer|did not start"), stand_ins("silent", "silent"):
        pytest.fail("there is nothing to use")
    assert len(stand_ins.started) == browsers.TRIES
    assert all_gone(stand_ins.started)


def test_one_that_ends_at_once_is_said_with_its_status(stand_ins):
    with pytest.raises(browsers.BrowserError, match="ended with status 3"), stand_ins("gone", "gone"):
        pytest.fail("there is nothing to use")


def test_what_fails_while_it_is_used_is_not_tried_again(stand_ins):
    with pytest.raises(browsers.BrowserError, match="of the page"), stand_ins("sound"):
        raise browsers.BrowserError("of the page")
    assert len(stand_ins.started) == 1
    assert all_gone(stand_ins.started)
