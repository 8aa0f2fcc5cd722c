"""What the measurements ran on."""

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI (fast int8)",
    "avx_vnni": "VNNI (fast int8)",
    "avx512_bf16": "bf16",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bf16",
    "asimd": "NEON",
    "asimddp": "dot product (fast int8)",
    "i8mm": "int8 matrix multiply",
    "asimdhp": "fp16",
    "bf16": "bf16",
}


def describe_machine() -> dict[str, Any]:
    """Return processor, its features that matter to engines, free cores and the threads that timing uses.

    Example:
        >>> sorted(describe_machine())
        ['cores', 'cpu', 'features', 'system', 'threads']
    """
    facts = _cpu_facts()
    flags = facts.get("flags", facts.get("Features", "")).split()
    names = (facts.get(key) for key in ("model name", "Model", "Hardware"))
    return {
        "cpu": next((one for one in names if one), platform.processor() or platform.machine()),
        "features": list(dict.fromkeys(label for flag, label in _FEATURES.items() if flag in flags)),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": 1,
        "system": f"{platform.system()} {platform.machine()}",
    }


def fingerprint(engine: str, version: str) -> str:
    """Return a hash of what a tuned choice depends on: this machine, the engine and its version; 16 digits.

    Example:
        >>> fingerprint("ncnn", "1.0") == fingerprint("ncnn", "1.0") != fingerprint("ncnn", "1.1")
        True
    """
    machine = {name: value for name, value in describe_machine().items() if name != "threads"}
    return hashlib.sha256(json.dumps([machine, engine, version], sort_keys=True).encode()).hexdigest()[:16]


def _cpu_facts() -> dict[str, str]:
    """Read what Linux says of the first processor; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    facts: dict[str, str] = {}
    for name, _, value in pairs:
        facts.setdefault(name.strip(), value.strip())
    return facts
