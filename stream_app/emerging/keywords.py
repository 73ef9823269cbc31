"""The words that distinguish a cluster of texts from all texts, by their log-odds.

Monroe et al., "Fightin' Words", Political Analysis 2008, with all texts as the prior. Counts may
be weights that grow with time: `unit` is what one text of the present weighs.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WORDS = 5


@dataclass(slots=True)
class Background:
    """How common words are; only so many of the heaviest are kept."""

    total: float = 0.0
    """Weight of all texts."""
    words: dict[str, float] = field(default_factory=dict)
    """Weight of the texts with each word."""

    def add(self, words: Iterable[str], weight: float, most: int) -> None:
        """Count a text's distinct words; over `most` the lightest quarter is forgotten."""
        self.total += weight
        for word in words:
            self.words[word] = self.words.get(word, 0.0) + weight
        if len(self.words) > most:
            self.words = heaviest(self.words, most * 3 // 4)

    def scale(self, factor: float) -> None:
        """Multiply all weights."""
        self.total *= factor
        self.words = {word: weight * factor for word, weight in self.words.items()}

    def choice(self, terms: Mapping[str, float], most: int) -> dict[str, float]:
        """Those of `terms` that are frequent there and rare elsewhere, with their weights."""
        rare = {
            word: n * math.log(1 + self.total / self.words.get(word, n))
            for word, n in terms.items()
        }
        return {word: terms[word] for word in heaviest(rare, most)}

    def telling(
        self, terms: Mapping[str, float], weight: float, unit: float, *, share: float, sure: float
    ) -> list[str]:
        """The words of the highest log-odds in a cluster of `weight`, most telling first.

        Only words that at least `share` of its texts have, with log-odds of `sure` standard errors
        or more. None where its texts share no word: they are only vaguely alike.
        """
        inside, outside = weight / unit, self.total / unit
        scores = {}
        for word, count in terms.items():
            if count < share * weight:
                continue
            n = count / unit
            prior = max(self.words.get(word, 0.0) / unit, n)
            expected = prior * inside / outside
            odds = math.log((n + expected) / (2 * inside - n - expected + 1))
            usual = math.log(prior / (outside - prior + 1))
            score = (odds - usual) / math.sqrt(1 / (n + expected) + 1 / prior)
            if score >= sure:
                scores[word] = score
        return list(heaviest(scores, WORDS))


def heaviest(counts: Mapping[str, float], most: int) -> dict[str, float]:
    """The `most` entries of the highest values, highest first."""
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:most])
