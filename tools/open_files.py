"""Every connection is an open file, and many systems allow a process 1024 or 256 unless it asks for more."""

from __future__ import annotations

import contextlib

ENOUGH = 65_536


def allow_many() -> int:
    """Raise this process's own limit as far as the system lets it; the limit, 0 where there is none to be raised."""
    try:
        import resource
    except ImportError:
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return int(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
