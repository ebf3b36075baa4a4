"""Writes the reference of the messages into stream/README.md, from the classes that make them.

    python -m myodrive.tools.make_message_reference

A test fails while the README says something else than the classes do.
"""

from __future__ import annotations

import types
import typing
from pathlib import Path

import msgspec

from ..stream import messages

README = Path(__file__).resolve().parent.parent / "stream" / "README.md"
BEGIN = "<!-- message reference: begin, written by python -m myodrive.tools.make_message_reference -->"
END = "<!-- message reference: end -->"
WORDS = {int: "int", float: "float", str: "text", bool: "bool", type(None): "null", typing.Any: "any"}
HEAD = ("| field | type | unit | values | meaning |", "|---|---|---|---|---|")
PARTS = {  # classes that stand inside others, or are spoken elsewhere: the heading of each
    "Message": "In every message", "UnitEntry": "An entry of `units`", "Latency": "`latency_ms`",
    "Electrodes": "`electrodes`", "SignalEntry": "An entry of `signals`",
    "ControlRequest": "Request", "ControlReply": "Reply",
}  # fmt: skip
PARAMETERS = {  # of the network that ships: what stands beside the fields of `params`
    "depth_mm": ("mm", "middle of the unit's fibres below the muscle's surface; fat and skin come on top"),
    "lateral_mm": ("mm", "middle of the unit's fibres across the grid from its centre, towards higher columns"),
    "half_length_low_mm": ("mm", "from the innervation zone to the mean end of the fibres towards lower rows"),
    "half_length_high_mm": ("mm", "the same towards higher rows"),
    "iz_spread_mm": ("mm", "full width over which the fibres' innervation points scatter"),
    "size_fibres": ("fibres", "how many ordinary fibres would make so large a waveform; no count of real ones"),
}


def main() -> None:
    """Bring the README up to date."""
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")


def renewed(text: str) -> str:
    """The README's `text` with the reference as it is now between the markers."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{README} lacks one of its markers: {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


def reference() -> str:
    """The reference as Markdown."""
    parts = [_table(messages.Message)]
    for kind, form in messages.KINDS.items():
        parts.append(_table(form, f"`{kind}`"))
        if form is messages.Units:
            parts += [_table(messages.UnitEntry), _table(messages.Electrodes)]
        elif form is messages.Status:
            parts += [_table(messages.Latency), _table(messages.SignalEntry)]
        elif form is messages.Params:
            parts.append(_parameters())
    parts += ["### Control socket", _table(messages.ControlRequest), _table(messages.ControlReply)]
    return "\n\n".join(parts)


def fields_of(form: type[msgspec.Struct]) -> dict[str, tuple[object, msgspec.Meta | None]]:
    """Type and description of the fields that are the class's own, in order."""
    hints = typing.get_type_hints(form, include_extras=True)
    own = form is messages.Message or not issubclass(form, messages.Message)
    inherited = set() if own else set(messages.Message.__struct_fields__)
    found: dict[str, tuple[object, msgspec.Meta | None]] = {}
    for name in form.__struct_fields__:
        if name not in inherited:
            plain, *told = typing.get_args(hints[name]) if hasattr(hints[name], "__metadata__") else (hints[name],)
            found[name] = plain, next((one for one in told if isinstance(one, msgspec.Meta)), None)
    return found


def _table(form: type[msgspec.Struct], heading: str = "") -> str:
    rows = []
    for name, (plain, told) in fields_of(form).items():
        if told is None or not told.description:
            raise SystemExit(f"{form.__name__}.{name} says nothing of itself: describe it in stream/messages.py")
        extra = told.extra or {}
        shown = (f"`{name}`", type_in_words(plain))
        if (form, name) == (messages.Params, "more"):  # its entries stand beside the other fields
            shown = ("`<name>`, `<name>_sd`", "float or null")
        rows.append(_row(*shown, extra["unit"], extra["span"], told.description))
    about = " ".join((form.__doc__ or "").replace("``", "`").split())
    return "\n".join([f"#### {heading or PARTS[form.__name__]}", "", about, "", *HEAD, *rows])


def _parameters() -> str:
    rows = [_row(f"`{name}`", "float or null", unit, "", meaning) for name, (unit, meaning) in PARAMETERS.items()]
    about = "What the network that ships adds, each with `<name>_sd`; another one (`--params FILE`) may add others."
    return "\n".join([about, "", *HEAD, *rows])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def type_in_words(plain: object) -> str:
    """A field's type as those say it who read MessagePack in any language."""
    if plain in WORDS:
        return WORDS[typing.cast("type", plain)]
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        return "map"
    kind, inside = typing.get_origin(plain), typing.get_args(plain)
    if kind is dict:
        return "map"
    if kind is list:
        return f"[{type_in_words(inside[0])}]"
    if kind is tuple:
        return f"[{', '.join(type_in_words(one) for one in inside)}]"
    if kind in (types.UnionType, typing.Union):
        return " or ".join(type_in_words(one) for one in inside)
    raise SystemExit(f"{plain} is a type that the reference has no words for: add them to type_in_words")


if __name__ == "__main__":
    main()
