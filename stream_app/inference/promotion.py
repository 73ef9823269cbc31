"""An announced bundle: whose key counts, where it lies, and why one is refused."""

import re
from pathlib import Path
from typing import Literal, get_args

from stream_app.inference.bundle import BundleError
from stream_app.schemas import Promotion

KEY = b"sentiment"
"""What the bundle is for, the message's key: a later promotion of the same key takes its place."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Of a folder in the root; neither a path nor `..` is one."""
SHOWN = 500
"""Characters of what others wrote that a line of the log shows."""

Reason = Literal[
    "key", "unreadable", "unconfigured", "name", "folder", "signature", "announced", "unfit",
    "trial", "ends", "failed",
]  # fmt: skip
REASONS: tuple[Reason, ...] = get_args(Reason)
"""`key`: the message has another key. `unconfigured`: no root or no key is set. `announced`: the
folder holds something else. `unfit`: other labels or dimensions. `ends`: loading it has ended the
worker."""


class Refused(BundleError):
    """An announced bundle that is not served; the message is one line."""

    def __init__(self, reason: Reason, said: object) -> None:
        super().__init__(line(said))
        self.reason: Reason = reason


def line(said: object) -> str:
    """What others wrote, as part of a line: nothing that begins another, and not long."""
    text = str(said)[: SHOWN + 1]
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def folder(root: Path, promotion: Promotion) -> Path:
    """The announced folder, directly in the root; raises Refused.

    A message names none but by one name. What earlier versions sent, a path, is taken as text:
    nothing outside the root is so much as looked at.
    """
    name = promotion.name
    if not name and promotion.folder:
        above, _, name = promotion.folder.rpartition("/")
        if above not in (str(root), str(root.resolve())):
            raise Refused("name", f"{promotion.folder} is not directly in {root}")
    if not NAME.fullmatch(name):
        raise Refused("name", f"{name!r} is no name of a folder in {root}")
    found = root / name
    if found.is_symlink():
        raise Refused("folder", f"{found}: a link")
    return found
