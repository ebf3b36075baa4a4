"""The ONNX reader and writer: what it reads, what it keeps, and what it refuses."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from myodrive.stream.errors import DecoderError
from myodrive.stream.onnx_file import read_onnx
from myodrive.stream.onnx_graph import MOST_NODES, Node
from myodrive.stream.protobuf import MOST_FIELDS

FLOAT, INT64 = 1, 7


# The wire format by hand, so that the tests can write what no library would.
def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field, value):
    return varint(field << 3) + varint(value % 2**64)


def message(field, *parts):
    content = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(name="filters", dims=(2, 3), data=b"\0" * 24, kind=FLOAT, field=5, more=b""):
    sizes = b"".join(number(1, size) for size in dims)
    return message(field, sizes, number(2, kind), message(8, name), message(9, data), more)


def value(field, name, dims):
    shape = message(2, *(message(1, number(1, size)) for size in dims))
    return message(field, message(1, name), message(2, message(1, number(1, FLOAT), shape)))


def node(operator="MatMul", inputs=("window", "filters"), output="sources", more=b""):
    names = [message(1, name) for name in inputs]
    return message(1, *names, message(2, output), message(4, operator), more)


INPUT, OUTPUT = value(11, "window", (8, 2)), value(12, "sources", (8, 3))
OPSET = message(8, message(1, ""), number(2, 18))


def model(*graph, more=b"", opset=OPSET):
    return number(1, 8) + message(7, *(graph or (node(), tensor(), INPUT, OUTPUT))) + opset + more


PLAIN = model(more=message(14, message(1, "key"), message(2, "välue")))


@pytest.fixture(scope="module")
def onnx():
    return pytest.importorskip("onnx")


arrays = st.sampled_from([np.float32, np.float64, np.int64]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_a_plain_model_is_read():
    file = read_onnx(PLAIN, "plain.onnx")
    assert file.metadata == {"key": "välue"}
    assert file.opset == 18
    assert (file.inputs, file.outputs) == ({"window": (8, 2)}, {"sources": (8, 3)})
    assert file.nodes == (Node("MatMul", ("window", "filters"), ("sources",)),)
    filters = file.initializers["filters"]
    assert same(filters, np.zeros((2, 3), np.float32))
    assert filters.flags.c_contiguous
    assert filters.flags.aligned


@settings(max_examples=60, deadline=None)
@given(matrices=st.dictionaries(st.text(min_size=1, max_size=8), arrays, max_size=4), raw=st.booleans())
def test_what_onnx_writes_is_read_equal(onnx, matrices, raw):
    def typed(name, array):
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        return onnx.helper.make_tensor(name, kind, array.shape, array.ravel().tolist())

    write = onnx.numpy_helper.from_array if raw else lambda array, name: typed(name, array)
    graph = onnx.helper.make_graph([], "g", [], [], [write(array, name) for name, array in matrices.items()])
    written = onnx.helper.make_model(graph)
    read = read_onnx(written.SerializeToString(), "model").initializers
    reference = {item.name: onnx.numpy_helper.to_array(item) for item in written.graph.initializer}
    assert read.keys() == reference.keys()
    assert all(same(read[name], array) for name, array in reference.items())


@settings(max_examples=60, deadline=None)
@given(
    extra=st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda n: n not in ("window", "sources")), arrays),
    metadata=st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3),
    width=st.integers(1, 300),
    units=st.integers(1, 5),
)
def test_what_is_written_is_a_valid_model_and_reads_back(onnx, extra, metadata, width, units):
    filters = np.arange(width * units, dtype=np.float32).reshape(width, units)
    changes = {**extra, "filters": filters}
    shapes = {"window": (8, width), "sources": (8, units)}
    raw = read_onnx(PLAIN, "plain").with_changes(changes, metadata, shapes)

    ours = read_onnx(raw, "changed")
    assert ours.metadata == metadata
    assert ours.inputs | ours.outputs == shapes
    theirs = onnx.load_from_string(raw)
    assert {item.key: item.value for item in theirs.metadata_props} == metadata
    arrays_there = {item.name: onnx.numpy_helper.to_array(item) for item in theirs.graph.initializer}
    for found in (ours.initializers, arrays_there):
        assert found.keys() == changes.keys()
        assert all(same(found[name], array) for name, array in changes.items())
    theirs.graph.name = "named"  # the checker wants what the smallest file does not have
    onnx.checker.check_model(theirs, full_check=True)


def test_a_changed_model_runs():
    import onnxruntime

    rng = np.random.default_rng(0)
    filters = rng.standard_normal((100, 7)).astype(np.float32)
    window = rng.standard_normal((8, 100)).astype(np.float32)
    named = PLAIN.replace(
        message(7, node(), tensor(), INPUT, OUTPUT), message(7, node(), tensor(), INPUT, OUTPUT, message(2, "g"))
    )
    raw = read_onnx(named, "plain").with_changes({"filters": filters}, None, {"window": (8, 100), "sources": (8, 7)})
    session = onnxruntime.InferenceSession(raw, providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"window": window})[0], window @ filters, atol=1e-4)
    assert session.get_modelmeta().custom_metadata_map == {"key": "välue"}


def test_without_changes_every_byte_stays():
    unknown = message(999, b"kept") + varint(500 << 3 | 5) + b"abcd"
    notes = message(13, value(11, "between", (1,))[2:])  # a value_info
    raw = model(node(more=message(9, b"")), tensor(), notes, INPUT, OUTPUT, message(10, "doc"), unknown, more=unknown)
    assert read_onnx(raw, "model").with_changes({}, None, {}) == raw


def test_what_is_not_understood_survives_a_change():
    unknown = message(999, b"kept")
    raw = model(node(), tensor(), INPUT, OUTPUT, unknown + message(10, "doc"), more=unknown)
    changed = read_onnx(raw, "model").with_changes({"filters": np.ones((2, 3), np.float32)}, {}, {"window": (8, 2)})
    assert changed.count(unknown) == 2
    assert message(10, "doc") in changed
    assert node() in changed


def test_a_size_for_a_value_the_graph_lacks_is_refused():
    with pytest.raises(DecoderError, match='without "windw"'):
        read_onnx(PLAIN, "plain.onnx").with_changes({}, None, {"windw": (8, 2)})


SUBGRAPH = message(5, message(1, "then_branch"), message(6, node()))
HOSTILE = {
    "another file": model(node(), tensor(more=message(13, message(1, "location"), message(2, "../x")))),
    "keeps a matrix in another file": model(node(), tensor(more=number(14, 1))),
    'operator "If"': model(node("If"), tensor()),
    "a graph within its graph": model(node(more=SUBGRAPH), tensor()),
    'operator "evil.MatMul"': model(node(more=message(7, "evil")), tensor()),
    'operators of "evil"': model(opset=OPSET + message(8, message(1, "evil"), number(2, 1))),
    "two versions of the standard": model(opset=OPSET + message(8, message(1, "ai.onnx"), number(2, 1))),
    "does not say which operators": model(opset=b""),
    "functions of its own": model(more=message(25, message(1, "f"))),
    "training steps": model(more=message(20, b"")),
    "a sparse matrix": model(node(), tensor(), message(15, b"")),
    'matrix "filters" twice': model(node(), tensor(), tensor()),
    'input or output "window" twice': model(node(), tensor(), INPUT, INPUT),
    "one name to two values": model(node(), tensor("window"), INPUT),
    'metadata "key" twice': model(more=message(14, message(1, "key")) * 2),
    "the model says the same thing twice": PLAIN + message(7, node()),
    "a matrix says the same thing twice": model(node(), tensor(more=message(9, b"\0" * 24))),
    f"more than {MOST_NODES} operators": model(*[node(output=f"o{i}") for i in range(MOST_NODES + 1)]),
    "declares the matrix": model(node(), tensor(dims=(2**40, 2**40))),
    "as 0 x 9223372036854775807 values": model(node(), tensor(dims=(0, 2**63 - 1), data=b"")),
    "as 2 x 4 values and holds 6": model(node(), tensor(dims=(2, 4))),
    "of impossible size": model(node(), tensor(dims=(-2, -3))),
    "impossible": model(node(), tensor(dims=(1,) * 9, data=b"\0" * 4)),
    "of element type 8": model(node(), tensor(kind=8)),
    "of element type 0": model(node(), tensor(kind=0)),
    "in a way no decoder does": model(node(), tensor(more=message(3, number(1, 0)))),
    "in two ways": model(node(), tensor(data=b"\0" * 12, more=message(4, b"\0" * 12))),
    "under another type than it declares": model(node(), tensor(data=b"", more=message(10, b"\0" * 48))),
    "something other than a matrix": model(
        node(), tensor(), message(11, message(1, "window"), message(2, message(4, b"")))
    ),
    "for values of 4": model(node(), tensor(data=b"\0" * 23)),
    "not UTF-8": model(node(b"\xff\xfe".decode("latin-1")), tensor("a\x00")).replace(
        "ÿþ".encode(), b"\xff\xfe\xff\xfe"
    ),
    "more than 64 bits": b"\x08" + b"\xff" * 9 + b"\x7f" + PLAIN,
    "unknown kind": PLAIN + b"\x0b",
    "a field number of 0": PLAIN + b"\x02\x00",
    "bytes too early": PLAIN + varint(99 << 3 | 2) + varint(2**63) + b"x",
    "ends within the number": PLAIN + b"\x80",
    "another kind than ONNX says": number(1, 8) + number(7, 3) + OPSET,
    f"more than {MOST_FIELDS} parts": PLAIN + number(99, 1) * MOST_FIELDS,
    "no graph in it": number(1, 8) + OPSET,
    "no format version": PLAIN[2:],
}


@pytest.mark.parametrize(("found", "raw"), HOSTILE.items(), ids=HOSTILE)
def test_what_no_decoder_holds_is_refused_by_name(found, raw):
    with pytest.raises(DecoderError) as refusal:
        read_onnx(raw, "some.onnx")
    message_shown = str(refusal.value)
    assert found in message_shown
    assert message_shown.startswith('"some.onnx"')
    assert "choose another file" in message_shown
    assert "\n" not in message_shown
    assert len(message_shown) < 250


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", "an empty file"),
        (b"sample,emg\r\n1,2\n", "a text file"),
        ("Zeit\tµV\n".encode() * 100, "a text file"),
        (b"B\x02ab", "damaged"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        (b"PK\x03\x04" + bytes(100), "a zip archive"),
        (bytes(1000), "damaged or not an ONNX file"),
    ],
)
def test_a_file_of_another_format_is_called_by_its_name(raw, kind):
    with pytest.raises(DecoderError, match=kind):
        read_onnx(raw, "other")


def test_every_shortened_file_is_refused():
    whole = model()
    read_onnx(whole, "whole")
    for length in range(len(whole)):
        with pytest.raises(DecoderError):
            read_onnx(whole[:length], "short")


def test_a_name_from_the_file_cannot_steer_the_terminal():
    with pytest.raises(DecoderError) as refusal:
        read_onnx(model(node("\x1b[2J" + "x" * 1000), tensor()), "some.onnx")
    assert str(refusal.value).isprintable()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw):
    read_or_refuse(raw)


def mutate(edits):
    """PLAIN with bytes overwritten, inserted or cut out."""
    raw = bytearray(PLAIN)
    for place, length, new in edits:
        at = place % (len(raw) + 1)
        raw[at : at + length] = new
    return bytes(raw)


edits = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=4)


@settings(max_examples=700, deadline=None)
@given(edits)
def test_any_damage_is_read_or_refused(changes):
    read_or_refuse(mutate(changes))


def read_or_refuse(raw):
    try:
        file = read_onnx(raw, "fuzzed")
    except DecoderError:
        return
    changed = file.with_changes(
        {"filters": np.ones((3, 2), np.float32)}, {"a": "b"}, dict.fromkeys(file.inputs, (8, 3))
    )
    again = read_onnx(changed, "changed")
    assert again.metadata == {"a": "b"}
    assert again.initializers["filters"].shape == (3, 2)


@settings(max_examples=500, deadline=None)
@given(edits)
def test_what_is_accepted_means_the_same_to_onnx(onnx, changes):
    """A file must not show the checks one matrix and ONNX Runtime another."""
    protobuf = pytest.importorskip("google.protobuf.message")
    raw = mutate(changes)
    try:
        ours = read_onnx(raw, "fuzzed")
    except DecoderError:
        return
    try:
        theirs = onnx.load_from_string(raw)
    except protobuf.DecodeError:  # damage within a part that no decoder uses, so ours did not look into it
        return
    arrays_there = {item.name: onnx.numpy_helper.to_array(item) for item in theirs.graph.initializer}
    assert ours.initializers.keys() == arrays_there.keys()
    assert all(same(array, arrays_there[name]) for name, array in ours.initializers.items())
    assert ours.metadata == {item.key: item.value for item in theirs.metadata_props}
    assert [tuple(n) for n in ours.nodes] == [(n.op_type, tuple(n.input), tuple(n.output)) for n in theirs.graph.node]


@pytest.mark.parametrize(
    "raw",
    [
        PLAIN + number(99, 1) * 500_000,
        model(node(), tensor(dims=(2**30, 2**30))),
        model(node(), tensor(dims=range(200_000))),
        model(node(), tensor(kind=INT64, data=b"", more=message(7, b"\1" * 1_000_000))),
        PLAIN + varint(99 << 3 | 2) + varint(2**62),
        model(node(), tensor(dims=(250, 1000), data=bytes(1_000_000))),
    ],
    ids=["many fields", "giant size", "many sizes", "many numbers", "giant length", "one large matrix"],
)
def test_memory_stays_within_a_small_multiple_of_the_file(raw):
    tracemalloc.start()
    try:
        read_onnx(raw, "large")
    except DecoderError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 3 * len(raw) + 8 * 2**20  # what MOST_FIELDS numbers take as Python objects
