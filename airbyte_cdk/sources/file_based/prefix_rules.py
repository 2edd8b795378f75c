"""What the `prefix` of a storage and the globs of a stream mean for each other.

Only files below the prefix are listed, and globs match the whole name. A glob without the prefix at its start matches
none, and so does a prefix that no name begins with: both would look like a storage without files.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.file_based import globs as glob_rules
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


def refuse_unreachable(globs: Sequence[str], prefix: str, title: str, logger: logging.Logger) -> None:
    """Raise if no glob can match below the prefix; warn of those that cannot.

    Args:
        globs: Of a stream.
        prefix: Of the storage.
        title: Names the storage.
        logger: Gets the warning.

    Raises:
        AirbyteTracedException: a config_error that names both.
    """
    given = [pattern for pattern in globs if pattern]
    useless = [pattern for pattern in given if prefix and not glob_rules.can_match_below(pattern, prefix)]
    if not useless:
        return
    reason = (
        f"{title}: no file can match the glob{'s' if len(useless) > 1 else ''} {', '.join(useless)}. Only names that "
        f"begin with the option `prefix`, which is {prefix}, are listed, and globs match the whole name. "
        f"{_advice(useless, prefix)}"
    )
    if len(useless) < len(given):
        logger.warning(reason)
        return
    raise _config_error(reason)


def refuse_nothing(prefix: str, title: str) -> None:
    """Raise AirbyteTracedException, a config_error, if a prefix explains that a listing found nothing at all."""
    problem = _problem(prefix)
    if problem is not None:
        raise _config_error(
            f"{title}: no file of the stream begins with the option `prefix`, which is {prefix}. {problem}"
        )


def _advice(globs: Sequence[str], prefix: str) -> str:
    problem = _problem(prefix)
    if problem is not None:
        return problem
    if not prefix.endswith("/"):
        return "Correct one of them."
    joined = [_joined(prefix, pattern) for pattern in globs]
    return f"Write {', '.join(joined)}, or correct `prefix`."


def _joined(prefix: str, pattern: str) -> str:
    """The glob with what it lacks of the prefix: ``a/b/`` and ``b/*`` make ``a/b/*``."""
    pattern = pattern.lstrip("/")
    common = max(size for size in range(len(pattern) + 1) if size == 0 or f"/{prefix}".endswith(f"/{pattern[:size]}"))
    return prefix + pattern[common:]


def _problem(prefix: str) -> str | None:
    """What is unusual about a prefix, as a sentence; such names can be, though."""
    if prefix.startswith("/"):
        return f"Names seldom begin with a slash: write {prefix.lstrip('/') or 'no prefix'}."
    if "*" in prefix:
        return (
            f"A prefix has no wildcards: write {prefix.partition('*')[0] or 'no prefix'}, and the rest into the globs."
        )
    return None


def _config_error(message: str) -> AirbyteTracedException:
    return AirbyteTracedException(internal_message=message, message=message, failure_type=FailureType.config_error)
