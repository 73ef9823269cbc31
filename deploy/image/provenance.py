"""Where an image comes from, as an in-toto statement with SLSA's predicate, version 1.

The subject is the image's id, which is the digest of its configuration; the manifest's digest
exists only once the image is pushed. What went in: the commit, the base, the Dockerfile and every
lock, the files by their hashes.
"""

import argparse
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUILD_TYPE = "https://stream-app.example/build/dockerfile/v1"


def digests(*files: Path) -> list[dict[str, Any]]:
    """Each file, with its hash."""
    return [
        {
            "uri": f"file:{file.relative_to(ROOT)}",
            "digest": {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
        }
        for file in files
    ]


def base_image(name: str) -> dict[str, Any]:
    """The base, with its digest where it was asked for by one."""
    named, _, digest = name.partition("@sha256:")
    return {"uri": f"docker://{named}"} | ({"digest": {"sha256": digest}} if digest else {})


def statement(image: str, base: str, revision: str, version: str, tool: str) -> dict[str, Any]:
    """The whole statement; `image` is `sha256:…`."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": f"stream-app:{version}", "digest": {"sha256": image.removeprefix("sha256:")}}
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"base": base, "dockerfile": "Dockerfile"},
                "resolvedDependencies": [
                    # A changed working tree is said, not hidden.
                    {"uri": "git:.", "digest": {"gitCommit": revision}},
                    base_image(base),
                    *digests(ROOT / "Dockerfile", *sorted((ROOT / "requirements").glob("*.txt"))),
                ],
            },
            "runDetails": {
                "builder": {"id": f"{BUILD_TYPE}#{tool.split()[0]}", "version": {"tool": tool}},
                "metadata": {"finishedOn": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")},
            },
        },
    }


def main() -> None:
    """Print the statement."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("id", "base", "revision", "version", "tool"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    made = statement(given.id, given.base, given.revision, given.version, given.tool)
    print(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
