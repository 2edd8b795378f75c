"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path


def available_cores() -> int:
    """Cores that the process may use, at least 1: its CPU affinity, cut by the container's CPU quota.

    The quota is read from cgroup v2 (``cpu.max``) or v1 (``cpu.cfs_quota_us``), see
    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota(Path("/sys/fs/cgroup"))
    return max(1, min(affinity, round(quota + 0.49))) if quota else max(1, affinity)


def _cgroup_quota(root: Path) -> float | None:
    """Cores granted by the cgroup mounted at `root`, or None if it sets no quota."""
    try:
        quota, period = (root / "cpu.max").read_text().split()[:2]
    except (OSError, ValueError):
        try:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        granted = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return granted if granted > 0 else None
