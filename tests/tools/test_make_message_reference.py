"""The reference of the messages says what the classes say."""

from typing import Annotated

import msgspec
import pytest

from myodrive.stream import messages as m
from myodrive.stream.parameter_file import read_parameter_file
from myodrive.tools import make_message_reference as reference

FORMS = [
    one
    for one in vars(m).values()
    if isinstance(one, type) and issubclass(one, msgspec.Struct) and one.__module__ == m.__name__
]


def test_the_readme_is_up_to_date():
    text = reference.README.read_text(encoding="utf-8")
    assert reference.renewed(text) == text, "run: python -m myodrive.tools.make_message_reference"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_field_says_what_it_means(form):
    assert form.__doc__
    for name, (_, told) in reference.fields_of(form).items():
        assert told is not None, f"{form.__name__}.{name}"
        assert told.description, f"{form.__name__}.{name}"
        assert set(told.extra) == {"unit", "span"}, f"{form.__name__}.{name}"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_class_has_its_table(form):
    heading = next((f"`{kind}`" for kind, one in m.KINDS.items() if one is form), "")
    assert reference._table(form, heading) in reference.reference()


def test_a_field_that_says_nothing_is_refused():
    class Silent(msgspec.Struct):
        """What it is."""

        told: Annotated[int, m.says("a number")]
        untold: int

    with pytest.raises(SystemExit, match="untold"):
        reference._table(Silent, "x")


def test_a_readme_without_markers_is_refused():
    with pytest.raises(SystemExit, match="markers"):
        reference.renewed("# stream\n")


def test_the_text_around_the_reference_stays():
    text = f"before\n{reference.BEGIN}\noutdated text\n{reference.END}\nafter\n"
    renewed = reference.renewed(text)
    assert renewed.startswith("before\n")
    assert renewed.endswith("\nafter\n")
    assert "outdated text" not in renewed
    assert reference.renewed(renewed) == renewed


def test_the_parameters_told_are_those_of_the_network_that_ships(repository):
    shipped = read_parameter_file(repository / "models" / "weights" / "parameters.onnx").info.reported
    named = {"iz_mm", "cv_m_s", *reference.PARAMETERS}
    assert named == set(shipped)


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        (int, "int"), (list[list[float]], "[[float]]"), (float | None, "float or null"), (m.Latency, "map"),
        (list[tuple[float, int]], "[[float, int]]"), (dict[str, int], "map"),
    ],
)  # fmt: skip
def test_a_type_is_said_in_words_of_no_language(plain, words):
    assert reference.type_in_words(plain) == words


def test_a_description_checks_nothing():
    """Meta can restrict values; ours must not, or a reader of today refuses what a publisher of tomorrow sends."""
    for form in FORMS:
        for name, (_, told) in reference.fields_of(form).items():
            bounds = (told.gt, told.ge, told.lt, told.le, told.multiple_of, told.pattern, told.min_length)
            assert bounds == (None,) * 7, f"{form.__name__}.{name}"
            assert told.max_length is None


def test_a_reply_that_is_not_in_the_reference_cannot_be_sent():
    with pytest.raises(TypeError):
        m.encode_reply(True, secret=1)
    assert msgspec.msgpack.decode(m.encode_reply(True, state="live")) == {"ok": True, "state": "live"}
