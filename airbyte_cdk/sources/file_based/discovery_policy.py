"""How many files discovery looks at, and how many at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airbyte_cdk.sources.file_based.parsers.base import FileTypeParser


class AbstractDiscoveryPolicy(ABC):
    """Bounds the work of discovery."""

    @property
    @abstractmethod
    def n_concurrent_requests(self) -> int:
        """Most files looked at at once."""

    @abstractmethod
    def get_max_n_files_for_schema_inference(self, parser: FileTypeParser) -> int:
        """Most files that are looked at for the columns of one stream."""


class DefaultDiscoveryPolicy(AbstractDiscoveryPolicy):
    """Ten files, ten at once; fewer if the parser sets a lower limit."""

    DEFAULT_N_CONCURRENT_REQUESTS = 10
    DEFAULT_MAX_N_FILES_FOR_STREAM_SCHEMA_INFERENCE = 10

    @property
    def n_concurrent_requests(self) -> int:
        """Most files looked at at once: 10."""
        return self.DEFAULT_N_CONCURRENT_REQUESTS

    def get_max_n_files_for_schema_inference(self, parser: FileTypeParser) -> int:
        """Most files that are looked at for the columns of one stream: 10, or the parser's own limit if lower."""
        limit = parser.parser_max_n_files_for_schema_inference
        most = self.DEFAULT_MAX_N_FILES_FOR_STREAM_SCHEMA_INFERENCE
        return most if limit is None else min(most, limit)
