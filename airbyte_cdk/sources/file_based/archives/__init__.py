"""Members of zip and tar archives as files of their own: ``dir/sales.zip#2024/june.csv``."""

from airbyte_cdk.sources.file_based.archives.errors import ArchiveError
from airbyte_cdk.sources.file_based.archives.expansion import expanded
from airbyte_cdk.sources.file_based.archives.listing import close_idle, matching_members, members
from airbyte_cdk.sources.file_based.archives.member import ArchiveMember, BrokenArchive
from airbyte_cdk.sources.file_based.archives.naming import is_archive, may_hold, reach

__all__ = [
    "ArchiveError",
    "ArchiveMember",
    "BrokenArchive",
    "close_idle",
    "expanded",
    "is_archive",
    "matching_members",
    "may_hold",
    "members",
    "reach",
]
