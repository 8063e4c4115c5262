"""Settings of command-line programs."""

import os
import subprocess
import sys

import pytest

from jaxnoise import process
from tests.processes import FLAG, environment

pytestmark = pytest.mark.fast


def test_the_cache_folder_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for platform, usual in (("linux", ".cache"), ("darwin", "Library/Caches")):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert process.cache_folder() == tmp_path / "jaxnoise"
        for ignored in ("", "relative/folder"):
            monkeypatch.setenv("XDG_CACHE_HOME", ignored)
            assert process.cache_folder() == tmp_path / "home" / usual / "jaxnoise"


def test_memory_is_kept_where_glibc_is_and_nothing_happens_elsewhere(monkeypatch):
    process.keep_freed_memory()
    monkeypatch.setattr(process.platform, "libc_ver", lambda: ("musl", "1.2"))
    monkeypatch.setattr(process.ctypes, "CDLL", pytest.fail)
    process.keep_freed_memory()


GROUPS = {  # what the files of control groups say, and the cores of 8 that a process may use
    "no groups": ({}, 8),
    "no limit": ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}, 8),
    "a container": ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "350000 100000"}, 3),
    "less than a core": ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "50000 100000"}, 1),
    "more than there is": ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "9900 1000"}, 8),
    "a group above": (
        {
            "proc/self/cgroup": "0::/jobs/7/task",
            "sys/fs/cgroup/jobs/cpu.max": "200000 100000",
            "sys/fs/cgroup/jobs/7/cpu.max": "400000 100000",
            "sys/fs/cgroup/jobs/7/task/cpu.max": "max 100000",
        },
        2,
    ),
    "a path from outside": (
        {"proc/self/cgroup": "0::/docker/1f", "sys/fs/cgroup/cpu.max": "500000 100000"},
        5,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "7:memory:/a\n4:cpu,cpuacct:/a\n0::/",
            "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "250000",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
        2,
    ),
    "version 1 in a container": (
        {
            "proc/self/cgroup": "4:cpuacct,cpu:/docker/1f",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "600000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
        6,
    ),
    "nonsense": ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "much"}, 8),
}


@pytest.mark.parametrize("name", GROUPS)
def test_cores_are_those_of_affinity_and_control_groups(name, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    files, cores = GROUPS[name]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "\n")
    assert process.usable_cores(tmp_path) == cores


def test_where_there_is_no_affinity_the_cores_of_the_machine_count(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for found, cores in ((12, 12), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda found=found: found)
        assert process.usable_cores(tmp_path) == cores


CHOICES = [  # environment, option, usual number; devices that there are
    ({}, None, 3, 3),
    ({}, 2, 3, 2),
    ({"XLA_FLAGS": f"{FLAG}=4"}, None, 3, 4),
    ({"XLA_FLAGS": f"{FLAG}=4"}, 2, 3, 2),
    ({"JAX_NUM_CPU_DEVICES": "5"}, None, 3, 5),
    ({}, None, None, process.usable_cores()),
]
COUNTED = """
import sys
from jaxnoise.process import make_cpu_devices
number, usual = (int(word) or None for word in sys.argv[1:])
make_cpu_devices(number, usual=usual)
import jax
print(jax.device_count())
make_cpu_devices(None, usual=jax.device_count() + 1)  # what comes too late is left alone
make_cpu_devices(jax.device_count())
"""


@pytest.mark.parametrize(("chosen", "number", "usual", "devices"), CHOICES)
def test_an_option_wins_over_the_environment_and_that_over_what_is_usual(
    chosen, number, usual, devices
):
    run = subprocess.run(
        [sys.executable, "-c", COUNTED, str(number or 0), str(usual or 0)],
        env={**environment(devices="usual"), **chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == f"{devices}\n"
