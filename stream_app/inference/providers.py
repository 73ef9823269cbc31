"""Execution providers of ONNX Runtime, best first, and why one cannot serve a bundle."""

import ctypes
import importlib
import logging
import sys
from contextlib import redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal

import onnxruntime as ort

from stream_app.inference.bundle import Bundle, BundleError

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
First = Literal["tensorrt", "cuda", "cpu"]
ORDER: dict[First, str] = {"tensorrt": TENSORRT, "cuda": CUDA, "cpu": CPU}
"""By the name that settings use; where one cannot be had the next is taken."""
MAX_ROWS = 256
"""Of a sub-batch on a GPU."""

log = logging.getLogger(__name__)


@cache
def cuda_devices() -> int:
    """How many CUDA devices the driver shows.

    `get_available_providers` names what the package was built with, on a machine without a card
    too, and a session that asks in vain writes errors of its own.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


@cache
def load_libraries() -> None:
    """Find the CUDA and TensorRT libraries that came with pip, once, before the first session."""
    with redirect_stdout(sys.stderr):  # what is missing is said with print
        ort.preload_dlls()
    with suppress(ImportError):
        importlib.import_module("tensorrt")


def why_unavailable(provider: str) -> str | None:
    """Why this machine has no such provider; None where only a session can tell."""
    if provider not in ort.get_available_providers():
        return f"{provider} is not in onnxruntime.get_available_providers()"
    if provider != CPU and not cuda_devices():
        return "no CUDA device"
    return None


def why_incompatible(provider: str, bundle: Bundle) -> str | None:
    """Why a provider cannot run a bundle's graph; None if it can."""
    if provider != CPU and bundle.config.precision == "int8":
        return "there are no CUDA kernels for int8 products"
    if provider == TENSORRT and not bundle.config.standard:
        # It would cut the graph at every operator that it lacks, and build an engine for every
        # piece and every range of lengths while reviews wait.
        return "TensorRT needs a graph of `quantise --precision float16 --standard`"
    return None


def options_for(provider: str, bundle: Bundle, engines: Path | None) -> dict[str, Any]:
    """Options of a provider. TensorRT's engine takes minutes to build; `engines` keeps it."""
    if provider != TENSORRT:
        return {}
    limit = bundle.config.max_tokens

    def shapes(rows: int, tokens: int) -> str:
        return ",".join(f"{name}:{rows}x{tokens}" for name in ("input_ids", "attention_mask"))

    options: dict[str, Any] = {
        "trt_fp16_enable": bundle.config.precision == "float16",
        # One engine for all shapes; one outside its range would be built anew.
        "trt_profile_min_shapes": shapes(1, 1),
        "trt_profile_opt_shapes": shapes(MAX_ROWS // 2, min(64, limit)),
        "trt_profile_max_shapes": shapes(MAX_ROWS, limit),
    }
    if engines is not None:
        # A cached engine does not notice that the weights have changed: a folder for each version.
        folder = engines / bundle.version
        folder.mkdir(parents=True, exist_ok=True)
        options |= {
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": True,
            "trt_timing_cache_path": str(folder),
        }
    return options


def open_session(
    bundle: Bundle, settings: ort.SessionOptions, first: First, engines: Path | None
) -> ort.InferenceSession:
    """Session of the best provider from `first` on; raises BundleError.

    What it got stands first in its `get_providers()`.
    """
    names = list(ORDER)
    chain = [ORDER[name] for name in names[names.index(first) :]]
    chain = [p for p in chain if why_unavailable(p) is None and why_incompatible(p, bundle) is None]
    if chain[0] != CPU:
        load_libraries()
    for place, provider in enumerate(chain):
        asked = [(p, options_for(p, bundle, engines)) for p in chain[place:]]
        try:
            # Its own fallback prints, and leaves out what stands between.
            session = ort.InferenceSession(
                str(bundle.graph), settings, providers=asked, enable_fallback=False
            )
        except Exception as error:
            if provider == CPU:
                raise BundleError(f"{bundle.graph}: does not load: {error}") from error
            log.warning("%s does not load %s: %s", provider, bundle.version, error)
            continue
        got = session.get_providers()[0]
        if got != provider:
            log.warning("%s cannot be had here, %s runs on %s", provider, bundle.version, got)
        return session
    raise AssertionError("the last of the chain is the CPU")
