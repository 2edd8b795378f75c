"""Names for the mappings that pass between source, streams and cursors."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

StreamSlice = Mapping[str, Any]
"""What one partition of a stream reads."""

StreamState = MutableMapping[str, Any]
"""The state of a stream as it stands in STATE messages."""
