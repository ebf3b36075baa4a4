"""All checks, in order; each may find several things, and one that breaks is itself a finding."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from . import accelerator, discovery, installation, interfaces, lsl_settings, ports, processors, storage, timing, work
from .asking import text_of
from .finding import Finding, problem
from .interfaces import Interface
from .lsl_settings import kept_quiet

Found = Finding | Iterable[Finding]


def examine(
    *, asks_network: bool = False, record: str = ".", progress: Callable[[float, str], None] = lambda share, note: None
) -> list[Finding]:
    """Look at everything; it takes 8 s on one core of a usual machine, and waits for no answer for long.

    Parameters
    ----------
    asks_network : bool
        Whether LSL's search for streams may leave this machine.
    record : str
        Folder whose disk is tried.
    progress : callable
        Told the share done, and what comes next.
    """
    there = functools.cache(interfaces.see_interfaces)  # asked once, which takes seconds on Windows
    checks: list[tuple[str, Callable[[], Found]]] = [
        ("python", lambda: installation.judge_python(installation.see_python())),
        ("environment", lambda: installation.judge_environment(installation.see_python())),
        ("packages", lambda: installation.judge_packages(installation.see_packages())),
        ("onnxruntime", _runtime),
        ("cores", lambda: processors.judge_cores(processors.see_cores())),
        ("power", lambda: processors.judge_power(processors.see_power())),
        ("host", lambda: processors.judge_host(processors.see_host())),
        ("clock", lambda: timing.judge_clock(timing.see_clock())),
        ("timer", lambda: timing.judge_timer(timing.see_timer())),
        ("scheduling", lambda: timing.judge_scheduling(timing.see_scheduling())),
        ("network", lambda: interfaces.judge_interfaces(there())),
        ("LSL", lambda: _lsl(there(), asks_network)),
        ("ports", lambda: ports.judge_ports(ports.see_ports(there()))),
        ("firewall", lambda: ports.judge_firewall(ports.see_firewall())),
        ("ZeroMQ", lambda: work.judge_messages(work.see_messages())),
        ("disk", lambda: storage.judge_disk(storage.see_disk(record))),
        ("limits", _limits),
        ("decoding", lambda: work.judge_decoding(work.see_decoding())),
    ]
    findings: list[Finding] = []
    for number, (name, check) in enumerate(checks):
        progress(number / len(checks), name)
        findings += made(name, check)
    return findings


def made(name: str, check: Callable[[], Found]) -> list[Finding]:
    """What a check finds; what breaks it is a problem and not the end."""
    try:
        found = check()
    except Exception as error:  # a broken installation may fail anywhere, and that is what is looked for
        what = f"it cannot be looked at: {type(error).__name__}: {str(error)[:160]}"
        return [problem(name, what, installation.INSTALL_AGAIN)]
    return [found] if isinstance(found, Finding) else list(found)


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing stands in the way of running; notes do not count."""
    return not any(finding.level == "problem" for finding in findings)


def _runtime() -> list[Finding]:
    runtime = accelerator.see_runtime()
    return [accelerator.judge_runtime(runtime), accelerator.judge_gpu(accelerator.see_gpu(runtime), runtime)]


def _lsl(there: list[Interface], asks_network: bool) -> list[Finding]:
    settings = lsl_settings.see_settings()
    text = text_of(settings.place) if settings.place else kept_quiet()
    seen = discovery.see_discovery(there, text, asks_network)
    limited = lsl_settings.judge_settings(settings).level == "note"
    return [
        lsl_settings.judge_settings(settings),
        discovery.judge_finding(seen, there),
        *discovery.judge_multicast(seen, there, limited),
    ]


def _limits() -> list[Finding]:
    seen = storage.see_limits()
    return [storage.judge_shared_memory(seen), storage.judge_open_files(seen)]
