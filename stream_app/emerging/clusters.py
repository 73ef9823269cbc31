"""Topics that nobody described: clusters of texts that fit no topic of the profile.

Two stages, as stream clusterings have them (CluStream, Aggarwal et al., VLDB 2003). Online, a
text joins the nearest small cluster or founds one; where there is no room left, the two that are
most alike become one. On reading, small clusters are joined by average linkage: the inner product
of two means of unit vectors is the average cosine between their texts, so nothing but sums is
kept. A topic is broad (texts of one have cosines of about 0.2 here), which one radius does not
catch. `bench/discovery.py` finds and names a planted category in 9 of 20 runs; mini-batch k-means,
which must be told the number of topics and names none, finds it in 13.

Weights halve with event time by forward decay (Cormode et al., ICDE 2009): a text's weight
depends on its own time alone, so a late one counts the same as it would have in time.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np

from stream_app.emerging.keywords import Background
from stream_app.emerging.linkage import closest, cosines, link
from stream_app.emerging.words import words
from stream_app.inference.measures import Floats

VERSION = 1
EXAMPLES, EXAMPLE_LENGTH = 3, 200
FAINT = 1 / 16
"""A cluster of less weight is forgotten."""
SPAN = 32
"""Half-lives of weights that are kept apart; a text older than that is passed over."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Bounds, and what counts as emerging. Its cosines fit the shipped model's embeddings."""

    clusters: int = 128
    terms: int = 32
    """Of a cluster; those kept longest are frequent in it and rare elsewhere."""
    background: int = 4096
    """Words whose frequency in all texts is kept."""
    half_life: float = 3 * 86_400.0
    join: float = 0.5
    """Least cosine of a text to the cluster that it joins."""
    link: float = 0.17
    """Least average cosine between the texts of two clusters that are one topic."""
    reviews: int = 15
    """Least texts of a topic; half as many must be left of its weight."""
    coherence: float = 0.45
    """Least mean cosine of a topic's texts to its centre."""
    share: float = 0.2
    """Least share of a topic's texts that a word of its name is in."""
    sureness: float = 5.0
    """Least log-odds of such a word against all texts, in standard errors."""
    near: float = 0.6
    """Cosine to a description from which on a topic is a known one."""


class Emerging(NamedTuple):
    """A topic that texts agree on."""

    size: int
    """Texts ever added."""
    weight: float
    """The same, each halved with every half-life up to the newest event."""
    coherence: float
    words: list[str]
    """Most telling first."""
    examples: list[str]
    first: float
    last: float
    """Event times."""
    centre: Floats
    """[dimensions], unit length: by it a topic is known again at the next reading."""


@dataclass(slots=True)
class _Cluster:
    size: int
    weight: float
    """Sum of its texts' 2^((time - landmark) / half-life)."""
    terms: dict[str, float]
    examples: list[str]
    first: float
    last: float

    def absorb(self, other: "_Cluster") -> None:
        self.size += other.size
        self.weight += other.weight
        for word, count in other.terms.items():
            self.terms[word] = self.terms.get(word, 0.0) + count
        self.examples = (self.examples + other.examples)[:EXAMPLES]
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)


@dataclass(slots=True)
class _State:
    landmark: float = 0.0
    clock: float = -math.inf
    """The newest event time."""
    background: Background = field(default_factory=Background)
    clusters: list[_Cluster] = field(default_factory=list)


