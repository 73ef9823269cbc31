"""What is left on a broker beside what an uninterrupted run leaves."""

import math
from typing import Any


def differences(live: Any, oracle: Any, path: str = "") -> list[str]:
    """Where two structures differ, numbers by more than 1e-5 (relative above 1)."""
    if isinstance(live, dict) and isinstance(oracle, dict):
        missing = [f"{path}/{key} only in one" for key in live.keys() ^ oracle.keys()]
        shared = sorted(live.keys() & oracle.keys())
        return missing + [d for k in shared for d in differences(live[k], oracle[k], f"{path}/{k}")]
    if isinstance(live, list | tuple) and isinstance(oracle, list | tuple):
        if len(live) != len(oracle):
            return [f"{path}: {len(live)} against {len(oracle)} entries"]
        pairs = enumerate(zip(live, oracle, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{path}/{i}")]
    if isinstance(live, float) or isinstance(oracle, float):
        close = math.isclose(live, oracle, rel_tol=1e-5, abs_tol=1e-5)
        return [] if close else [f"{path}: {live} against {oracle}"]
    return [] if live == oracle else [f"{path}: {live} against {oracle}"]


def reviews(subject: dict[str, Any]) -> int:
    """How many reviews a subject's record counts."""
    return sum(window["reviews"] for window in subject["windows"].values())


def place(headers: dict[str, bytes]) -> tuple[str, int, int]:
    """Topic, partition and offset of what a dead letter was."""
    get = "__connect.errors.{}".format
    return (
        headers[get("topic")].decode(),
        int(headers[get("partition")]),
        int(headers[get("offset")]),
    )
