"""What a sync has done so far, for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic


@dataclass
class Progress:
    """Counts of one sync, kept by the engine; reading them needs no lock.

    Attributes:
        streams: Streams of the sync.
        streams_ended: Of these, how many have ended.
        partitions: Partitions (files) found so far that are to be read.
        partitions_ended: Of these, how many were read or failed.
        records: Records handed to the output.
        nbytes: Bytes of RECORD lines handed to the output.
        started: When the sync began, on the monotonic clock, in seconds.
    """

    streams: int = 0
    streams_ended: int = 0
    partitions: int = 0
    partitions_ended: int = 0
    records: int = 0
    nbytes: int = 0
    started: float = field(default_factory=monotonic)

    def line(self) -> str:
        """The counts as one short line; a source that is not read file by file has no files in it."""
        seconds = max(monotonic() - self.started, 0.001)
        files, left = "", ""
        if self.partitions:
            files = f"{self.partitions_ended:,} of {self.partitions:,} files, "
            left = f"{self.partitions - self.partitions_ended:,} files left, "
        return (
            f"{files}{self.records:,} records, {self.records / seconds:,.0f} records/s, {left}"
            f"{self.streams_ended} of {self.streams} streams done, {seconds:,.0f} s"
        )
