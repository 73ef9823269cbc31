"""One ONNX Runtime session that several threads share."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.bundle import Bundle, BundleError
from models.metrics import Floats, Ints, softmax
from models.tokens import Encoding, TextEncoder

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass
class Outputs:
    """Per text, in the order given.

    `probabilities` [n, labels], `intensity` [n] (positive less negative probability, -1 to 1),
    `embedding` [n, dimensions] at unit length; all float32. Rows in `errors` are zeros.
    """

    probabilities: Floats
    intensity: Floats
    embedding: Floats
    errors: dict[int, Exception] = field(default_factory=dict)
    cached: int = 0
    """How many were known already."""
    tokens: int = 0
    """How many tokens were read, padding left out."""
    padding: int = 0


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def saturates() -> bool:
    """Whether the fast product of uint8 and int8 overflows here: x86 without VNNI.

    ONNX Runtime then has exact kernels on request; where VNNI is there, the request would
    only halve the speed. Unknown counts as overflowing.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    info = Path("/proc/cpuinfo")
    return not info.exists() or "vnni" not in info.read_text(encoding="utf-8", errors="replace")


def open_session(
    bundle: Bundle, providers: Sequence[str], threads: int = 1
) -> ort.InferenceSession:
    """Session of so many threads a call, which sleep while they wait; raises BundleError."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if saturates():
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return ort.InferenceSession(str(bundle.graph), options, providers=list(providers))
    except Exception as error:
        raise BundleError(f"{bundle.graph}: does not load: {error}") from error


class Model:
    """A bundle ready to infer; all methods may be called from several threads at once."""

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
        call_threads: int = 1,
    ) -> None:
        """`threads`: calls worth making at once; by default the cores, or one on a GPU.

        `call_threads`: threads of one call. One thread each for as many calls as cores is the
        fastest way to use a CPU (`bench/speed.py`).

        Int8 bundles run on the CPU: ONNX Runtime has no CUDA kernel for their products. Others
        take CUDA where the session really gets it; `provider` says which.
        """
        if providers is None:
            gpu = bundle.config.precision != "int8" and CUDA in ort.get_available_providers()
            providers = [CUDA, CPU] if gpu else [CPU]
        self.bundle = bundle
        self.version = bundle.version
        self.labels = tuple(bundle.config.labels)
        self.dimensions = bundle.config.dimensions
        self._session = open_session(bundle, providers, call_threads)
        self.provider: str = self._session.get_providers()[0]
        self.threads = threads or (usable_cores() if self.provider == CPU else 1)
        self._encoder = TextEncoder(bundle.tokenizer, bundle.config.max_tokens)
        self._negative = self.labels.index("negative")
        self._positive = self.labels.index("positive")

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Token ids of each text, cut to the bundle's length."""
        return self._encoder.encode(texts)

    def infer(self, encodings: Sequence[Encoding]) -> Outputs:
        """Run one sub-batch, padded to its longest text."""
        width = max(map(len, encodings))
        ids = np.full((len(encodings), width), self.bundle.config.pad_id, np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding
            mask[row, : len(encoding)] = 1
        logits, pooled = self.run(ids, mask)
        probabilities = softmax(logits, self.bundle.config.temperature)
        intensity = probabilities[:, self._positive] - probabilities[:, self._negative]
        return Outputs(probabilities, intensity, pooled)

    def run(self, ids: Ints, mask: Ints) -> tuple[Floats, Floats]:
        """`logits` and `pooled` of padded ids and mask [batch, tokens].

        Inputs and outputs are bound, so that on a GPU each is copied once and at its place.
        """
        binding = self._session.io_binding()
        binding.bind_cpu_input("input_ids", ids)
        binding.bind_cpu_input("attention_mask", mask)
        for name in ("logits", "pooled"):
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        logits, pooled = binding.copy_outputs_to_cpu()
        return logits, pooled
