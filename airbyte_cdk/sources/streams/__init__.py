"""Streams: what a source lists, and what the engine reads partition by partition."""

from airbyte_cdk.sources.streams.core import NO_CURSOR_STATE_KEY, CheckpointMixin, IncrementalMixin, Stream

__all__ = ["NO_CURSOR_STATE_KEY", "CheckpointMixin", "IncrementalMixin", "Stream"]
