"""Which partition is read next."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airbyte_cdk.sources.concurrent_source.stream_read import StreamRead
    from airbyte_cdk.sources.streams.partition import Partition

MOST_WAITING = 1000
"""Partitions of one stream that a worker could read: its listing pauses while there are so many."""


@dataclass(eq=False)
class Task:
    """One thing for a worker to do.

    Attributes:
        read: The stream.
        partition: Is to be read; None: the partitions of the stream are to be listed.
        listing: What is left of a listing that was paused.
        failed: Nothing more of it is to be sent.
    """

    read: StreamRead
    partition: Partition | None = None
    listing: Iterator[Partition] | None = None
    failed: bool = False


@dataclass(eq=False)
class _Queue:
    """The work of one stream.

    Attributes:
        waiting: What may be read now.
        behind: By group, what may be read when the partition of this group that is waiting or being read has ended.
    """

    read: StreamRead
    waiting: deque[Partition] = field(default_factory=deque)
    behind: dict[Hashable, deque[Partition]] = field(default_factory=dict)
    paused: Task | None = None
    listed: bool = False
    running: int = 0
    begun: bool = False
    stopped: bool = False
    told: bool = False

    @property
    def finished(self) -> bool:
        return self.begun and self.listed and not self.running and not self.waiting

    def finishes(self) -> bool:
        """Whether it has finished, the first time that this is asked then."""
        told, self.told = self.told, self.finished
        return self.finished and not told

    def add(self, partition: Partition) -> bool:
        """Queue a partition; whether it may be read now."""
        group = partition.group
        if group is not None and group in self.behind:
            self.behind[group].append(partition)
            return False
        if group is not None:
            self.behind[group] = deque()
        self.waiting.append(partition)
        return True

    def let_next(self, group: Hashable | None) -> None:
        """A partition of the group has ended: the next one may be read, before all others."""
        behind = self.behind.get(group)
        if behind:
            self.waiting.appendleft(behind.popleft())
        else:
            self.behind.pop(group, None)

    def stop(self) -> None:
        self.stopped = True
        self.waiting.clear()
        self.behind.clear()


class Schedule:
    """Hands out tasks: partitions of the streams that are listed first, in their order, then the next listing.

    So one worker ends a stream before it begins the next, and many workers list ahead while others read. A listing
    that is far ahead pauses, so that memory does not grow with the number of partitions, but for those of one group:
    of a group one is handed out at a time, see `Partition.group`.
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
                        task = Task(queue.read, queue.waiting.popleft())
                        if any(other.waiting or other.paused for other in self._queues.values()):
                            self._changed.notify()  # `end` leaves what it finds to its own worker, which may take other
                        return task
                for queue in self._queues.values():
                    if queue.paused is not None:
                        task, queue.paused = queue.paused, None
                        return task
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
        """Queue a partition; False if no more of its stream are wanted now: ask `pause` why."""
        with self._changed:
            queue = self._queues[id(read)]
            if self.stopped(read):
                return False
            if queue.add(partition):
                self._changed.notify()
            return len(queue.waiting) < MOST_WAITING

    def pause(self, task: Task) -> bool:
        """Keep a listing for later; False if its stream was stopped, so that nothing more is wanted of it."""
        with self._changed:
            if self.stopped(task.read):
                return False
            self._queues[id(task.read)].paused = task
            self._changed.notify()
            return True

    def end(self, task: Task) -> bool:
        """Note that a task ended; whether its stream has ended with it."""
        with self._changed:
            queue = self._queues[id(task.read)]
            queue.running -= 1
            if task.partition is None:
                queue.listed = True
            else:
                queue.let_next(task.partition.group)
            if queue.finished:
                self._changed.notify_all()
            return queue.finishes()

    def stop(self, read: StreamRead) -> bool:
        """Forget the waiting partitions of a stream, and make its running ones give up; whether it has ended so."""
        with self._changed:
            queue = self._queues[id(read)]
            queue.stop()
            self._changed.notify_all()
            return queue.finishes()

    def stopped(self, read: StreamRead) -> bool:
        """Whether the stream (or everything) was stopped."""
        return self._closed or self._queues[id(read)].stopped

    @property
    def closed(self) -> bool:
        """Whether everything was stopped."""
        return self._closed

    def close(self) -> None:
        """Stop everything: `next` answers None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
