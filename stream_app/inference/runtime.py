"""One ONNX Runtime session that several threads share."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort

from stream_app.inference.bundle import Bundle
from stream_app.inference.measures import Floats, Ints, softmax
from stream_app.inference.providers import CPU, First, open_session
from stream_app.inference.tokens import Encoding, TextEncoder


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
    """How many tokens were inferred, padding left out."""
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


def session_options(threads: int) -> ort.SessionOptions:
    """So many threads a call, which sleep while they wait."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if saturates():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


class Model:
    """A bundle ready to infer; all methods may be called from several threads at once."""

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        first: First = "cuda",
        engines: Path | None = None,
        call_threads: int = 1,
    ) -> None:
        """`threads`: calls worth making at once; by default the cores, or one on a GPU.

        `first`: the provider to try first; the next of `providers.ORDER` is tried where it
        cannot be had, and `provider` says which it was. `engines`: where TensorRT keeps its own.

        `call_threads`: threads of one call. One thread each for as many calls as cores is the
        fastest way to use a CPU (`bench/speed.py`).
        """
        self.bundle = bundle
        self.version = bundle.version
        self.labels = tuple(bundle.config.labels)
        self.dimensions = bundle.config.dimensions
        self._place = (threads, first, engines, call_threads)
        self.session = open_session(bundle, session_options(call_threads), first, engines)
        self.provider: str = self.session.get_providers()[0]
        self.threads = threads or (usable_cores() if self.provider == CPU else 1)
        self._device = "cpu" if self.provider == CPU else "cuda"
        self._encoder = TextEncoder(bundle.tokenizer, bundle.config.max_tokens)
        self._negative = self.labels.index("negative")
        self._positive = self.labels.index("positive")

    def with_bundle(self, bundle: Bundle) -> "Model":
        """Another bundle, opened as this one was."""
        return Model(bundle, *self._place)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Token ids of each text, cut to the bundle's length."""
        return self._encoder.encode(texts)

    def infer(self, encodings: Sequence[Encoding]) -> Outputs:
        """Run one sub-batch, padded to its longest text."""
        ids, mask = self.pad(encodings)
        logits, pooled = self.run(ids, mask)
        probabilities = softmax(logits, self.bundle.config.temperature)
        intensity = probabilities[:, self._positive] - probabilities[:, self._negative]
        return Outputs(probabilities, intensity, pooled)

    def pad(self, encodings: Sequence[Encoding]) -> tuple[Ints, Ints]:
        """Ids and mask [batch, tokens], as wide as the longest."""
        width = max(map(len, encodings))
        ids = np.full((len(encodings), width), self.bundle.config.pad_id, np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding
            mask[row, : len(encoding)] = 1
        return ids, mask

    def run(self, ids: Ints, mask: Ints) -> tuple[Floats, Floats]:
        """`logits` and `pooled` of padded ids and mask [batch, tokens].

        Inputs and outputs are bound where the graph runs: each is copied once, there or back.
        """
        binding = self.session.io_binding()
        for name, array in (("input_ids", ids), ("attention_mask", mask)):
            value = ort.OrtValue.ortvalue_from_numpy(array, self._device, 0)
            binding.bind_ortvalue_input(name, value)
        for name in ("logits", "pooled"):
            binding.bind_output(name, self._device, 0)
        self.session.run_with_iobinding(binding)
        logits, pooled = binding.copy_outputs_to_cpu()
        return logits, pooled
