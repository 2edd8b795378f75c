"""What a proxy can do to a request, or to a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["none", "status", "reset", "reset_body", "close_body", "stall", "slow", "delay"]


@dataclass(frozen=True)
class Fault:
    """What is done to one request (or to one TCP connection)."""

    kind: Kind
    code: int = 0
    retry_after: float | None = None
    after: int = 0
    seconds: float = 0.0
    rate: int = 0


NONE = Fault("none")


def status(code: int, retry_after: float | None = None) -> Fault:
    """Answer with an error of this code, in the XML of S3, without asking the server."""
    return Fault("status", code=code, retry_after=retry_after)


def reset() -> Fault:
    """Reset the connection before any answer."""
    return Fault("reset")


def reset_body(after: int) -> Fault:
    """Reset the connection after so many bytes of the body; a shorter body passes whole."""
    return Fault("reset_body", after=after)


def close_body(after: int) -> Fault:
    """Close the connection after so many bytes of the body, as if it were complete; a shorter body passes whole."""
    return Fault("close_body", after=after)


def stall(seconds: float, after: int = 0) -> Fault:
    """Send nothing for so long after so many bytes of the body."""
    return Fault("stall", seconds=seconds, after=after)


def slow(rate: int) -> Fault:
    """Send the body at so many bytes a second."""
    return Fault("slow", rate=rate)


def delay(seconds: float) -> Fault:
    """Ask the server only after so long."""
    return Fault("delay", seconds=seconds)
