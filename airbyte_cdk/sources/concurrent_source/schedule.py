"""Which partition is read next."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airbyte_cdk.sources.concurrent_source.stream_read import StreamRead
    from airbyte_cdk.sources.streams.partition import Partition


@dataclass(eq=False)
class Task:
    """One thing for a worker to do: read `partition`, or list the partitions of the stream if it is None."""

    read: StreamRead
    partition: Partition | None = None
    failed: bool = False


@dataclass(eq=False)
class _Queue:
    """The work of one stream."""

    read: StreamRead
    waiting: deque[Partition] = field(default_factory=deque)
    listed: bool = False
    running: int = 0
    begun: bool = False
    stopped: bool = False

    @property
    def finished(self) -> bool:
        return self.begun and self.listed and not self.running and not self.waiting


class Schedule:
    """Hands out tasks: partitions of the streams that are listed first, in their order, then the next listing.

    So one worker ends a stream before it begins the next, and many workers list ahead while others read.
    """

    def __init__(self, reads: Sequence[StreamRead]) -> None:
        self._queues = {id(read): _Queue(read) for read in reads}
        self._changed = Condition()
        self._closed = False

    def next(self) -> Task | None:
        """The next task; waits for one. None when no work is left or the schedule is closed."""
        with self._changed:
            while not self._closed:
                for queue in self._queues.values():
                    if queue.waiting:
                        queue.running += 1
                        return Task(queue.read, queue.waiting.popleft())
                for queue in self._queues.values():
                    if not queue.begun:
                        queue.begun = True
                        queue.running += 1
                        return Task(queue.read)
                if all(queue.finished for queue in self._queues.values()):
                    return None
                self._changed.wait()
            return None

    def add(self, read: StreamRead, partition: Partition) -> bool:
        """Queue a partition; False if its stream was stopped, so that listing can end."""
        with self._changed:
            queue = self._queues[id(read)]
            if not queue.stopped:
                queue.waiting.append(partition)
                self._changed.notify()
            return not queue.stopped

    def end(self, task: Task) -> bool:
        """Note that a task ended; True if it was the last one of its stream."""
        with self._changed:
            queue = self._queues[id(task.read)]
            queue.running -= 1
            if task.partition is None:
                queue.listed = True
            self._changed.notify_all()
            return queue.finished

    def stop(self, read: StreamRead) -> None:
        """Forget the waiting partitions of a stream, and make its running ones give up."""
        with self._changed:
            queue = self._queues[id(read)]
            queue.stopped = True
            queue.waiting.clear()
            self._changed.notify_all()

    def stopped(self, read: StreamRead) -> bool:
        """Whether the stream (or everything) was stopped."""
        return self._closed or self._queues[id(read)].stopped

    def close(self) -> None:
        """Stop everything: `next` answers None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
