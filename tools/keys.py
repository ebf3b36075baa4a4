"""Makes the key files that `stream/curve.py` reads; never replaces one."""

from __future__ import annotations

import os
import re
from pathlib import Path

import zmq

from ..stream.curve import ALLOWED, CLIENT, CLIENTS, LOCAL, PUBLIC, SECRET, SERVER, check_available, read_key
from ..stream.errors import KeysError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def make_server(folder: str | Path) -> Path:
    """Keys of a pipeline, and of the programs on its machine; the folder of the latter.

    Raises
    ------
    KeysError
        There are keys already, or the folder cannot be written.
    """
    check_available()
    folder = Path(folder)
    if (folder / (SERVER + SECRET)).exists() or (folder / (SERVER + PUBLIC)).exists():
        raise KeysError(f'"{folder}" has keys already, and clients that trust them: choose another folder')
    _make_folder(folder)
    _make_folder(folder / ALLOWED)
    _write_pair(folder, SERVER)
    return make_client(folder, LOCAL)


def make_client(folder: str | Path, name: str) -> Path:
    """Keys of a client, which is put on the list; the folder that the client needs.

    Parameters
    ----------
    folder : path
        That of the pipeline's keys.
    name : str
        Of the client: letters, digits, and ``._-``.

    Raises
    ------
    KeysError
        The name is taken or unfit, there are no server keys, or the folder cannot be written.
    """
    check_available()
    folder = Path(folder)
    if not NAME.fullmatch(name):
        raise KeysError(f"{name[:80]!a} cannot name a client: take letters, digits, and . _ - between")
    server = read_key(folder / (SERVER + PUBLIC))
    where, listed = folder / CLIENTS / name, folder / ALLOWED / (name + PUBLIC)
    if where.exists() or listed.exists():
        raise KeysError(f'"{folder}" has a client "{name}" already: choose another name')
    _make_folder(folder / CLIENTS)
    _make_folder(where)
    public = _write_pair(where, CLIENT)
    _write(where / (SERVER + PUBLIC), server, 0o644)
    _write(listed, public, 0o644)
    return where


def _write_pair(folder: Path, name: str) -> bytes:
    public, secret = zmq.curve_keypair()
    _write(folder / (name + SECRET), secret, 0o600)
    _write(folder / (name + PUBLIC), public, 0o644)
    return public


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeysError(f'"{folder}" cannot be made ({error.strerror}): choose another folder') from error


def _write(path: Path, key: bytes, mode: int) -> None:
    """A new file with one key, never wider open than `mode`; one that is there stays."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(key + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeysError(f'"{path}" cannot be written ({error.strerror}): choose another folder') from error
