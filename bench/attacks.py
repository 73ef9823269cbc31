"""Messages made to break a worker, drawn with a seed: bytes, JSON, texts, ids, times, headers."""

import gzip
import json
import math
import random
from collections.abc import Callable
from typing import Any

from stream_app.messages.message import Headers, Record

LONG = 9_900
"""Characters of a long text, just under what is taken."""
TIMES: tuple[Any, ...] = (
    0, 1e-300, 1.0, 1.7e9, 1.7e9 + 0.5, -1, -1e18, 1e12, 4e9, 1e300, 1e308, 2**63, 2**64, 10**30,
    "soon", None, True, [], math.nan, math.inf, -math.inf,
)  # fmt: skip


def texts(draw: random.Random) -> list[Callable[[], str]]:
    """Ways to make a text."""

    def words() -> str:
        return " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, 60)))

    def repeated(piece: str) -> Callable[[], str]:
        return lambda: (piece * (LONG // len(piece) + 1))[: draw.choice((40, 900, LONG))]

    return [
        words, words, words, words,
        repeated("<div>"), repeated("<b"), repeated("<a href='"), repeated("<!--"),
        repeated("<script>"), repeated("</p><table><tr>"), repeated("<svg onload="),
        repeated("&amp;"), repeated("&am&#112;lt;"), repeated("&#x26;#60;"), repeated("&#38;#38;"),
        repeated("<![CDATA["), repeated("<<<>>>"), repeated("<style>*{}"), repeated("\\u0000"),
        repeated("a\u0301\u0302\u0303\u0304\u0305"), repeated("\u0e49"), repeated("e\u20dd"),
        repeated("\u202e\u202d\u2066"), repeated("\u200b\u200d\ufeff"), repeated("👨‍👩‍👧‍👦"),
        repeated("\ud83d"), repeated("🏴\U000e0067\U000e0062"), repeated("ﷺ"), repeated("𝔸"),
        repeated("１２３"), repeated("138 0013 8000 "), repeated("1-3-8-0-0-1-3-8-0-0-0 "),
        repeated("+86"), repeated("6222 0200 0000 0000 "), repeated("110101199003071234"),
        repeated("a@"), repeated("a@b."), repeated("a.b.c.d@"), repeated("@@@@.com"),
        repeated("http://"), repeated("www.a.b/"), repeated("a.com/a.com/"), repeated("://"),
        repeated("4 3 3 "), repeated("0)2)"), repeated("2\u20e30\u20e32\u20e3"),
        repeated("3\ufe0f\u20e34\ufe0f\u20e33\ufe0f\u20e3"), repeated("0086 5305 0"),
        repeated("1203 9428 5589 2239 "), repeated("4000519461 "),
        repeated("订单号:"), repeated("订单号 1"), repeated("order no "), repeated("[PHONE]"),
        repeated("[ID][EMAIL"), repeated("0"), repeated("9" * 50 + " "), repeated("的"),
        repeated("龘靐齉"), repeated("a"), repeated("A b"), repeated("?!"), repeated("。"),
        repeated("\n\t \u3000"), repeated("#️⃣"), repeated("*"), repeated("\x00"),
        repeated("\x1b[2J"),
        lambda: "".join(chr(draw.randrange(1, 0x3000)) for _ in range(draw.randint(1, 400))),
        lambda: "".join(chr(draw.randrange(0x4E00, 0x9FFF)) for _ in range(draw.randint(1, 400))),
        lambda: "", lambda: " \u200b ", lambda: "x" * 10_001,
    ]  # fmt: skip


WORDS = (
    "battery", "tent", "great", "bad", "terrible", "电池", "很好", "太差", "发货", "快", "慢",
    "broke", "after two days", "refund", "退款", "never again", "喜欢", "推荐", "price", "价格",
    "quality", "质量", "smell", "味道", "ok", "fine", "一般", "still", "客服",
)  # fmt: skip


class Attacks:
    """An endless source of hostile and of ordinary messages, the same for a seed."""

    def __init__(self, seed: int = 7) -> None:
        self._draw = random.Random(seed)
        self._texts = texts(self._draw)
        # Texts come again, as copied reviews do; the model reads each once.
        self._pool = [draw() for draw in self._texts for _ in range(8)]

    def record(self) -> Record:
        """One message for one of the three input topics."""
        draw = self._draw
        topic = draw.choice(("reviews", "reviews", "behaviours", "items"))
        if draw.random() < 0.15:
            return Record(topic, self._key(), self._bytes(), self._headers())
        value = getattr(self, f"_{topic}")()
        for _ in range(draw.choice((0, 0, 0, 1, 2))):
            self._spoil(value)
        own = {"reviews": "review_id", "behaviours": "user_id", "items": "item_id"}[topic]
        key: bytes | None = str(value.get(own)).encode("utf-8", "surrogatepass")
        if draw.random() < 0.05:
            key = self._key()
        body = json.dumps(value, ensure_ascii=draw.random() < 0.5)
        return Record(topic, key, body.encode("utf-8", "surrogatepass"), self._headers())

    def time(self) -> float:
        """A broker's timestamp, in seconds."""
        return self._draw.choice((1.7e9, 1.7e9, 1.7e9, -0.001, 0.0, 9.2e15, 4e9))

    def _text(self) -> str:
        draw = self._draw
        return draw.choice(self._pool) if draw.random() < 0.98 else draw.choice(self._texts)()

    def _id(self, kind: str, count: int) -> Any:
        draw = self._draw
        if draw.random() < 0.97:
            return f"{kind}{draw.randrange(count)}"
        return draw.choice((
            "", " ", "\u202e" + kind, "a\u0301" * 60, "x" * 128, "x" * 129, "x" * 100_000, "\x00",
            "../../etc/passwd", "item:topic:", None, 7, {}, ["u"], "用户", "\ud800",
        ))  # fmt: skip

    def _reviews(self) -> dict[str, Any]:
        draw = self._draw
        value = {
            "review_id": self._id("r", 10**9), "user_id": self._id("u", 2000),
            "text": self._text(), "item_id": self._id("i", 500),
            "time": 1.7e9 + draw.random() * 1e6,
        }  # fmt: skip
        if draw.random() < 0.3:
            value["stars"] = draw.choice((1, 2.5, 5, 5, 3, 0, 6, -1, "5", math.nan))
        return value

    def _behaviours(self) -> dict[str, Any]:
        draw = self._draw
        return {
            "user_id": self._id("u", 2000), "item_id": self._id("i", 500),
            "kind": draw.choice(("view", "click", "cart", "purchase", "share", "hide", "eat")),
            "event_id": self._id("e", 10**9), "time": 1.7e9 + draw.random() * 1e6,
        }  # fmt: skip

    def _items(self) -> dict[str, Any]:
        draw = self._draw
        return {
            "item_id": self._id("i", 500), "title": self._text()[: draw.choice((60, 500, 501))],
            "tags": [self._text()[:20] for _ in range(draw.choice((0, 2, 51)))],
            "description": self._text(), "price": draw.choice((0, 9.5, -1, 1e308, "free", None)),
        }  # fmt: skip

    def _spoil(self, value: dict[str, Any]) -> None:
        draw = self._draw
        way = draw.randrange(5)
        name = draw.choice(list(value) or ["x"])
        if way == 0:
            value.pop(name, None)
        elif way == 1:
            value["time"] = draw.choice(TIMES)
        elif way == 2:
            value[name] = draw.choice((None, 1, "", [], {}, True, "x" * 5000, -(10**400)))
        elif way == 3:
            value[draw.choice(("__proto__", "unknown", "\u202etext", "Text"))] = self._text()[:50]
        else:
            value["embedding"] = draw.choice((True, False, "yes"))

    def _key(self) -> bytes | None:
        draw = self._draw
        return draw.choice((None, b"", b"\x00", b"\xff\xfe", b"k" * 100_000, draw.randbytes(16)))

    def _bytes(self) -> bytes | None:
        draw = self._draw
        way = draw.randrange(10)
        if way == 0:
            return draw.randbytes(draw.choice((1, 50, 3000)))
        if way == 1:
            # The time would be written into it, and the seed would not tell all.
            return gzip.compress(b"0" * 1_000_000, mtime=0)
        if way == 2:
            return b"[" * draw.choice((10, 1000, 200_000))
        if way == 3:
            return b'{"a":' * draw.choice((10, 1000, 100_000))
        if way == 4:
            return json.dumps(self._reviews()).encode()[: draw.randint(0, 60)]
        if way == 5:
            return json.dumps(self._reviews(), ensure_ascii=False).encode("utf-16", "surrogatepass")
        if way == 6:
            return (
                b'{"review_id":"r","user_id":"u","text":"a","text":"b","time":1'
                + b"0" * 5000
                + b"}"
            )
        if way == 7:
            return draw.choice(
                (b"null", b"true", b"0", b"NaN", b'"x"', b"{}", b"[]", b"\xef\xbb\xbf{}")
            )
        return None if way == 8 else b""

    def _headers(self) -> Headers:
        draw = self._draw
        if draw.random() < 0.9:
            return ()
        return draw.choice((
            (("traceparent", draw.randbytes(55)),), (("ce_id", b"\xff" * 10_000),),
            tuple((f"h{n}", b"v") for n in range(200)), (("", b""),), (("ce_\u202e", b"x"),),
            (("__connect.errors.topic", b"forged"),), (("x" * 5000, b"y"),),
        ))  # fmt: skip
