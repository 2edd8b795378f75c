"""Questions about the delivery method of a config.

They take any object: a config whose `delivery_method` is absent, the string that is its default, or a model.
"""

from __future__ import annotations

from typing import Any


def use_file_transfer(parsed_config: Any) -> bool:
    """Whether files are to be copied as they are, without being parsed."""
    return bool(_delivery_type(parsed_config) == "use_file_transfer")


def preserve_directory_structure(parsed_config: Any) -> bool:
    """Whether copied files keep their directories; true unless the copying of raw files says otherwise."""
    if not use_file_transfer(parsed_config):
        return True
    return bool(getattr(parsed_config.delivery_method, "preserve_directory_structure", True))


def use_permissions_transfer(parsed_config: Any) -> bool:
    """Whether the access rights of the files are to be delivered instead of their content."""
    return bool(_delivery_type(parsed_config) == "use_permissions_transfer")


def include_identities_stream(parsed_config: Any) -> bool:
    """Whether access rights come with a stream of the users and groups that hold them."""
    if not use_permissions_transfer(parsed_config):
        return False
    return bool(getattr(parsed_config.delivery_method, "include_identities_stream", False))


def _delivery_type(parsed_config: Any) -> Any:
    return getattr(getattr(parsed_config, "delivery_method", None), "delivery_type", None)
