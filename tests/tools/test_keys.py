"""Keys: made once, never replaced, secrets for the owner only, and enough for a run and a listener."""

import os
import stat

import msgspec
import pytest

from myodrive.stream.curve import ALLOWED, CLIENTS, LOCAL, read_allowed, read_client_keys, read_server_keys
from myodrive.stream.errors import KeysError
from myodrive.tools.keys import make_client, make_server
from myodrive.tools.ports import control_address
from myodrive.tools.subscriber import Subscriber, ask


@pytest.fixture
def folder(tmp_path):
    make_server(tmp_path / "keys")
    return tmp_path / "keys"


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_client_has_keys_of_its_own_and_trusts_the_server(folder):
    make_client(folder, "wrist")
    local, wrist = (read_client_keys(folder / CLIENTS / name) for name in (LOCAL, "wrist"))
    assert local.server == wrist.server == (folder / "server.key").read_bytes().strip()
    assert len({local.public, wrist.public, local.server}) == 3
    assert read_allowed(folder / ALLOWED) == {local.public, wrist.public}
    assert read_server_keys(folder).secret != local.secret


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_secrets_are_for_the_owner_only(folder):
    old = os.umask(0)
    try:
        make_client(folder, "wrist")
    finally:
        os.umask(old)
    secrets = list(folder.rglob("*.secret"))
    assert len(secrets) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


def test_nothing_is_ever_replaced(folder, myodrive):
    before = files(folder)
    assert myodrive("keys", folder).refused("has keys already")
    assert myodrive("keys", folder, "--client", LOCAL).refused("has a client")
    with pytest.raises(KeysError):
        make_server(folder)
    assert files(folder) == before


@pytest.mark.parametrize("name", ["", "../x", "/etc/x", ".hidden", "a/b", "a b", "x" * 65, "a\n", "é"])
def test_a_name_that_could_lead_elsewhere_is_refused(folder, name):
    before = files(folder)
    with pytest.raises(KeysError, match="cannot name a client"):
        make_client(folder, name)
    assert files(folder) == before


def test_the_command_says_what_it_made_and_what_to_do(tmp_path, myodrive):
    folder = tmp_path / "new" / "keys"
    said = myodrive("keys", folder)
    assert said.code == 0
    assert f"run --curve {folder}" in said.err
    found = myodrive("keys", folder, "--client", "wrist", "--json").json
    assert read_client_keys(found["client_folder"])
    told = myodrive("keys", folder, "--client", "elbow")
    assert told.code == 0
    assert "a connection that is open stays until the pipeline or the client ends" in " ".join(told.err.split())
    for path in folder.rglob("*.secret"):
        assert path.read_text().strip() not in said.err


def test_without_server_keys_there_is_no_client(tmp_path, myodrive):
    assert myodrive("keys", tmp_path / "none", "--client", "wrist").refused("cannot be read", "myodrive keys")


@pytest.mark.parametrize("command", ["run", "listen"])
def test_a_folder_without_keys_is_refused_by(command, tmp_path, myodrive, address, decoder_path):
    where = ["--bind" if command == "run" else "--connect", address]
    more = ["--stream", "none", "--decoder", decoder_path] if command == "run" else []
    assert myodrive(command, *more, *where, "--curve", tmp_path).refused("cannot be read", "myodrive keys")


def test_a_run_with_keys_answers_and_publishes_to_who_has_them_and_nobody_else(
    folder, process, decoder_path, address, unique, myodrive, until
):
    run = process(
        "run", "--stream", unique, "--decoder", decoder_path, "--bind", address, "--curve", folder, "--params", "none",
        "--quiet",
    )  # fmt: skip
    keys = read_client_keys(folder)
    assert until(lambda: run.poll() is None and ask(control_address(address), "ping", 0.5, keys))
    said = myodrive("listen", "--connect", address, "--curve", folder, "--topic", "status/", "--count", 2, "--json")
    assert said.code == 0
    assert msgspec.json.decode(said.out.splitlines()[-1])["state"] == "waiting"
    assert ask(control_address(address), "stop", 0.3) is None
    plain = myodrive("listen", "--connect", address, "--seconds", 0.5)
    assert (plain.code, plain.out) == (1, "")
    assert "without --curve?" in plain.err
    stranger = make_client(folder, "stranger")
    (folder / ALLOWED / "stranger.key").unlink()
    assert myodrive("listen", "--connect", address, "--seconds", 5, "--curve", stranger).refused("turns this key away")
    reader = Subscriber(address, ("status/",), keys)
    try:
        status = until(lambda: (got := reader.receive(0.1)) and got[1].connections_refused >= 3 and got[1], 5)
    finally:
        reader.close()
    assert status
    assert msgspec.msgpack.decode(ask(control_address(address), "stop", 2.0, keys))["ok"] is True
    run.wait(20)


def test_off_this_machine_only_with_keys_or_the_open_network(folder, myodrive, decoder_path, unique):
    where = ["run", "--stream", unique, "--decoder", decoder_path, "--wait", 0.2, "--quiet", "--params", "none"]
    assert myodrive(*where, "--bind", "tcp://0.0.0.0:5570").refused("--curve", "--open-network")
    documentation = "tcp://192.0.2.1:5570"  # RFC 5737: an address that no machine has, so nothing is opened
    assert myodrive(*where, "--bind", documentation).refused("--curve", "--open-network")
    assert myodrive(*where, "--bind", documentation, "--curve", folder).refused("cannot be bound")
