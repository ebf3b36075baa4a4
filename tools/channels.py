"""Channel lists as people write them: "0-63,70"."""

from __future__ import annotations

import argparse

LARGEST = 65_536


def channel_list(text: str) -> list[int]:
    """Channels in a list such as "0-63,70", counted from 0, in the order written.

    Raises
    ------
    argparse.ArgumentTypeError
        The text is no such list.
    """
    channels: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or int(last or first) >= LARGEST:
            raise argparse.ArgumentTypeError(f'"{text}" is not a list of channels: write it as 0-63,70')
        stop = int(last) if dash else int(first)
        if stop < int(first):
            raise argparse.ArgumentTypeError(f'"{part}" runs backwards: write the smaller channel first')
        channels.extend(range(int(first), stop + 1))
    if len(set(channels)) != len(channels):
        raise argparse.ArgumentTypeError(f'"{text}" names a channel twice: name each once')
    return channels
