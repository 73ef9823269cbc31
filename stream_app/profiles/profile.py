"""The fields of a profile's TOML file, checked when it is read."""

import math
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_args

import msgspec
from msgspec import Meta, Struct, field

from stream_app.schemas.records import Kind, Share
from stream_app.text.mask import Masker, MaskRule

EVENTS = frozenset({*get_args(Kind), "review"})
"""Kinds of events that have a weight."""
AGAINST = "hide"
"""The kind that speaks against its item."""

Name = Annotated[str, Meta(min_length=1, max_length=64)]
LONGEST = 1e9
"""Of any time given, in its unit: finite, and more than anybody means."""
Positive = Annotated[float, Meta(gt=0, le=LONGEST)]
Limit = Annotated[int, Meta(ge=1)]


class ProfileError(ValueError):
    """The profile cannot be used; the message names the file and the field."""


class Topic(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that texts are about."""

    id: Annotated[str, Meta(pattern=r"^[a-z][a-z_]*$", max_length=32)]
    name: Name
    """In English."""
    zh: Name
    descriptions: Annotated[list[Name], Meta(min_length=2)]
    """Phrases as people write them, praise and complaint alike: a text near to one is about it."""


class Example(Struct, frozen=True, forbid_unknown_fields=True):
    """A text and the topics that it is about; none: nothing that the profile names."""

    text: Annotated[str, Meta(min_length=1, max_length=2000)]
    topics: list[str]


class Severe(Struct, frozen=True, forbid_unknown_fields=True):
    """When one review alone is an alert: both thresholds passed, or a word of safety in it."""

    probability: Share
    """Least probability of negative."""
    intensity: Annotated[float, Meta(ge=-1, le=0)]
    """Highest intensity."""
    words: list[Name] = field(default_factory=list)


class Surge(Struct, frozen=True, forbid_unknown_fields=True):
    """The windows in which negative reviews of a subject are counted."""

    window_seconds: Annotated[float, Meta(ge=1, le=LONGEST)] = 3600.0
    ring: Annotated[int, Meta(ge=48)] = 96
    """Windows kept; a verdict looks back over half of them."""
    lateness_seconds: Annotated[float, Meta(ge=0, le=LONGEST)] = 3600.0
    """How long after a window's end an event still counts in it."""


def check_weights(weights: Mapping[str, float]) -> None:
    """What each kind of event says about a user's interest in the item; raises ValueError.

    Hiding an item is the only kind that speaks against it: a weight of the other sign would tell
    users that an item is like one that they hid, or unlike one that they bought. A review's weight
    is multiplied by what the review says, so it is not below zero either.
    """
    if unknown := weights.keys() - EVENTS:
        raise ValueError(f"weights: no such event: {', '.join(sorted(unknown))}")
    for kind, weight in weights.items():
        if not math.isfinite(weight):
            raise ValueError(f"weights: {kind} is {weight}, it must be a finite number")
        if weight and (weight < 0) != (kind == AGAINST):
            bound = "or less" if kind == AGAINST else "or more"
            raise ValueError(f"weights: {kind} is {weight:g}, it must be 0 {bound}")


class Behaviours(Struct, frozen=True, forbid_unknown_fields=True):
    """How much each kind of event says about a user's interest."""

    weights: dict[str, float]
    half_life_days: Positive

    def __post_init__(self) -> None:
        check_weights(self.weights)


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be recommended."""

    blocked: list[Name] = field(default_factory=list)
    """Ids of items, categories or sellers."""
    unsafe: list[Name] = field(default_factory=list)
    """Tags of items that this profile's readers must not be shown: for adults, recalled."""
    per_category: Limit | None = None
    per_seller: Limit | None = None
    """Most items of one category or seller in a list."""
    diversity: Share = 0.0
    """How much likeness to items already in the list costs."""
    seen: list[str] = field(default_factory=lambda: ["purchase", "hide", "review"])
    """Kinds of events after which an item is not recommended to the user again."""

    def __post_init__(self) -> None:
        if unknown := set(self.seen) - EVENTS:
            raise ValueError(f"seen: no such event: {', '.join(sorted(unknown))}")


class Mask(Struct, frozen=True, forbid_unknown_fields=True):
    """A number of the domain that is masked like other personal data."""

    kind: str
    pattern: str


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """One domain."""

    name: Name
    topics: Annotated[list[Topic], Meta(min_length=1)]
    severe: Severe
    behaviours: Behaviours
    examples: list[Example] = field(default_factory=list)
    """In the TOML the name of a file of JSON lines beside it."""
    surge: Surge = field(default_factory=Surge)
    policy: Policy = field(default_factory=Policy)
    own_masks: list[Mask] = field(default_factory=list, name="masks")

    def __post_init__(self) -> None:
        ids = Counter(topic.id for topic in self.topics)
        if repeated := [name for name, count in ids.items() if count > 1]:
            raise ValueError(f"topics: id given twice: {', '.join(repeated)}")
        used = {topic for example in self.examples for topic in example.topics}
        if unknown := used - ids.keys():
            raise ValueError(f"examples: no such topic: {', '.join(sorted(unknown))}")
        if self.examples and (missing := ids.keys() - used):
            raise ValueError(f"examples: none of {', '.join(sorted(missing))}")
        Masker(self.masks)

    @property
    def masks(self) -> list[MaskRule]:
        """The profile's rules for the masker."""
        return [MaskRule(mask.kind, mask.pattern) for mask in self.own_masks]


def shipped() -> list[str]:
    """Names of the profiles beside this module."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.toml"))


def load(name_or_path: str) -> Profile:
    """A shipped profile by name, or any by the path of its TOML file; raises ProfileError."""
    if name_or_path in shipped():
        path = Path(__file__).parent / f"{name_or_path}.toml"
    else:
        path = Path(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if isinstance(name := table.get("examples"), str):
            lines = (path.parent / name).read_bytes().splitlines()
            table["examples"] = [msgspec.json.decode(line) for line in lines if line.strip()]
        return msgspec.convert(table, Profile)
    except (FileNotFoundError, IsADirectoryError) as error:
        if path.is_file():
            raise ProfileError(f"{path}: examples: no file {error.filename}") from None
        names = ", ".join(shipped())
        raise ProfileError(f"{name_or_path}: no such profile ({names}) and no file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(f"{path}: not readable as TOML: {error}") from error
    except msgspec.DecodeError as error:
        raise ProfileError(f"{path}: {error}") from error
