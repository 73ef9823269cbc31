"""Titles of items, in alphabetical order at any time."""

from bisect import bisect_left, insort
from collections import OrderedDict
from itertools import islice

TITLES = 20_000
"""Titles kept: those that lists named last."""


class Titles:
    """Titles by item, sorted as they come: sorting them all anew would hold up every page."""

    def __init__(self) -> None:
        self._titles: OrderedDict[str, str] = OrderedDict()
        self._sorted: list[tuple[str, str]] = []
        """Title and item, in order."""

    def __len__(self) -> int:
        return len(self._titles)

    def get(self, item_id: str) -> str | None:
        """An item's title, if a list has named it."""
        return self._titles.get(item_id)

    def put(self, item_id: str, title: str) -> None:
        """The newest title of an item."""
        old = self._titles.get(item_id)
        self._titles[item_id] = title
        self._titles.move_to_end(item_id)
        if old != title:
            if old is not None:
                self._remove(item_id, old)
            insort(self._sorted, (title, item_id))
        if len(self._titles) > TITLES:
            self._remove(*self._titles.popitem(last=False))

    def first(self, most: int) -> dict[str, str]:
        """Title by item, of the alphabet's first."""
        return {item_id: title for title, item_id in islice(self._sorted, most)}

    def _remove(self, item_id: str, title: str) -> None:
        del self._sorted[bisect_left(self._sorted, (title, item_id))]
