"""Brokers that run beside the program: an embedded one for a demo, Apache Kafka for the rest.

Both speak the Kafka protocol on loopback and end with the program that started them.
"""

import signal
import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["Broker", "BrokerError", "KafkaUnavailable", "serve"]


class BrokerError(RuntimeError):
    """A broker did not start, or stopped by itself. The message is one line for a person."""


class KafkaUnavailable(BrokerError):
    """Apache Kafka cannot run here: no JDK, no Maven, or Maven Central is out of reach."""


class Broker(ABC):
    """One or more broker processes of ours; as a context manager started and stopped."""

    @property
    @abstractmethod
    def bootstrap(self) -> str:
        """Addresses for a client, `host:port` with commas between. Known once started."""

    @abstractmethod
    def start(self) -> None:
        """Start and return when clients are answered. Raises BrokerError."""

    @abstractmethod
    def stop(self) -> None:
        """Stop all processes. Calling it again does nothing."""

    @abstractmethod
    def check(self) -> None:
        """Raises BrokerError when a process that should run has ended."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def serve(broker: Broker) -> None:
    """Run `broker` until Ctrl-C or SIGTERM. Raises BrokerError when it stops by itself.

    Call from the main thread: signals are handled there.
    """
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with broker:
            print(f"Kafka protocol on {broker.bootstrap} (Ctrl-C stops it)", flush=True)
            while True:
                time.sleep(0.5)
                broker.check()
    except KeyboardInterrupt:
        print("Broker stopped.", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, previous)
