"""A network of this machine's own: brokers on a bridge, each worker in a namespace that can be cut
off. Needs root on Linux and iproute2."""

import os
import shutil
import subprocess


class Network:
    """The bridge and its namespaces; gone after `down`."""

    def __init__(self) -> None:
        self._bridge = f"br{os.getpid()}"
        # Two runs at once must not meet.
        self._net = f"10.231.{os.getpid() % 256}"
        self.host = f"{self._net}.1"
        """The brokers' address."""
        self._joined: list[str] = []

    @staticmethod
    def possible() -> str:
        """Why there can be none; empty if there can."""
        if shutil.which("ip") is None:
            return "no iproute2 (ip)"
        if os.geteuid() != 0:
            return "network namespaces need root"
        made = subprocess.run(["ip", "netns", "add", "probe-stream-app"], capture_output=True)
        if made.returncode != 0:
            return made.stderr.decode().strip()
        _ip("netns", "del", "probe-stream-app")
        return ""

    def up(self) -> None:
        """Make the bridge."""
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self.host}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")

    def join(self, name: str) -> list[str]:
        """A namespace; the command that runs another within it."""
        number = len(self._joined) + 11
        self._joined.append(name)
        space, link = self._space(name), self._link(name)
        _ip("netns", "add", space)
        _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("link", "set", link, "master", self._bridge, "up")
        _ip("-n", space, "addr", "add", f"{self._net}.{number}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", space, "link", "set", device, "up")
        return ["ip", "netns", "exec", space]

    def cut(self, name: str) -> None:
        """No packet passes any more, as with a pulled cable."""
        _ip("link", "set", self._link(name), "down")

    def mend(self, name: str) -> None:
        """Packets pass again."""
        _ip("link", "set", self._link(name), "up")

    def down(self) -> None:
        """Remove all of it."""
        for name in self._joined:
            subprocess.run(["ip", "netns", "del", self._space(name)], check=False)
        subprocess.run(["ip", "link", "del", self._bridge], check=False)

    def _space(self, name: str) -> str:
        return f"{self._bridge}-{name}"

    def _link(self, name: str) -> str:
        return f"v{os.getpid()}-{self._joined.index(name)}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
