"""Values of all topics.

Unknown fields are ignored and new fields are optional; anything else is a new topic version.
Times are seconds since the epoch, UTC, and always event time.

Enumerations are closed where others write and open where stream-app does. What producers send is
checked on arrival: a behaviour of an unknown kind is refused, with a reason. What stream-app sends
is read by programs of other versions, which may be older: they read such a field as any string,
and show or pass over a value that they do not know. The types of the values that this version
writes (`Sentiment`, `Language`, `AlertKind`) are for its own writers; the published contracts name
them as examples. A new value is then no new topic version.

What is read and written is a tree, never a cycle: `gc=False` keeps the garbage collector from
looking at it.
"""

from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct, field

Id = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=r"\S", description="not blank, at most 128")
]
Time = Annotated[float, Meta(ge=0, description="event time, seconds since the epoch, UTC")]
Share = Annotated[float, Meta(ge=0, le=1)]
Signed = Annotated[float, Meta(ge=-1, le=1)]
Sentiment = Literal["negative", "neutral", "positive"]
Language = Literal["zh", "en", "other"]
AlertKind = Literal["severe", "surge_begun", "surge_over"]
Kind = Literal["view", "click", "cart", "purchase", "share", "hide"]


def _open(written: Any) -> Meta:
    """What a reader is told of a field that holds one of these values today."""
    return Meta(
        description="Later versions may write other values: show or pass over an unknown one.",
        examples=list(get_args(written)),
    )


class Review(Struct, frozen=True, gc=False, omit_defaults=True):
    """What somebody wrote: a review, a comment, a news text or a question."""

    review_id: Id
    user_id: Id
    text: str
    item_id: Id | None = None
    stars: Annotated[float, Meta(ge=1, le=5)] | None = None
    time: Time | None = None
    embedding: bool = False
    """Ask for the text's embedding in the analysis."""


class Behaviour(Struct, frozen=True, gc=False, omit_defaults=True):
    """What somebody did with an item. The message key must be the user_id."""

    user_id: Id
    item_id: Id
    kind: Kind
    event_id: Id | None = None
    time: Time | None = None


class Item(Struct, frozen=True, gc=False, omit_defaults=True):
    """An entry of the catalogue. A null value removes the item of that key."""

    item_id: Id
    title: Annotated[str, Meta(min_length=1, max_length=500)]
    description: Annotated[str, Meta(max_length=10_000)] = ""
    category: Annotated[str, Meta(max_length=128)] = ""
    seller: Annotated[str, Meta(max_length=128)] = ""
    price: Annotated[float, Meta(ge=0)] | None = None
    tags: Annotated[list[Annotated[str, Meta(max_length=128)]], Meta(max_length=50)] = field(
        default_factory=list
    )
    available: bool = True
    time: Time | None = None


class Topic(Struct, frozen=True, gc=False):
    """A topic of the profile that a text is about."""

    id: str
    score: Share


class Source(Struct, frozen=True, gc=False):
    """Where the input of an output stands."""

    topic: str
    partition: int
    offset: int


class Analysis(Struct, frozen=True, gc=False, omit_defaults=True):
    """What was understood of one review. Its id is the review's."""

    id: str
    user_id: str
    text: str
    """Cleaned, personal data masked."""
    language: Annotated[str, _open(Language)]
    sentiment: Annotated[str, _open(Sentiment)]
    probabilities: dict[Annotated[str, _open(Sentiment)], float]
    intensity: Signed
    topics: list[Topic]
    model: str
    time: float
    source: Source
    vector: str
    """The text's embedding for machines: base64 of little-endian float32, unit length."""
    item_id: str | None = None
    stars: float | None = None
    masked: dict[str, int] = field(default_factory=dict)
    """How many of each kind of personal data were masked."""
    embedding: list[float] | None = None
    """The same as numbers, where the review asked for it."""


class Reason(Struct, frozen=True, gc=False):
    """Why an item is recommended, in words, and the source that the reason is from."""

    source: str
    en: str
    zh: str


class Part(Struct, frozen=True, gc=False):
    """One source's share of a score."""

    source: str
    score: float
    weight: float


class Recommendation(Struct, frozen=True, gc=False):
    """One recommended item: score = sum of its parts' score times weight."""

    item_id: str
    title: str
    score: float
    parts: list[Part]
    reasons: list[Reason]


class Event(Struct, frozen=True, gc=False, omit_defaults=True):
    """The event that caused a refresh."""

    kind: str
    time: float
    item_id: str | None = None
    intensity: float | None = None


class Recommendations(Struct, frozen=True, gc=False, omit_defaults=True):
    """A user's ranked items, refreshed by every event of theirs."""

    user_id: str
    items: list[Recommendation]
    based_on: Event
    applied: dict[str, int]
    """Last offset applied of each source, by `topic/partition`."""
    removed: dict[str, int] = field(default_factory=dict)
    """How many items policy took out, by rule."""
    withheld: dict[str, list[str]] = field(default_factory=dict)
    """The best three of them that would have stood in the list, by rule."""


