"""LabRecorder's own recording code, without its window, in a process of its own: FILE NAME... until stdin ends."""

import sys

import labrecorder
import pylsl


def main(file, *names):
    """Record the streams of these names."""
    found = [pylsl.resolve_byprop("name", name, 1, 30)[0] for name in names]
    with labrecorder.Recording(file, found):
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
