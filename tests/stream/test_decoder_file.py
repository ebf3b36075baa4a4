"""The decoder file: read back as written, and every fault in it is one clear DecoderError."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myodrive.stream.decoder_file import BLOCK, PREFIX, decoder_from_bytes, metadata_of, read_decoder
from myodrive.stream.errors import DecoderError
from myodrive.stream.onnx_file import read_onnx


@pytest.fixture
def raw(planted):
    return planted.decoder.model.raw


def test_a_decoder_reads_back_as_it_was_written(planted, tmp_path, raw):
    path = tmp_path / "d.onnx"
    path.write_bytes(raw)
    decoder = read_decoder(path)
    assert decoder.info == planted.info
    for name, matrix in planted.matrices.items():
        assert getattr(decoder, name).tobytes() == matrix.tobytes()
    assert decoder.sha256 == planted.decoder.sha256
    assert decoder.path == str(path)


def test_the_metadata_is_json_under_the_contracts_names(raw):
    metadata = read_onnx(raw, "d").metadata
    values = {key.removeprefix("myodrive."): json.loads(value) for key, value in metadata.items()}
    assert set(values) >= {
        "schema", "fs_hz", "channels", "montage", "filter", "extension", "whitening", "units", "command", "created_by",
        "source_sha256",
    }  # fmt: skip


def test_metadata_of_a_later_version_is_ignored(planted, raw):
    metadata = metadata_of(planted.info) | {PREFIX + "future": '{"a": 1}', "other program": "anything"}
    assert decoder_from_bytes(read_onnx(raw, "d").with_changes({}, metadata, {})).info == planted.info


def complaint(raw):
    """What is said against a file, "" for a good one; any other exception goes through."""
    try:
        decoder_from_bytes(raw)
    except DecoderError as error:
        return str(error)
    return ""


def changed(info, place, value):
    """Metadata of `info` with one value changed; `place` is a path such as ("units", 0, "threshold")."""
    fields = json.loads(json.dumps(msgspec.to_builtins(info)))
    at = fields
    for key in place[:-1]:
        at = at[key]
    if value is ...:
        del at[place[-1]]
    else:
        at[place[-1]] = value
    return {PREFIX + key: json.dumps(entry) for key, entry in fields.items()}


FAULTS = [
    (("schema",), 2),
    (("schema",), "1 "),
    (("schema",), ...),
    (("fs_hz",), 0.0),
    (("fs_hz",), -2000.0),
    (("fs_hz",), "2000"),
    (("fs_hz",), None),
    (("channels", "index"), []),
    (("channels", "index", 0), 1),
    (("channels", "index", 0), -1),
    (("channels", "index", 0), 16),
    (("channels", "index", 0), 0.5),
    (("channels", "index", 0), 2**70),
    (("channels", "row"), [0] * 15),
    (("channels", "col"), [0] * 17),
    (("channels", "row", 3), -1),
    (("channels", "row", 3), 10**6),
    (("channels", "labels"), ["a"]),
    (("channels", "ied_mm"), 0.0),
    (("channels", "ied_mm"), -8.0),
    (("channels", "grid_rows"), 0),
    (("channels", "stream_channels"), 3),
    (("montage",), "bipolar by guess"),
    (("filter", "sections"), []),
    (("filter", "sections", 0), [1, 2, 3]),
    (("filter", "sections", 0, 3), 2.0),
    (("filter", "sections", 0, 5), 1.5),  # a pole outside the unit circle
    (("filter", "sections", 0, 4), "x"),
    (("extension",), 0),
    (("extension",), 5),
    (("extension",), 10**9),
    (("whitening", "rank"), 0),
    (("whitening", "rank"), 65),
    (("units",), []),
    (("units", 0, "id"), 1),
    (("units", 1, "id"), -1),
    (("units", 1), ...),  # fewer than the matrices have
    (("units", 0, "threshold"), -0.1),
    (("units", 0, "threshold"), 1.0),
    (("units", 0, "spike_height"), 0.2),
    (("units", 0, "threshold"), "high"),
    (("detector", "lookahead"), -1),
    (("detector", "lookahead"), 10**7),
    (("detector", "refractory"), -1),
    (("detector",), ...),
    (("command", "full"), 2.0),
    (("command", "envelope_full"), 5.0),
    (("command", "dead_band"), -0.1),
    (("command", "dead_band"), 2.0),
    (("created_by",), "me"),
]


@pytest.mark.parametrize(("place", "value"), FAULTS, ids=lambda part: str(part)[:40])
def test_every_fault_in_the_metadata_is_one_clear_decoder_error(planted, raw, place, value):
    damaged = read_onnx(raw, "d").with_changes({}, changed(planted.info, place, value), {})
    with pytest.raises(DecoderError) as caught:
        decoder_from_bytes(damaged, "my.onnx")
    message = str(caught.value)
    assert message.startswith('"my.onnx"')
    assert ": " in message  # what to do
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize("text", ["", "{", "nan", "[" * 100_000, '"\\ud800"', "1e999", "\x00"], ids=range(7))
@pytest.mark.parametrize("key", ["channels", "units", "fs_hz", "unknown"])
def test_metadata_that_is_no_json_is_one_clear_decoder_error(planted, raw, key, text):
    metadata = metadata_of(planted.info) | {PREFIX + key: text}
    damaged = read_onnx(raw, "d").with_changes({}, metadata, {})
    if key == "unknown" and text == "1e999":
        return  # a number is JSON
    with pytest.raises(DecoderError) as caught:
        decoder_from_bytes(damaged, "my.onnx")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


NAMES = ["filters", "separation_vectors", "whitening", "inverse_covariance", "unit_means"]


@pytest.mark.parametrize("name", NAMES)
def test_a_matrix_of_another_shape_or_type_or_with_no_numbers_is_refused_by_its_name(planted, name):
    matrix = planted.matrices[name]
    broken = matrix.copy()
    broken[0, 0] = np.nan
    wrongs = [broken, matrix[:-1], matrix.astype(np.float64), matrix.ravel(), np.zeros((0, 0), np.float32)]
    model = read_onnx(planted.decoder.model.raw, "decoder")
    for wrong in wrongs:
        damaged = model.with_changes({name: np.ascontiguousarray(wrong)}, None, {})
        with pytest.raises(DecoderError, match='"decoder"'):
            decoder_from_bytes(damaged)


def test_a_decoder_with_cancellation_reads_back_as_it_was_written(cancelling):
    decoder = cancelling.decoder
    assert decoder.info == cancelling.info
    assert decoder.responses.tobytes() == cancelling.matrices["responses"].tobytes()


def test_a_reader_from_before_cancellation_refuses_its_decoders_and_takes_the_others(planted, cancelling):
    """It compares the schema with "1", and knows no `cancellation`."""
    assert read_onnx(cancelling.decoder.model.raw, "d").metadata["myodrive.schema"] == "2"
    metadata = read_onnx(planted.decoder.model.raw, "d").metadata
    assert metadata["myodrive.schema"] == "1"
    assert set(json.loads(metadata["myodrive.detector"])) == {"lookahead", "refractory"}
    assert planted.decoder.responses is None


CANCELLATION_FAULTS = [
    (("schema",), 1),
    (("detector", "cancellation"), ...),
    (("detector", "cancellation"), 3),
    (("detector", "cancellation", "before"), -1),
    (("detector", "cancellation", "before"), 60),
    (("detector", "cancellation", "stride"), 0),
    (("detector", "cancellation", "stride"), 21),  # longer than the look-ahead
    (("detector", "refractory"), 7),  # shorter than the stride
    (("detector", "lookahead"), 5000),
    (("detector", "cancellation", "weight"), [30.0]),
    (("detector", "cancellation", "weight", 1), 0.0),
    (("detector", "cancellation", "weight", 1), 1e300),
    (("detector", "cancellation", "weight", 1), "heavy"),
]


@pytest.mark.parametrize(("place", "value"), CANCELLATION_FAULTS, ids=lambda part: str(part)[:40])
def test_every_fault_in_the_settings_of_cancellation_is_one_clear_decoder_error(cancelling, place, value):
    damaged = read_onnx(cancelling.decoder.model.raw, "d").with_changes({}, changed(cancelling.info, place, value), {})
    with pytest.raises(DecoderError) as caught:
        decoder_from_bytes(damaged, "my.onnx")
    assert str(caught.value).startswith('"my.onnx"')
    assert "calibrate again" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_responses_that_do_not_fit_are_refused_by_their_name(cancelling):
    responses = cancelling.matrices["responses"]
    model = read_onnx(cancelling.decoder.model.raw, "decoder")
    broken, lowering = responses.copy(), responses.copy()
    broken[0, 1, 2] = np.inf
    lowering[1, 1, cancelling.info.detector.cancellation.before] = 0.0
    wrongs = [
        broken, lowering, responses[:-1], responses[:, :-1], responses[:, :, :10], responses.astype(np.float64),
        responses[0], responses.ravel(), np.zeros((0, 0, 0), np.float32), np.zeros((), np.float32),
        np.zeros((3, 3, 5000), np.float32),
    ]  # fmt: skip
    for wrong in wrongs:
        damaged = model.with_changes({"responses": np.ascontiguousarray(wrong).reshape(wrong.shape)}, None, {})
        with pytest.raises(DecoderError, match=r'"decoder" has (responses|values in responses|a unit)'):
            decoder_from_bytes(damaged)


def test_responses_and_the_settings_for_them_come_together(planted, cancelling):
    without = planted.decoder.model.with_changes({}, metadata_of(cancelling.info), {})
    with pytest.raises(DecoderError, match="lacks the matrix responses"):
        decoder_from_bytes(without)
    only = {"responses": cancelling.matrices["responses"]}
    with pytest.raises(DecoderError, match="does not say how to use them"):
        decoder_from_bytes(planted.decoder.model.with_changes(only, None, {}))


def test_a_decoder_with_a_graph_for_other_sizes_is_refused(planted):
    model = read_onnx(planted.decoder.model.raw, "decoder")
    with pytest.raises(DecoderError):
        decoder_from_bytes(model.with_changes({}, None, {"window": (BLOCK, 63)}))


def test_an_onnx_file_of_another_program_is_refused(planted):
    model = read_onnx(planted.decoder.model.raw, "decoder")
    with pytest.raises(DecoderError, match="another program"):
        decoder_from_bytes(model.with_changes({}, {"producer": "somebody"}, {}))


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(DecoderError, match="no decoder at"):
        read_decoder(tmp_path / "missing.onnx")
    with pytest.raises(DecoderError, match="no decoder at"):
        read_decoder(tmp_path)
    large = tmp_path / "large.onnx"
    with large.open("wb") as file:
        file.truncate(300 * 2**20)
    with pytest.raises(DecoderError, match="300 MiB"):
        read_decoder(large)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_raise_decoder_error_alone(planted, data):
    raw = bytearray(planted.decoder.model.raw)
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    for _ in range(data.draw(st.integers(0, 5))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert complaint(bytes(raw)).isprintable()


@settings(max_examples=150, deadline=None)
@given(
    key=st.sampled_from(
        ["fs_hz", "channels", "filter", "extension", "whitening", "detector", "units", "command", "created_by"]
    ),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
)
def test_any_json_in_the_metadata_is_taken_or_a_decoder_error(planted, key, value):
    metadata = metadata_of(planted.info) | {PREFIX + key: json.dumps(value)}
    assert complaint(planted.decoder.model.with_changes({}, metadata, {})).isprintable()
