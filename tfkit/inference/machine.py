"""What the processor can do."""

from __future__ import annotations

import platform
from pathlib import Path

# In the lists of Linux, for x86 and for ARM.
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"}


def has_bfloat16(cpuinfo: str | None = None) -> bool:
    """Whether it multiplies bfloat16 numbers; true where the system does not say.

    Example:

        >>> has_bfloat16("flags : fpu avx2 avx512f"), has_bfloat16("flags : avx512_bf16")
        (False, True)
    """
    if cpuinfo is None:
        path = Path("/proc/cpuinfo")
        cpuinfo = path.read_text("utf-8") if path.exists() else ""
    words = set(cpuinfo.split())
    return not words or bool(words & _BFLOAT16)


def processor_name() -> str:
    """What it calls itself."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
