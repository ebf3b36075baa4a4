"""What the Markdown pages tell people to type can be typed: their code blocks are read by what they are for, or run.

How a block is run says a comment on the line before it; tests/README.md lists the words. A block without one is read:
Python must compile, every command of ours must be taken by its own parser.
"""

import argparse
import ast
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from myodrive.stream.inlet import StreamSource
from myodrive.stream.source_info import gain_to_microvolts, names_no_unit
from myodrive.tools import bootstrap, cli
from myodrive.tools.calibration_source import describe_stream, geometry_of

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("stream", "models", "export", "tools", "tests")
PAGES = [*ROOT.glob("*.md"), *sorted(page for part in PARTS for page in (ROOT / part).rglob("*.md"))]
ADDRESS = "tcp://127.0.0.1:5570"  # of `run` by itself; blocks that are run get a free one in its place
LINES = 20  # that a live block must print
SHELL = ("", "sh", "bash", "console")
FOREIGN = ("pip", "git", "cd", "sudo", "apt", "scp")  # programs of others: not looked into
WORDS = ("live", "offline", "outlet", "read", "not read")
_FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```\s*$", re.MULTILINE | re.DOTALL)  # also inside a list
_TOLD = re.compile(r"<!-- code: ([^,>]+?)(?:, ([^>]+?))? -->\s*\Z")
_SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, its language, how it is to be run, and why not."""

    place: str
    language: str
    text: str
    told: str
    reason: str


def blocks_of(path: Path, text: str) -> list[Block]:
    """The code blocks of a page."""
    found = []
    for fence in _FENCE.finditer(text):
        told = _TOLD.search(text[: fence.start()].rstrip())
        place = f"{path.as_posix()}:{text[: fence.start()].count(chr(10)) + 1}"
        text_of = textwrap.dedent(fence[3])
        found.append(Block(place, fence[2], text_of, told[1] if told else "", (told[2] if told else "") or ""))
    return found


def read(block: Block) -> None:
    """Let the program it is for read the block; AssertionError says what does not fit."""
    assert block.told in ("", *WORDS), f'{block.place}: no block is "{block.told}": tests/README.md has the words'
    if block.told == "not read":
        assert block.reason, f"{block.place}: say why it is not read"
    elif block.language == "python":
        ast.parse(block.text, block.place)
    elif block.language in SHELL:
        for line in lines_of(block.text):
            read_command(line, block.place)
    elif block.language != "text":
        raise AssertionError(f"{block.place}: nothing here reads {block.language}: say <!-- code: not read, WHY -->")


def lines_of(text: str) -> list[str]:
    """The commands of a shell block; those over several lines as one."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def read_command(line: str, place: str) -> None:
    """Read one line of a shell."""
    words = shlex.split(line, comments=True)
    program = re.split(r"[/\\]", words[0])[-1]
    if program == "myodrive":
        name = words[1]
        assert name.startswith("-") or name in commands(), f"{place}: there is no command {name}"
        if not name.startswith("-"):
            assert is_taken(cli.command_of(name)[0], words[2:]), f"{place}: {line}"
    elif program.startswith("python"):
        read_python_command(words[1:], place)
    else:
        assert program in FOREIGN, f"{place}: {program} is nobody's program: name it in FOREIGN or excuse the block"


def is_taken(parser: argparse.ArgumentParser, words: list[str]) -> bool:
    """Whether the parser takes these words; what is wrong with them it prints."""
    try:
        parser.parse_args(words)
    except SystemExit as stop:
        return stop.code == 0  # --help
    return True


def read_python_command(words: list[str], place: str) -> None:
    """Read ``python FILE ...`` or ``python -m MODULE ...``."""
    if words[0] == "-m":
        read_module(words[1], words[2:], place)
        return
    assert (ROOT / words[0]).is_file(), f"{place}: there is no {words[0]}"
    if words[0] == "tools/bootstrap.py":
        assert words[1] in bootstrap.EXTRAS, f"{place}: bootstrap.py does no {words[1]}"


def read_module(name: str, words: list[str], place: str) -> None:
    """A module of ours must exist and know the options; others are not looked into."""
    if name.startswith("myodrive."):
        spec = importlib.util.find_spec(name)
        assert spec is not None, f"{place}: there is no {name}"
        source = Path(spec.origin).read_text(encoding="utf-8")
        assert all(word in source for word in words if word.startswith("--")), f"{place}: {name} {words}"


def commands() -> set[str]:
    return {name for group in cli.COMMANDS.values() for name in group}


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Every option, those of its own commands as well."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for one in action.choices.values() for option in options_of(one)}
    return found


def misnamed(text: str) -> list[str]:
    """Code between the lines that names a command or an option which does not exist."""
    every = {option for name in commands() for option in options_of(cli.command_of(name)[0])}
    wrong = []
    for span in _SPAN.findall(_FENCE.sub("", text)):
        words = span.split()
        if words[0] == "myodrive":
            words = words[1:]
            if words and words[0] not in commands() | {"COMMAND", "--help", "--version"}:
                wrong.append(span)
        known = options_of(cli.command_of(words[0])[0]) if words and words[0] in commands() else every
        ours = words and (words[0] in commands() or words[0].startswith("--"))
        if ours and any(option not in known for option in _OPTION.findall(span)):
            wrong.append(span)
    return wrong


BLOCKS = [block for path in PAGES for block in blocks_of(path.relative_to(ROOT), path.read_text(encoding="utf-8"))]


def told(word):
    return pytest.mark.parametrize("block", [one for one in BLOCKS if one.told == word], ids=lambda one: one.place)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_is_read_by_the_program_it_is_for(block):
    read(block)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_fence_belongs_to_a_block(path):
    assert "```" not in _FENCE.sub("", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_and_option_between_the_lines_exists(path):
    assert misnamed(path.read_text(encoding="utf-8")) == []


