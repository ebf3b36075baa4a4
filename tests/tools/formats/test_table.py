"""Plain tables: what they say is taken, what they do not say must be stated."""

import io
import zipfile

import numpy as np
import pytest

from myodrive.stream.errors import RecordingError
from myodrive.tools.formats.reading import read_any
from myodrive.tools.formats.table import write_npz
from myodrive.tools.formats.wanted import Wanted

from .made_files import same

STATED = Wanted(fs_hz=512.0, unit="mV", grid="LIN03-5")


def numbers(samples=1200, channels=3):
    return np.round(np.random.default_rng(0).normal(size=(samples, channels)), 6)


def test_a_recording_comes_back_bit_for_bit(tmp_path, recording):
    write_npz(tmp_path / "a.npz", recording)
    found = read_any(tmp_path / "a.npz")
    assert same(recording, found)
    assert found.force.tobytes() == recording.force.tobytes()


def test_arrays_are_channels_by_samples_unless_stated(tmp_path):
    np.savez(tmp_path / "a.npz", anything=numbers().T)
    expected = (numbers() * 1e3).astype(np.float32)
    assert np.array_equal(read_any(tmp_path / "a.npz", STATED).emg, expected)
    np.save(tmp_path / "b.npy", np.asfortranarray(numbers()))
    turned = Wanted(fs_hz=512.0, unit="mV", grid="LIN03-5", channels_first=False)
    assert np.array_equal(read_any(tmp_path / "b.npy", turned).emg, expected)
    with pytest.raises(RecordingError, match="transposed"):
        read_any(tmp_path / "b.npy", STATED)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " "])
@pytest.mark.parametrize("heading", [False, True])
def test_text_is_samples_by_channels_unless_stated(tmp_path, delimiter, heading):
    path = tmp_path / "a.csv"
    names = delimiter.join(["a", "b", "c"])
    np.savetxt(path, numbers(), delimiter=delimiter, header=names if heading else "", comments="", fmt="%.6f")
    found = read_any(path, STATED)
    assert np.array_equal(found.emg, (numbers() * 1e3).astype(np.float32))
    assert found.labels == (("a", "b", "c") if heading else None)
    np.savetxt(path, numbers().T, delimiter=delimiter, fmt="%.6f")
    turned = Wanted(fs_hz=512.0, unit="mV", grid="LIN03-5", channels_first=True)
    assert np.array_equal(read_any(path, turned).emg, found.emg)


def test_text_may_say_all_itself(tmp_path):
    path = tmp_path / "a.csv"
    lines = [",".join(f"{value:.6f}" for value in row) for row in numbers()]
    path.write_text("# fs_hz = 512\n# unit: uV\n# grid = LIN03-5\n# more words\na,b,c\n" + "\n".join(lines) + "\n")
    found = read_any(path)
    assert np.array_equal(found.emg, numbers().astype(np.float32))
    assert (found.fs_hz, found.geometry.ied_mm, found.labels) == (512.0, 5.0, ("a", "b", "c"))


def test_a_wide_table_is_known_by_its_first_numbers(tmp_path):
    path = tmp_path / "a.csv"
    wide = np.tile(numbers(), 100)
    np.savetxt(path, wide, delimiter=",", header=",".join(f"channel {n}" for n in range(300)), comments="", fmt="%.6f")
    found = read_any(path, Wanted(fs_hz=512.0, unit="uV", need_places=False))
    assert np.array_equal(found.emg, wide.astype(np.float32))
    assert found.labels[299] == "channel 299"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(fs_hz=512.0, grid="LIN03-5"), "--unit"),
        (Wanted(unit="uV", grid="LIN03-5"), "--fs"),
        (Wanted(fs_hz=512.0, unit="uV"), "--grid"),
        (Wanted(fs_hz=512.0, unit="kg", grid="LIN03-5"), "kg"),
        (Wanted(fs_hz=512.0, unit="uV", grid="LIN04-5"), "3 EMG channels for 4 places"),
        (Wanted(fs_hz=512.0, unit="uV", grid="LIN03-5", channels=(3,)), "--channels"),
    ],
)
def test_what_is_not_said_must_be_stated(tmp_path, wanted, said):
    np.save(tmp_path / "a.npy", numbers().T)
    np.savetxt(tmp_path / "a.csv", numbers(), delimiter=",")
    for name in ("a.npy", "a.csv"):
        with pytest.raises(RecordingError, match=said):
            read_any(tmp_path / name, wanted)


def test_channels_may_be_chosen(tmp_path):
    np.save(tmp_path / "a.npy", numbers().T)
    found = read_any(tmp_path / "a.npy", Wanted(fs_hz=512.0, unit="uV", grid="LIN02-5", channels=(2, 0)))
    assert np.array_equal(found.emg, numbers()[:, [2, 0]].astype(np.float32))


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[Bomb()] * 3] * 2, dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", emg=np.array([[Bomb()] * 3] * 2, dtype=object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(RecordingError, match="plain numbers"):
            read_any(tmp_path / name, STATED)


def test_a_head_that_declares_more_than_follows_is_refused_without_taking_memory(tmp_path):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": (64, 1 << 40)})
    (tmp_path / "a.npy").write_bytes(out.getvalue() + bytes(1000))
    with pytest.raises(RecordingError, match="plain numbers"):
        read_any(tmp_path / "a.npy", STATED)


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("emg.npy", bytes(120 << 20))
    with pytest.raises(RecordingError, match="fill memory"):
        read_any(tmp_path / "a.npz", STATED)


@pytest.mark.parametrize("text", ["1,2,3\n4,5\n", "1,2,3\nx,y,z\n4,5,6\n", "1,5;2,5\n3,5;4,5\n"])
def test_text_that_is_no_table_of_numbers_is_refused(tmp_path, text):
    (tmp_path / "a.csv").write_text(text * 400)
    with pytest.raises(RecordingError, match=r"no table of numbers|transposed"):
        read_any(tmp_path / "a.csv", STATED)