class Discovery:
    """Clusters of texts in bounded memory; the same texts in the same order give the same.

    `encode` is at most clusters * (4 * dimensions + 3 examples of 200 characters + terms words)
    + background words, a word being at most 32 characters and 9 bytes: 0.4 MB of Chinese reviews
    by default. A text that is added twice counts twice: repeats are the caller's to drop.
    """

    def __init__(self, dimensions: int, rule: Rule | None = None) -> None:
        self.rule = rule or Rule()
        self._state = _State()
        self._sums = np.zeros((0, dimensions), np.float32)

    def __len__(self) -> int:
        return len(self._state.clusters)

    def add(self, text: str, embedding: Floats, time: float, *, known: bool = False) -> None:
        """Add a masked text, its embedding [dimensions] and event time.

        `known`: it has a topic already and only tells which words are common.
        """
        state = self._state
        vector = np.asarray(embedding, np.float32)
        if vector.shape != self._sums.shape[1:]:
            raise ValueError(f"embedding of shape {vector.shape}, not {self._sums.shape[1:]}")
        if time <= state.clock - SPAN * self.rule.half_life:
            return
        weight = self._advance(time)
        terms = dict.fromkeys(words(text), weight)
        state.background.add(terms, weight, self.rule.background)
        norm = float(np.linalg.norm(vector))
        if known or not norm:
            return
        single = _Cluster(1, weight, terms, [text[:EXAMPLE_LENGTH]], time, time)
        self._place(single, vector * np.float32(weight / norm))

    def emerging(self, known: Floats | None = None) -> list[Emerging]:
        """Topics of enough recent texts that are alike and share a word, heaviest first.

        `known` [n, dimensions]: embeddings of the profile's descriptions, at unit length.
        """
        state, rule = self._state, self.rule
        found = []
        weights = [cluster.weight for cluster in state.clusters]
        for rows in link(self._means(), weights, rule.link):
            topic = _Cluster(0, 0.0, {}, [], math.inf, -math.inf)
            total = self._sums[rows].sum(axis=0)
            length = float(np.linalg.norm(total))
            # The examples come from the parts nearest to the centre.
            parts = self._sums[rows] @ total / np.linalg.norm(self._sums[rows], axis=1)
            for i in np.argsort(-parts, kind="stable"):
                topic.absorb(state.clusters[rows[i]])
            unit = self._unit(state.clock)
            weight = topic.weight / unit
            coherence = length / topic.weight
            name = state.background.telling(
                topic.terms, topic.weight, unit, share=rule.share, sure=rule.sureness
            )
            if (
                name
                and topic.size >= rule.reviews
                and weight >= rule.reviews / 2
                and coherence >= rule.coherence
                and (known is None or not (known @ (total / length) >= rule.near).any())
            ):
                found.append(
                    Emerging(
                        topic.size,
                        weight,
                        coherence,
                        name,
                        topic.examples,
                        topic.first,
                        topic.last,
                        total / length,
                    )
                )
        return sorted(found, key=lambda one: (-one.weight, one.words))

    def encode(self) -> bytes:
        """The state as MessagePack, without the rule."""
        sums = self._sums.astype("<f4").tobytes()
        return msgspec.msgpack.encode((VERSION, self._sums.shape[1], self._state, sums))

    @classmethod
    def decode(cls, data: bytes, rule: Rule | None = None) -> "Discovery":
        """The same from its bytes; raises ValueError on another version."""
        version, dimensions, state, sums = msgspec.msgpack.decode(data)
        if version != VERSION:
            raise ValueError(f"discovery of version {version}, this is {VERSION}")
        self = cls(dimensions, rule)
        self._state = msgspec.convert(state, _State)
        self._sums = np.frombuffer(sums, "<f4").reshape(-1, dimensions).astype(np.float32)
        return self

    def _unit(self, time: float) -> float:
        return float(2.0 ** ((time - self._state.landmark) / self.rule.half_life))

    def _advance(self, time: float) -> float:
        """Move the clock on if `time` is newer; the weight of a text of that time."""
        state = self._state
        if state.clock == -math.inf:
            state.landmark = time
        state.clock = max(state.clock, time)
        shift = int((state.clock - state.landmark) / self.rule.half_life)
        if shift > SPAN:
            # By a power of two, which changes no digit.
            factor = 2.0**-shift
            state.landmark += shift * self.rule.half_life
            state.background.scale(factor)
            self._sums *= np.float32(factor)
            for cluster in state.clusters:
                cluster.weight *= factor
                cluster.terms = {w: n * factor for w, n in cluster.terms.items()}
            self._forget()
        return self._unit(time)

    def _forget(self) -> None:
        clusters = self._state.clusters
        least = FAINT * self._unit(self._state.clock)
        rows = [i for i, cluster in enumerate(clusters) if cluster.weight >= least]
        if len(rows) < len(clusters):
            self._state.clusters = [clusters[i] for i in rows]
            self._sums = self._sums[rows]

    def _place(self, single: _Cluster, vector: Floats) -> None:
        """Join a cluster of one text to the nearest, or keep it as a new one."""
        if len(self):
            near = self._sums @ vector
            near /= np.linalg.norm(self._sums, axis=1) * np.linalg.norm(vector)
            row = int(near.argmax())
            if near[row] >= self.rule.join:
                self._join(row, single, vector)
                return
        if len(self) >= self.rule.clusters:
            self._forget()
        if len(self) >= self.rule.clusters:
            self._make_room()
        self._state.clusters.append(single)
        self._sums = np.concatenate([self._sums, vector[None, :]])

    def _join(self, row: int, other: _Cluster, vector: Floats) -> None:
        cluster = self._state.clusters[row]
        self._sums[row] += vector
        cluster.absorb(other)
        if len(cluster.terms) > self.rule.terms:
            cluster.terms = self._state.background.choice(cluster.terms, self.rule.terms)

    def _make_room(self) -> None:
        """Join the two clusters most alike, or drop the lightest if no two are."""
        clusters = self._state.clusters
        first, second, cosine = closest(cosines(self._means()))
        if cosine < self.rule.link:
            gone = min(range(len(clusters)), key=lambda i: (clusters[i].weight, i))
        else:
            gone = second
            self._join(first, clusters[second], self._sums[second])
        del clusters[gone]
        self._sums = np.delete(self._sums, gone, axis=0)

    def _means(self) -> Floats:
        weights = np.array([c.weight for c in self._state.clusters], np.float32)
        means: Floats = self._sums / weights[:, None]
        return means
