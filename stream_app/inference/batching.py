"""Texts to outputs: identical texts once, similar lengths together, failures alone."""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock

import numpy as np

from stream_app.inference.measures import Floats
from stream_app.inference.providers import CPU, MAX_ROWS
from stream_app.inference.runtime import Model, Outputs
from stream_app.inference.tokens import Encoding

CALL = 12
"""What a call on a CPU costs besides its tokens, in tokens (`bench/calls.py`)."""


def plan(
    lengths: Sequence[int], *, max_rows: int = 32, token_budget: int = 256, call: int = CALL
) -> list[list[int]]:
    """Rows sorted by length and cut into the sub-batches that together cost least.

    A sub-batch costs its rows times its longest, padding included, and `call`, all in tokens. It
    has at most `max_rows`, and `token_budget` of rows times longest (one row always fits); the
    budget's default keeps a layer's activations within a core's cache. The cut is exact: the
    cheapest for the first n rows ends with some sub-batch after the cheapest for those before it
    (dynamic programming).
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    costs = np.zeros(len(order) + 1)
    begins = [0]
    sizes = np.arange(max_rows, 0, -1)
    for end, row in enumerate(order, 1):
        longest = max(lengths[row], 1)
        most = max(1, min(end, max_rows, token_budget // longest))
        cut = costs[end - most : end] + longest * sizes[-most:]
        cheapest = int(cut.argmin())
        costs[end] = cut[cheapest] + call
        begins.append(end - most + cheapest)
    batches: list[list[int]] = []
    end = len(order)
    while end:
        batches.append(order[begins[end] : end])
        end = begins[end]
    return batches[::-1]


def limits(provider: str) -> dict[str, int]:
    """Of `plan` where a provider runs: a GPU wants large sub-batches, a core small ones. Those of a
    GPU are a guess: none has been measured."""
    if provider == CPU:
        return {}
    return {"max_rows": MAX_ROWS, "token_budget": 64 * MAX_ROWS, "call": 8 * MAX_ROWS}


@dataclass(frozen=True, slots=True)
class Result:
    """Outputs of one text."""

    probabilities: Floats
    intensity: float
    embedding: Floats


class Cache:
    """The most recently used results by text, at most `size`; thread-safe.

    It keeps a hash of the text, not the text: thousands of long ones would take 40 KB each.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._results: OrderedDict[bytes, Result] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._results)

    def get(self, text: str) -> Result | None:
        key = _digest(text)
        with self._lock:
            result = self._results.get(key)
            if result is not None:
                self._results.move_to_end(key)
            return result

    def put(self, text: str, result: Result) -> None:
        key = _digest(text)
        with self._lock:
            self._results[key] = result
            self._results.move_to_end(key)
            while len(self._results) > self.size:
                self._results.popitem(last=False)


def _digest(text: str) -> bytes:
    # Nobody can make two texts of one hash, else one could answer for the other. A lone surrogate
    # is no UTF-8, but it is a text that the model fails on alone.
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Inference:
    """A model behind its batching, cache and threads; `infer` may be called at once by several.

    A text's outputs do not depend on what it is batched with (see `training.networks.graph`), so
    neither batching nor the cache can show in them.
    """

    def __init__(self, model: Model, *, workers: int | None = None, cache_size: int = 4096) -> None:
        """`workers`: sub-batches in flight at once, by default the model's threads."""
        self.model = model
        self.version = model.version
        self.labels = model.labels
        self.dimensions = model.dimensions
        self.cache = Cache(cache_size)
        self._limits = limits(model.provider)
        self._pool = ThreadPoolExecutor(workers or model.threads, thread_name_prefix="inference")

    def close(self) -> None:
        """End the threads; sub-batches under way finish."""
        self._pool.shutdown()

    def infer(self, texts: Sequence[str]) -> Outputs:
        """Outputs of all texts; a text on which the model fails is in `errors` alone."""
        results: dict[str, Result | Exception] = {}
        missing: list[str] = []
        for text in dict.fromkeys(texts):
            known = self.cache.get(text)
            if known is None:
                missing.append(text)
            else:
                results[text] = known
        cached = len(texts) - len(missing)
        encodings = self._encode(missing, results)
        ready = list(encodings)
        lengths = [len(encodings[text]) for text in ready]
        rows = plan(lengths, **self._limits)
        batches = [[ready[i] for i in batch] for batch in rows]
        # Longest first: the last sub-batch to finish is a short one.
        futures = [self._pool.submit(self._run, b, encodings) for b in reversed(batches)]
        for future in futures:
            for text, result in future.result().items():
                results[text] = result
                if isinstance(result, Result):
                    self.cache.put(text, result)
        outputs = self._collect(texts, results)
        outputs.cached = cached
        outputs.tokens = sum(lengths)
        # The last of a sub-batch is its longest.
        outputs.padding = sum(len(b) * lengths[b[-1]] for b in rows) - outputs.tokens
        return outputs

    def _encode(
        self, texts: list[str], results: dict[str, Result | Exception]
    ) -> dict[str, Encoding]:
        """Encodings by text; failures go into `results`."""
        try:
            return dict(zip(texts, self.model.encode(texts), strict=True))
        except Exception as error:
            if len(texts) == 1:
                results[texts[0]] = error
                return {}
            half = len(texts) // 2
            return self._encode(texts[:half], results) | self._encode(texts[half:], results)

    def _run(
        self, texts: list[str], encodings: dict[str, Encoding]
    ) -> dict[str, Result | Exception]:
        """One sub-batch; halved on failure until the failing texts stand alone."""
        try:
            out = self.model.infer([encodings[text] for text in texts])
        except Exception as error:
            if len(texts) == 1:
                return {texts[0]: error}
            half = len(texts) // 2
            return self._run(texts[:half], encodings) | self._run(texts[half:], encodings)
        return {
            text: Result(
                out.probabilities[i].copy(), float(out.intensity[i]), out.embedding[i].copy()
            )
            for i, text in enumerate(texts)
        }

    def _collect(self, texts: Sequence[str], results: dict[str, Result | Exception]) -> Outputs:
        outputs = Outputs(
            np.zeros((len(texts), len(self.labels)), np.float32),
            np.zeros(len(texts), np.float32),
            np.zeros((len(texts), self.dimensions), np.float32),
        )
        for row, text in enumerate(texts):
            result = results[text]
            if isinstance(result, Exception):
                outputs.errors[row] = result
                continue
            outputs.probabilities[row] = result.probabilities
            outputs.intensity[row] = result.intensity
            outputs.embedding[row] = result.embedding
        return outputs