class Evidence(Struct, frozen=True, gc=False, omit_defaults=True):
    """What an alert rests on: texts (masked), counts, the rate against its baseline."""

    texts: list[str] = field(default_factory=list)
    reviews: int | None = None
    negatives: int | None = None
    rate: float | None = None
    baseline: float | None = None
    p_value: float | None = None
    words: list[str] = field(default_factory=list)


class Alert(Struct, frozen=True, gc=False, omit_defaults=True):
    """Something that somebody should see now. The same alert always has the same id."""

    id: str
    kind: Annotated[str, _open(AlertKind)]
    subject: str
    """`item:ID`, `topic:ID`, `user:ID`, or `emerging`: what fits no topic."""
    time: float
    reason: str
    evidence: Evidence
    user_id: str | None = None
    review_id: str | None = None
    intensity: float | None = None
    began: float | None = None
    """Of a surge's end: the start of the window in which it began."""


class Window(Struct, frozen=True, gc=False):
    """One window of a trend."""

    start: float
    reviews: int
    negative_share: float
    mean_intensity: float


class Emerging(Struct, frozen=True, gc=False):
    """A topic that reviews agree on and the profile does not describe."""

    words: list[str]
    """Its name: the words that tell its texts from all others, most telling first."""
    size: int
    """Texts that joined it."""
    weight: float
    """The same, each halved with every half-life up to the newest text."""
    examples: list[str]
    """Masked texts."""
    first: float
    last: float
    """Event times."""


class Acknowledgement(Struct, frozen=True, gc=False, omit_defaults=True):
    """Somebody has seen an alert. The newest of an alert's counts."""

    alert_id: Id
    time: Time
    withdrawn: bool = False
    """The alert is open again."""


class Trend(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a subject does in its newest window, and in those before it."""

    subject: str
    start: float
    seconds: float
    reviews: int
    negative_share: float
    positive_share: float
    mean_intensity: float
    top_topics: list[Topic]
    """Topics of the newest windows, score = share of the reviews."""
    popularity: float
    """Weighted behaviours and praise, decayed to `time`."""
    time: float
    """The newest event time seen."""
    history: list[Window]
    surge: Evidence | None = None
    """The open surge, if there is one."""
    emerging: list[Emerging] = field(default_factory=list)
    """Of the subject `emerging` alone: the topics found among what fits no topic, heaviest first.
    """
    opinions: float = 0.0
    """Reviews, each halved with every half-life up to `time`."""
    opinion: float = 0.0
    """Their mean intensity, weighted so."""
    neighbours: str = ""
    """Of an item, for machines: the items that users acted on shortly before it, as base64 of pairs
    of their id's hash (little-endian uint64) and a weight (float32)."""


class ItemVector(Struct, frozen=True, gc=False, omit_defaults=True):
    """An item with its embedding; every worker reads all of them."""

    item: Item
    vector: str
    """Base64 of little-endian float32, unit length."""
    model: str


class Promotion(Struct, frozen=True, gc=False, omit_defaults=True):
    """A bundle that workers shall serve from now on."""

    version: str
    """The bundle's name and a short hash of its SHA256SUMS."""
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    """Of the bundle's SHA256SUMS."""
    time: float
    name: str = ""
    """Its folder in the workers' `bundle_root`: one name, no path."""
    folder: str = ""
    """What earlier versions sent instead of a name. Only a folder directly in `bundle_root` is
    taken."""


class Contract(Struct, frozen=True, gc=False):
    """What the workers of a group have in common, so that each can use what another leaves."""

    app: str
    """The group."""
    profile: str
    """Its name."""
    rules: dict[str, str]
    """A hash of each part of the profile that changes what is masked, stored or told."""
    dimensions: int
    """Of the model's embeddings."""
    labels: list[str]
    """The model's classes, in their order."""
    partitions: int
    versions: dict[str, int]
    """Of the records of each table, the latest that is written."""


class Unmatched(Struct, frozen=True, gc=False, omit_defaults=True):
    """A review that fits no topic, for the discovery of new ones."""

    id: str
    """The review's."""
    time: float
    text: str
    """Its beginning, masked."""
    vector: str | None = None
    """Base64 of little-endian float32, unit length. None: it fits a topic after all, and only
    tells which words are common."""


class Signal(Struct, frozen=True, gc=False, array_like=True):
    """One event about a subject, as it travels to the subject's worker."""

    offset: int
    """In the source partition."""
    id: int
    """64-bit hash of the event's id: a repeated id counts once."""
    time: float
    intensity: float | None
    """None: a behaviour."""
    sentiment: Literal[-1, 0, 1]
    """Its sign. There is no other, so this stays closed."""
    weight: float
    """Popularity that it adds."""
    topics: list[str]
    before: list[tuple[int, float]] = field(default_factory=list)
    """Of an item: others that the same user acted on shortly before, by hash, and the weight of
    each pair."""


class Signals(Struct, frozen=True, gc=False):
    """Events of one source partition about one subject, one by one and in offset order."""

    subject: str
    source: str
    """`topic/partition`."""
    entries: list[Signal]
    """None: nothing happened, but the trend shall be sent again."""
