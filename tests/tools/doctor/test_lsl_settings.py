"""Settings of liblsl, read and judged."""

import pytest

from myodrive.tools.doctor import lsl_settings as s

FENCED = "[multicast]\nResolveScope = machine ; keep it here\n[lab]\nSessionID = lab2\nKnownPeers = {10.0.0.7}\n"


def test_settings_are_read_whatever_their_case():
    values, failure = s.settings_in("[Multicast]\nresolvescope = Machine\n")
    assert (values, failure) == ({"multicast.resolvescope": "Machine"}, "")


def test_what_is_no_settings_file_says_so():
    values, failure = s.settings_in("ResolveScope = machine\n")
    assert values == {}
    assert failure


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[multicast]\nListenAddress = 192.168.1.5\n", "ListenAddress"), (FENCED, "ResolveScope"),
        ("[lab]\nSessionID = lab2\n", "lab2"), ("no section\n", "cannot be read"),
    ],
)  # fmt: skip
def test_what_hides_streams_is_a_note(text, word):
    seen = s.SettingsSeen("/x/lsl_api.cfg", *s.settings_in(text))
    found = s.judge_settings(seen)
    assert found.level == "note"
    assert word in found.found
    assert found.remedy


def test_an_address_to_listen_on_hurts_on_linux_alone():
    values, _ = s.settings_in("[multicast]\nListenAddress = 192.168.1.5\n")
    assert s.judge_settings(s.SettingsSeen("/x", values, linux=False)).level == "ok"


def test_no_file_and_a_harmless_one_are_in_order():
    assert s.judge_settings(s.SettingsSeen()).level == "ok"
    assert s.judge_settings(s.SettingsSeen("/x", {"ports.baseport": "16572"})).level == "ok"


@pytest.mark.parametrize("text", ["", FENCED, "[MULTICAST]\nresolvescope = site\n[log]\nlevel = 4\n", "nonsense"])
def test_a_search_kept_here_asks_no_other_machine_and_is_silent(text):
    values, failure = s.settings_in(s.kept_here(text))
    assert failure == ""
    assert values["multicast.resolvescope"] == "machine"
    assert values["log.level"] == s.QUIET
    assert "lab.knownpeers" not in values
    assert values.get("lab.sessionid") == ("lab2" if text == FENCED else None)
