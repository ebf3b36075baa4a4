"""Cores, power and hosts."""

from dataclasses import replace

import pytest

from myodrive.tools.doctor import processors as p

FINE = p.CoresSeen()


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (replace(FINE, pools={"OMP_NUM_THREADS": "64"}), "OMP_NUM_THREADS to 4"),
        (replace(FINE, quota=2.0, pools={"MKL_NUM_THREADS": "4"}), "MKL_NUM_THREADS to 2"),
        (replace(FINE, all=32, mine=32, quota=2.0), "OPENBLAS_NUM_THREADS"),
        (replace(FINE, mine=1), "two cores"),
        (replace(FINE, quota=1.0, pools={"OMP_NUM_THREADS": "1"}), "two cores"),
        (replace(FINE, load=9.0), "close other programs"),
    ],
)
def test_threads_that_wait_for_each_other_are_a_note(seen, word):
    found = p.judge_cores(seen)
    assert found.level == "note"
    assert word in found.remedy


@pytest.mark.parametrize("seen", [FINE, replace(FINE, pools={"OMP_NUM_THREADS": "2"}), replace(FINE, quota=4.0)])
def test_enough_cores_are_in_order(seen):
    assert p.judge_cores(seen).level == "ok"


def test_what_the_environment_says_of_threads_is_seen(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    assert p.judge_cores(p.see_cores()).level == "note"


@pytest.mark.parametrize(
    ("text", "cores"), [("200000 100000", 2.0), ("max 100000", 0.0), ("", 0.0), ("50000 100000", 0.5)]
)
def test_a_containers_share_is_read(text, cores):
    assert p.quota_in(text) == cores


@pytest.mark.parametrize(
    "seen",
    [
        p.PowerSeen(on_battery=True), p.PowerSeen(low_power=True), p.PowerSeen(plan=p.POWER_SAVER),
        p.PowerSeen("ondemand", "acpi-cpufreq"), p.PowerSeen("powersave", "acpi-cpufreq"), p.PowerSeen(clock=0.5),
    ],
)  # fmt: skip
def test_power_saving_is_a_note_with_a_remedy(seen):
    found = p.judge_power(seen)
    assert found.level == "note"
    assert found.remedy


@pytest.mark.parametrize(
    "seen",
    [
        p.PowerSeen(), p.PowerSeen("performance", "acpi-cpufreq"), p.PowerSeen("powersave", "intel_pstate"),
        p.PowerSeen("schedutil", "acpi-cpufreq"), p.PowerSeen(plan=next(iter(p.HIGH_PERFORMANCE))),
        p.PowerSeen(plan="381b4222-f694-41f0-9685-ff5bb260df2e"),
    ],
)  # fmt: skip
def test_full_speed_is_in_order(seen):
    assert p.judge_power(seen).level == "ok"


def test_linux_tells_under_sys(tmp_path):
    for core, governor in enumerate(("performance", "powersave")):
        folder = tmp_path / f"devices/system/cpu/cpu{core}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(governor + "\n")
        (folder / "scaling_driver").write_text("acpi-cpufreq\n")
        (folder / "scaling_max_freq").write_text("1500000\n")
        (folder / "cpuinfo_max_freq").write_text("3000000\n")
    for name, kind, scope in (("BAT0", "Battery", ""), ("mouse", "Battery", "Device")):
        folder = tmp_path / f"class/power_supply/{name}"
        folder.mkdir(parents=True)
        (folder / "type").write_text(kind)
        (folder / "scope").write_text(scope)
        (folder / "status").write_text("Discharging" if name == "mouse" else "Charging")
    assert p.power_under(tmp_path) == p.PowerSeen("powersave", "acpi-cpufreq", 0.5, False)
    (tmp_path / "class/power_supply/BAT0/status").write_text("Discharging\n")
    assert p.power_under(tmp_path).on_battery
    assert p.power_under(tmp_path / "nothing") == p.PowerSeen()


def test_the_number_of_a_power_plan_is_read_in_any_language():
    assert p.plan_in(f"GUID des Energieschemas: {p.POWER_SAVER.upper()}  (Energiesparmodus)") == p.POWER_SAVER
    assert p.plan_in("") == ""


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (p.HostSeen(wsl=True), "mirrored"), (p.HostSeen(container="Docker"), "--network host"),
        (p.HostSeen(virtual="QEMU"), "bridged"),
    ],
)  # fmt: skip
def test_a_host_in_between_is_a_note(seen, word):
    found = p.judge_host(seen)
    assert found.level == "note"
    assert word in found.remedy


def test_no_host_is_in_order_and_this_one_is_seen():
    assert p.judge_host(p.HostSeen()).level == "ok"
    assert isinstance(p.see_host(), p.HostSeen)
    assert isinstance(p.see_power(), p.PowerSeen)
