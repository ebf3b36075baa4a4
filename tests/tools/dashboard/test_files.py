"""The page's files: nothing from elsewhere, nothing inline."""

import re

import pytest

from myodrive.tools import palette
from myodrive.tools.dashboard.files import FOLDER, read_files

OURS = sorted(FOLDER.iterdir())
ALLOWED = {"http://www.w3.org/2000/svg"}  # a name in SVG files that nobody fetches


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_no_address_points_anywhere_else(file):
    text = file.read_text(encoding="utf-8")
    assert set(re.findall(r"\w+://[^\s\"'`)]*", text)) <= ALLOWED
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?//""", text)
    assert not re.search(r"""(src|href)=["']/""", text)  # relative, so that a path before it would do no harm


def test_nothing_is_inline():
    html = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script[^>]*>(.*?)</script>", html, re.S) == [""]
    assert "<style" not in html
    assert not re.search(r"\s(on\w+|style)=", html)


def test_every_file_that_a_file_names_is_there():
    files = read_files()
    for file in OURS:
        text = file.read_text(encoding="utf-8")
        for name in re.findall(r"""from "\./([^"]+)"|<(?:link|script)[^>]*(?:href|src)="([^"]+)\"""", text):
            assert f"/{name[0] or name[1]}" in files


def test_scripts_make_no_page_of_strings():
    for file in OURS:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), (
            file.name
        )


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def themes():
    """Names and values of the colours, light and dark."""
    css = (FOLDER / "style.css").read_text(encoding="utf-8")
    return [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)]


@pytest.mark.parametrize(("theme", "units"), [(0, palette.UNITS_LIGHT), (1, palette.UNITS_DARK)])
def test_words_and_marks_stand_out_from_their_background(theme, units):
    colours = themes()[theme]
    for name in ("ink", "soft", "good", "warn", "bad", "idle"):
        assert contrast(colours[name], colours["panel"]) >= 4.5, name
        assert contrast(colours[name], colours["ground"]) >= 4.5, name
    for colour in (*units, colours["zone"], colours["drive"], colours["wave"]):
        assert contrast(colour, colours["panel"]) >= 3.0, colour
