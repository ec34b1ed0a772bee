"""What machine and container say of memory."""

from __future__ import annotations

import pytest

from tfkit.utils.processes import available_memory

TOTAL = {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   4000 kB\n"}
V2, V1 = "sys/fs/cgroup/", "sys/fs/cgroup/memory/"
UNLIMITED = "9223372036854771712"


def files(group: str, folder: str, most: str, used: str, limits: dict) -> dict:
    """Of a process in this group; `limits` are most and used of groups by their paths."""
    found = {"proc/self/cgroup": group, **TOTAL}
    for path, values in limits.items():
        found |= {f"{folder}{path}/{name}": value for name, value in zip((most, used), values)}
    return found


def version2(limits: dict) -> dict:
    return files("0::/a/b\n", V2, "memory.max", "memory.current", limits)


def version1(limits: dict) -> dict:
    names = "memory.limit_in_bytes", "memory.usage_in_bytes"
    return files("5:cpu:/\n4:memory:/a/b\n", V1, *names, limits)


@pytest.mark.parametrize(
    "system, free",
    [
        ({}, 0),
        (TOTAL, 4_096_000),
        ({"proc/meminfo": "nothing of it"}, 0),
        (version2({"a/b": ("max\n", "5")}), 4_096_000),
        (version2({"a/b": ("3000\n", "1000\n")}), 2_000),
        (version2({"a/b": ("max", "1000"), "a": ("1500", "1000")}), 500),
        (version2({"": ("2000", "2500")}), 0),  # inside of a container, past a lowered limit
        (version1({"a/b": (UNLIMITED, "7"), "": (UNLIMITED, "7")}), 4_096_000),
        (version1({"a/b": ("3000", "1000")}), 2_000),
    ],
)
def test_the_least_of_machine_and_groups_is_free(tmp_path, system, free):
    for name, content in system.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert available_memory(tmp_path) == free


def test_this_machine_says_something():
    assert available_memory() > 0
