"""Checkpoints: how far a stream has been read, and when its state is sent."""

from airbyte_cdk.sources.streams.checkpoint.checkpoint_reader import (
    CheckpointMode,
    CheckpointReader,
    CursorBasedCheckpointReader,
    FullRefreshCheckpointReader,
    IncrementalCheckpointReader,
    LegacyCursorBasedCheckpointReader,
    ResumableFullRefreshCheckpointReader,
)
from airbyte_cdk.sources.streams.checkpoint.cursor import (
    FULL_REFRESH_COMPLETE_STATE,
    Cursor,
    PerPartitionKeySerializer,
    ResumableFullRefreshCursor,
    SubstreamResumableFullRefreshCursor,
)

__all__ = [
    "FULL_REFRESH_COMPLETE_STATE",
    "CheckpointMode",
    "CheckpointReader",
    "Cursor",
    "CursorBasedCheckpointReader",
    "FullRefreshCheckpointReader",
    "IncrementalCheckpointReader",
    "LegacyCursorBasedCheckpointReader",
    "PerPartitionKeySerializer",
    "ResumableFullRefreshCheckpointReader",
    "ResumableFullRefreshCursor",
    "SubstreamResumableFullRefreshCursor",
]
