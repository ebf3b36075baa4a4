"""The Markdown pages hold together: what they link to is there, and every command has a place in them."""

import re
from pathlib import Path

import pytest

from myodrive.tools import cli

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("stream", "models", "export", "tools", "tests")
PAGES = [*ROOT.glob("*.md"), *sorted(page for part in PARTS for page in (ROOT / part).rglob("*.md"))]
GUIDE = ROOT / "tools" / "guide"
_FENCE = re.compile(r"^( *)```.*?^\1```\s*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`[^`]*`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_AWAY = ("http://", "https://", "mailto:")


def links_of(text: str) -> list[str]:
    """Where links and pictures of a page lead, those of code left out."""
    return _LINK.findall(_SPAN.sub("", _FENCE.sub("", text)))


def anchors_of(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = 0
        while (numbered := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(numbered)
    return found


def broken(page: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere."""
    wrong = []
    for link in links_of(text):
        if link.startswith(_AWAY):
            continue
        where, _, anchor = link.partition("#")
        target = (page.parent / where).resolve() if where else page
        if not target.exists() or not target.is_relative_to(ROOT):
            wrong.append(link)
        elif anchor and anchor not in anchors_of(text if target == page else target.read_text(encoding="utf-8")):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_picture_and_anchor_exists(page):
    assert broken(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", sorted(name for group in cli.COMMANDS.values() for name in group))
def test_every_command_has_a_place_in_the_pages(name):
    pages = [ROOT / "README.md", *GUIDE.glob("*.md")]
    assert any(re.search(rf"\bmyodrive\s+{name}\b", page.read_text(encoding="utf-8")) for page in pages)


def test_every_page_of_the_guide_is_in_its_index():
    named = links_of((GUIDE / "README.md").read_text(encoding="utf-8"))
    assert {page.name for page in GUIDE.glob("*.md")} - {"README.md"} == set(named) & {
        page.name for page in GUIDE.iterdir()
    }


@pytest.mark.parametrize(
    "text",
    [
        "[a](no-such-page.md)", "![a](images/none.svg)", "[a](#nowhere)", "[a](../../README.md#nowhere)",
        "[a](../../../elsewhere)",
    ],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_found(text):
    assert broken(GUIDE / "README.md", f"# Here\n{text}\n") != []


@pytest.mark.parametrize(
    "text",
    ["[a](#here-and-there)", "[a](#here-and-there-1)", "`[a](none.md)`", "```\n[a](none.md)\n```", "[a](https://x)"],
)
def test_a_link_that_leads_somewhere_or_is_code_is_left_alone(text):
    assert broken(GUIDE / "README.md", f"# Here, and there\n## `Here` and there\n{text}\n") == []
