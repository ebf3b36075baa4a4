"""What an output may be, for every command that writes one."""

import os

import pytest

from myodrive.stream.errors import OptionError
from myodrive.tools.console import check_output, late


def test_a_file_that_exists_is_refused_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "decoder.onnx"
    check_output(str(path))
    path.write_bytes(b"of a subject")
    with pytest.raises(OptionError, match=r"exists: choose another name, or add --overwrite"):
        check_output(str(path))
    check_output(str(path), overwrite=True)
    assert path.read_bytes() == b"of a subject"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_no_file_that_could_be_lost(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    check_output(str(tmp_path / "pipe"))


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_is_refused_whatever_may_be_replaced(tmp_path, overwrite):
    with pytest.raises(OptionError, match="is a folder"):
        check_output(str(tmp_path), overwrite)


@pytest.mark.parametrize(
    "arguments",
    [
        ("calibrate", "none.h5", "-o", "out.onnx"),
        ("calibrate", "none.h5", "-o", "d.onnx", "--method", "bmiss", "--plot", "out.svg"),
        ("convert", "none.h5", "out.h5"),
        ("decode", "none.h5", "--decoder", "none.onnx", "-o", "out.tsv"),
        ("replay", "none", "-o", "out.tsv"),
        ("simulate", "-o", "out.h5", "--grid", "none"),
        ("simulate", "-o", "s.h5", "--grid", "none", "--plot", "out.png"),
        ("estimate", "none.h5", "--decoder", "none.onnx", "--table", "out.tsv"),
        ("estimate", "none.h5", "--decoder", "none.onnx", "--report", "out.html"),
        ("train", "-o", "out.onnx", "--supervised", "0", "--physics", "0"),
        ("demo", "--recording", "none.h5", "--keep", "out.onnx"),
        ("demo", "--recording", "none.h5", "--picture", "out.svg"),
    ],
    ids=" ".join,
)
def test_every_command_refuses_an_output_that_exists_before_any_work(myodrive, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (name,) = (word for word in arguments if word.startswith("out."))
    (tmp_path / name).write_bytes(b"kept")
    assert myodrive(*arguments).refused(name, "exists", "--overwrite")
    said = myodrive(*arguments, "--overwrite")
    assert said.code == 1  # there is nothing to read
    assert "exists" not in said.err
    assert (tmp_path / name).read_bytes() == b"kept"


def test_late_hops_are_told_of_how_many():
    assert late(337, 7697) == "337 of 7697 hops late (4.4 %)"
    assert late(0, 7697) == "0 of 7697 hops late"
    assert late(0, 0) == "0 of 0 hops late"
