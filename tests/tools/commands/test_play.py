"""`myodrive play`: what it says and refuses; the playing itself is in tests/tools/test_amplifier.py."""

import signal

import msgspec
import pytest

from myodrive.stream.finder import resolve


def test_json_is_one_object_at_the_end(myodrive, muscle_path, unique):
    said = myodrive("play", muscle_path, "--name", unique, "--source-id", unique, "--seconds", "0.2", "--json")
    assert said.code == 0
    assert said.json["samples"] == round(0.2 * 2048)
    assert unique in said.err


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--chunk", "0"), "chunk"),
        (("--chunk", "99999"), "chunk"),
        (("--seconds", "-1"), "-1 s"),
        (("--seconds", "nan"), "nan s"),
        (("--fault", "flood@1:1"), "flood@1:1"),
        (("--fault", "gap@-1:1"), "gap@-1:1"),
        (("--dtype", "int16", "--unit", "V"), "int16"),
        (("--step-uv", "0.5"), "unit"),
        (("--name", ""), "name"),
        (("--force-stream", "cell"), "no force"),
        (("--force-stream", "cell:0"), "NAME:HZ"),
        (("--force-stream", "cell:abc"), "NAME:HZ"),
        (("--force-stream", "myodrive-amplifier"), "a name of its own"),
    ],
)
def test_options_that_cannot_be_played_are_refused(myodrive, muscle_path, options, word):
    assert myodrive("play", muscle_path, *options).refused(word)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(process, muscle_path, unique, number):
    amplifier = process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop", "--json")
    first = amplifier.stderr.readline().decode()
    assert unique in first  # no line of liblsl's own before it
    amplifier.send_signal(number)
    out, _ = amplifier.communicate(timeout=10)
    assert amplifier.returncode == 0
    assert msgspec.json.decode(out)["samples"] >= 0


def test_an_amplifier_that_cannot_be_told_from_another_is_refused(process, myodrive, muscle_path, unique, until):
    first = process("play", muscle_path, "--name", unique, "--loop")
    assert until(lambda: resolve(unique, None, 0.5))
    assert myodrive("play", muscle_path, "--name", unique, "--seconds", "0.1").refused(unique, "--source-id")
    assert myodrive("play", muscle_path, "--name", unique, "--source-id", unique, "--seconds", "0.1").code == 0
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=20) == 0
    assert myodrive("play", muscle_path, "--name", unique, "--seconds", "0.1").code == 0
