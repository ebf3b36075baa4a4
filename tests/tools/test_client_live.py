"""The client beside a pipeline in another process, which is stopped, killed and started again."""

import os
import signal
from dataclasses import replace

import pytest

from myodrive.stream.client import Client
from myodrive.stream.curve import read_client_keys
from myodrive.stream.messages import Drive, Units
from myodrive.tools.keys import make_server


@pytest.fixture
def run(process, unique, decoder_path, address):
    def start(*options):
        return process(
            "run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--params", "none", "--quiet",
            *options,
        )  # fmt: skip

    return start


@pytest.fixture
def amplifier(process, unique, muscle_path):
    return process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")


@pytest.mark.skipif(os.name != "posix", reason="a process can be stopped where signals are POSIX")
@pytest.mark.usefixtures("amplifier")
def test_the_command_follows_a_live_pipeline_and_stops_with_it(run, address, unique, until):
    with Client(address, ["drive/", "units/"], stream=unique) as client:
        first = run()
        assert until(lambda: client.command() > 0.0, 60)
        assert client.why_not() == ""
        assert len(client.newest(Units).units) == len(client.newest(Drive).rate)

        session, missed = client.session, sum(client.missed.values())
        os.kill(first.pid, signal.SIGSTOP)
        assert until(lambda: client.command() == 0.0 and client.silence_s() > 0.2)
        assert "s old" in client.why_not()
        os.kill(first.pid, signal.SIGCONT)
        assert until(lambda: client.command() > 0.0)
        assert (client.session, client.restarts, sum(client.missed.values())) == (session, 0, missed)

        first.kill()
        first.wait(10)
        assert until(lambda: client.silence_s() > 0.2)
        assert client.command() == 0.0
        run()
        assert until(lambda: client.drain() and client.restarts == 1, 60)
        assert client.session != session
        assert until(lambda: client.command() > 0.0, 60)


@pytest.mark.usefixtures("amplifier")
def test_the_clock_is_asked_over_curve_and_is_the_right_one(run, address, unique, until, tmp_path):
    make_server(tmp_path / "keys")
    keys = read_client_keys(tmp_path / "keys")
    with Client(address, ["drive/"], keys, stream=unique, same_clock=False) as client:
        run("--curve", tmp_path / "keys")
        assert until(lambda: client.command() > 0.0, 60)
        least, most = client._remote.ahead(client._clock())
        assert least <= 0.0 <= most  # both read one clock here


def test_who_is_not_on_the_list_gets_no_command_and_is_told(run, address, unique, until, tmp_path):
    make_server(tmp_path / "keys")
    make_server(tmp_path / "others")
    other = read_client_keys(tmp_path / "others")
    stranger = replace(other, server=read_client_keys(tmp_path / "keys").server)
    with Client(address, ["drive/"], stranger, stream=unique) as client:
        run("--curve", tmp_path / "keys")
        assert until(lambda: client.command() or "turns this key away" in client.why_not(), 60)
        assert client.command() == 0.0
