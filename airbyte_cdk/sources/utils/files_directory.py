"""Where files that are copied as they are wait for the destination."""

from __future__ import annotations

import os

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

AIRBYTE_STAGING_DIRECTORY = "AIRBYTE_STAGING_DIRECTORY"
"""Environment variable that names the staging directory, which source and destination share."""
PLATFORM_DIRECTORY = "/staging/files"
"""Where a platform mounts it."""
LOCAL_DIRECTORY = "/tmp/airbyte-file-transfer"
"""The staging directory where neither of these is there."""


def get_files_directory() -> str:
    """The absolute path of the staging directory, which exists and can be written to.

    It is the one that `AIRBYTE_STAGING_DIRECTORY` names; or else ``/staging/files``, if that exists; or else
    ``/tmp/airbyte-file-transfer``. It is created if it is missing.

    Raises:
        AirbyteTracedException: a config_error that names the directory, if it cannot be made or written to.
    """
    named = os.environ.get(AIRBYTE_STAGING_DIRECTORY)
    directory = os.path.abspath(named or (PLATFORM_DIRECTORY if os.path.isdir(PLATFORM_DIRECTORY) else LOCAL_DIRECTORY))
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise _unusable(directory, f"it cannot be created ({error.strerror})", error) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise _unusable(directory, "it cannot be written to")
    return directory


def _unusable(directory: str, reason: str, cause: OSError | None = None) -> AirbyteTracedException:
    message = (
        f"The staging directory {directory} cannot be used: {reason}. Files are copied to it before the destination "
        f"takes them. Correct the environment variable {AIRBYTE_STAGING_DIRECTORY}, or the rights of the directory."
    )
    return AirbyteTracedException(
        internal_message=message, message=message, failure_type=FailureType.config_error, exception=cause
    )
