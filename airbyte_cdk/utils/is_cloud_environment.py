"""Whether the connector runs in the vendor's cloud."""

import os

__all__ = ["CLOUD_DEPLOYMENT_MODE", "is_cloud_environment"]

CLOUD_DEPLOYMENT_MODE = "cloud"


def is_cloud_environment() -> bool:
    """True if the environment variable ``DEPLOYMENT_MODE`` is ``cloud`` in any case."""
    return os.environ.get("DEPLOYMENT_MODE", "").lower() == CLOUD_DEPLOYMENT_MODE