@told("offline")
def test_a_block_that_needs_no_stream_runs(block, muscle_path, decoder_path, tmp_path):
    shutil.copy(muscle_path, tmp_path / "FILE.h5")
    shutil.copy(decoder_path, tmp_path / "decoder.onnx")
    for line in lines_of(block.text):
        words = shlex.split(line, comments=True)
        assert re.split(r"[/\\]", words[0])[-1] == "myodrive", f"{block.place}: only our own commands are run"
        done = subprocess.run(
            [sys.executable, "-P", "-m", "myodrive.tools.cli", *words[1:]], cwd=tmp_path, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block.place}: {line}\n{done.stderr}"


@pytest.fixture(scope="module")
def live_address(free_address):
    return free_address()


@pytest.fixture
def pipeline(process, unique, decoder_path, muscle_path, live_address, control, until):
    """A pipeline that decodes the usual recording over and over."""
    process("run", "--stream", unique, "--decoder", decoder_path, "--bind", live_address, "--params", "none")
    process("play", muscle_path, "--name", unique, "--source-id", unique, "--loop")
    status = msgspec.msgpack.encode({"do": "status"})
    assert until(lambda: (found := control(live_address, status)) and found["status"]["state"] == "live")


@told("live")
@pytest.mark.usefixtures("pipeline")
def test_a_block_that_reads_a_pipeline_prints(block, live_address, tmp_path):
    assert ADDRESS in block.text, f"{block.place}: a live block connects to {ADDRESS}"
    program = block.text.replace(ADDRESS, live_address)
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    ) as reader:  # fmt: skip
        try:
            lines = [reader.stdout.readline() for _ in range(LINES)]  # the test's own time limit ends a silent one
        finally:
            reader.kill()
        said = reader.stderr.read().decode()
    assert all(lines), said


