"""What Apache Kafka needs to run without a container: a JDK, and its jars from Maven Central."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream_app.broker import KafkaUnavailable

JAVA_NEEDED = 17  # brokers since 4.0
_LOG4J = "2.25.5"  # the version Kafka 4.4 brings; the binding for its slf4j 1.7 is ours to add
_FETCH_SECONDS = 900

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>stream-app</groupId>
  <artifactId>kafka-server</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{kafka}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>{log4j}</version>
    </dependency>
  </dependencies>
</project>
"""


def java() -> Path:
    """A Java of version 17 or newer, from JAVA_HOME or PATH. Raises KafkaUnavailable."""
    home = os.environ.get("JAVA_HOME")
    candidates = [shutil.which("java", path=f"{home}/bin") if home else None, shutil.which("java")]
    found = {path: _java_version(path) for path in candidates if path}
    for path, version in found.items():
        if version >= JAVA_NEEDED:
            return Path(path).absolute()
    seen = ", ".join(f"{path} is {version or 'broken'}" for path, version in found.items())
    raise KafkaUnavailable(
        f"Apache Kafka needs a JDK {JAVA_NEEDED} or newer ({seen or 'no java found'}): "
        "install one and set JAVA_HOME or PATH"
    )


def jars(version: str) -> Path:
    """The folder with the jars of Apache Kafka `version`, fetched when first asked for.

    Kept in `$STREAM_APP_CACHE/kafka/<version>` (`~/.cache/stream-app` when unset). Raises
    KafkaUnavailable.
    """
    cache = Path(os.environ.get("STREAM_APP_CACHE") or Path.home() / ".cache" / "stream-app")
    kept = cache.expanduser().absolute() / "kafka" / version
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with _locked(kept.with_name(f"{version}.lock")):
            if not kept.exists():  # another process may have fetched while we waited
                _fetch(version, kept)
    return kept / "lib"


def _fetch(version: str, kept: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailable(
            f"Apache Kafka {version} is not in the cache and there is no Maven to fetch it: "
            "install maven (mvn)"
        )
    print(f"Fetching Apache Kafka {version} from Maven Central (once, 45 MB)…", file=sys.stderr)
    # Beside its final place, so that the rename is one step: the folder is whole or absent.
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=f"{version}-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        pom = made / "pom.xml"
        pom.write_text(_POM.format(kafka=version, log4j=_LOG4J))
        command = [maven, "-q", "-B", "-Dstyle.color=never", "-f", str(pom)]
        command += ["dependency:copy-dependencies", f"-DoutputDirectory={made / 'lib'}"]
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise KafkaUnavailable(
                f"fetching Apache Kafka {version} took over {_FETCH_SECONDS} s: "
                "is Maven Central reachable?"
            ) from error
        if ran.returncode != 0:
            raise KafkaUnavailable(
                f"Maven could not fetch Apache Kafka {version} (is Maven Central reachable?): "
                f"{_maven_reason(ran.stdout + ran.stderr)}"
            )
        made.rename(kept)


def _maven_reason(output: str) -> str:
    found = re.search(r"^\[ERROR\] (.+)$", output, re.MULTILINE)
    return found.group(1).strip() if found else "it gave no reason"


def _java_version(path: str) -> int:
    """Major version, 0 when the program does not say."""
    try:
        ran = subprocess.run(
            [path, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', ran.stderr)
    return int(found.group(1)) if found else 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock shared by all processes that use `path`."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
