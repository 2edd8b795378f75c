"""One stream of a sync, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airbyte_cdk.sources.streams.checkpoint.due import Checkpoints
    from airbyte_cdk.sources.streams.core import Stream
    from airbyte_cdk.sources.streams.partition import Item


@dataclass(eq=False)
class StreamRead:
    """What the engine is to read of one stream; the fields below `known` are its own notes.

    Attributes:
        stream: The stream.
        whole: For a stream that wants to be read as one generator (it overrides `Stream.read` or a hook that only
            `Stream.read` honours): starts it. Its STATE messages come inline. None: the engine reads the partitions.
        resume: Has the stream go on from where the last sync ended; called once, before anything is read of it.
        known: The state of the last sync; empty if there is none.
        started: STARTED was sent.
        running: RUNNING was sent.
        ended: COMPLETE or INCOMPLETE was sent.
        records: Records sent.
        states: STATE messages sent.
        unlisted: Its partitions could not be listed, or not all.
        unsent: Partitions were closed since the last STATE message.
        error: Why the stream stopped early, if it did.
        checkpoints: Decides when a state is due.
    """

    stream: Stream
    whole: Callable[[], Iterable[Item]] | None = None
    resume: Callable[[], None] | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
    started: bool = False
    running: bool = False
    ended: bool = False
    records: int = 0
    states: int = 0
    unlisted: bool = False
    unsent: bool = False
    error: BaseException | None = None
    checkpoints: Checkpoints | None = None