@told("outlet")
def test_a_block_that_is_an_amplifier_says_all_that_calibrate_and_run_ask_for(block, unique):
    name = re.search(r'"(my-[a-z]+)"', block.text)
    assert name is not None, f"{block.place}: an outlet names its stream my-SOMETHING"
    program = block.text.replace(name[0], f'"{unique}"')
    with subprocess.Popen([sys.executable, "-u", "-c", program], stderr=subprocess.DEVNULL) as amplifier:
        try:
            source = describe_stream(unique, print)
            index = np.arange(source.channels - 1)  # the last one counts
            stream = StreamSource(unique, index, source.fs_hz, 8, lambda found: None, None, source.channels - 1)
            try:
                samples = [stream.next_hop().samples for _ in range(100)]
            finally:
                stream.close()
        finally:
            amplifier.kill()
    assert sum(samples) > 0
    assert source.labels is not None
    assert not names_no_unit(source, index)
    assert gain_to_microvolts(source, index, None).tolist() == [1.0] * len(index)
    geometry = geometry_of(source, index)
    assert len(set(zip(geometry.row.tolist(), geometry.col.tolist(), strict=True))) == len(index)


# the rules themselves


def a_block(text, language="", told="", reason=""):
    return Block("here:1", language, text, told, reason)


@pytest.mark.parametrize(
    "block",
    [
        a_block("myodrive decode x.h5 --decoder d.onnx --nonsense"), a_block("myodrive decompose x.h5"),
        a_block("myodrive run --stream x"), a_block("for x in", "python"), a_block("rm -rf /"),
        a_block("python tools/no_such_file.py"), a_block("python tools/bootstrap.py fly"), a_block("int x", "cpp"),
        a_block("python -m myodrive.tools.no_such_module"), a_block("x", told="maybe"), a_block("x", told="not read"),
        a_block("python -m myodrive.tools.lead_fields --nonsense"),
    ],
)  # fmt: skip
def test_what_cannot_be_typed_is_found(block):
    with pytest.raises((AssertionError, SyntaxError)):
        read(block)


@pytest.mark.parametrize(
    "block",
    [
        a_block("myodrive decode x --decoder d \\\n    -o e.tsv   # words\n"), a_block("$ pip install x\n", "sh"),
        a_block(".venv\\\\Scripts\\\\myodrive listen\n"), a_block("x = 1\n", "python"), a_block("anything\n", "text"),
        a_block("int main() {}", "cpp", "not read", "compiled elsewhere"), a_block("myodrive run --help"),
    ],
)  # fmt: skip
def test_what_can_be_typed_is_read(block, capsys):
    read(block)


@pytest.mark.parametrize(
    "text",
    [
        "`myodrive decompose`",
        "`run --nonsense`",
        "`--nonsense 3`",
        "`myodrive run ... --nonsense DIR`",
        "`myodrive\nfly`",
    ],
)
def test_a_misnamed_option_between_the_lines_is_found(text):
    assert misnamed(f"Words and {text} more.") != []


@pytest.mark.parametrize(
    "text",
    ["`myodrive run ... --record DIR`", "`--hop 8`", "`docker run --network host`", "`a - b`", "```\n--x\n```\n"],
)
def test_what_exists_or_is_not_ours_is_left_alone(text):
    assert misnamed(f"Words and\n{text} more.") == []


def test_the_comment_before_a_block_says_how_it_is_run():
    text = "# x\n<!-- code: not read, needs MATLAB -->\n```matlab\nx\n```\n\n```\ny\n```\n"
    first, second = blocks_of(Path("a/README.md"), text)
    assert (first.told, first.reason, first.language, first.text) == ("not read", "needs MATLAB", "matlab", "x\n")
    assert (second.told, second.place) == ("", "a/README.md:7")


def test_a_block_inside_a_list_is_a_block():
    text = "1. Do\n\n   <!-- code: offline -->\n   ```\n   x \\\n     y\n   ```\n\n2. More\n"
    (block,) = blocks_of(Path("a/README.md"), text)
    assert (block.told, block.text, block.place) == ("offline", "x \\\n  y\n", "a/README.md:4")


def test_blocks_are_run_at_all():
    assert any(block.told == "live" and block.place.startswith("README.md:") for block in BLOCKS)
    assert any(block.told == "offline" for block in BLOCKS)
    assert any(block.told == "outlet" for block in BLOCKS)
