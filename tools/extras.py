"""How what is not installed is installed: into the Python that runs, of the folder that it was installed from."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from urllib.parse import urlsplit
from urllib.request import url2pathname


def pip_install(extra: str = "", *options: str) -> str:
    """The command that installs myodrive with an extra; its name on a package index is not ours.

    Parameters
    ----------
    extra : str
        Such as "train", or several with commas; "" for none.
    options : str
        Of `pip install`.
    """
    pip = " ".join([f'"{sys.executable}" -m pip install', *options])
    wanted = f"[{extra}]" if extra else ""
    folder = _clone()
    if folder is None:
        return f'{pip} ".{wanted}" in the folder of myodrive'
    return f'{pip} -e "{folder}{wanted}"'


def _clone() -> str | None:
    """The folder that myodrive is installed from as it stands there; None where it was copied."""
    try:
        told = json.loads(metadata.distribution("myodrive").read_text("direct_url.json") or "{}")
        if not told["dir_info"].get("editable"):
            return None
        return url2pathname(urlsplit(told["url"]).path)
    except (metadata.PackageNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
