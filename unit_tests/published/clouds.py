"""The servers of the storages beside S3, with what the published connectors' configs need of them.

Those that give each file its own time keep these: ``{time of URI}`` in a scenario and in results stands for the time
of a file that was put, ``{time 2 of URI}`` for that after the next put.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import requests

from servers.azure import Azurite
from servers.gcs import Gcs
from servers.process import HOST
from servers.sftp import Sftp
from servers.token_server import TokenServer


class _Times:
    """The times of the files that were put, by the name of their storage and by placeholder."""

    def __init__(self) -> None:
        self._times: dict[str, dict[str, str]] = {}

    def add(self, name: str, uri: str, modified: datetime) -> None:
        times = self._times.setdefault(name, {})
        count = 1
        while (placeholder := f"time {count} of {uri}" if count > 1 else f"time of {uri}") in times:
            count += 1
        times[placeholder] = modified.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def of(self, name: str) -> dict[str, str]:
        return dict(self._times.get(name, {}))


class PublishedGcs(Gcs):
    """Google Cloud Storage; its clients find it by STORAGE_EMULATOR_HOST, and their token at a server of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self._times = _Times()
        self._stack = ExitStack()
        tokens, refusing = (self._stack.enter_context(TokenServer()) for _ in range(2))
        refusing.refuse = (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        self._accounts = {"account": _service_account(tokens.url), "refused account": _service_account(refusing.url)}

    def put(self, name: str, uri: str, data: bytes, modified: datetime | None = None, **options: Any) -> None:
        """As `Gcs.put`."""
        super().put(name, uri, data, modified, **options)
        answer = requests.get(f"{self.url}/storage/v1/b/{name}/o/{quote(uri, safe='')}", timeout=30)
        answer.raise_for_status()
        self._times.add(name, uri, datetime.fromisoformat(answer.json()["updated"]))

    def placeholders(self, name: str) -> dict[str, str]:
        """What the placeholders of a scenario over the bucket `name` stand for."""
        return {"endpoint": self.url, **self._accounts, **self._times.of(name)}

    def close(self) -> None:
        """As `Gcs.close`."""
        self._stack.close()
        super().close()


class PublishedAzurite(Azurite):
    """Azure Blob Storage, whose times are whole seconds: no two blobs of a container get the same."""

    def __init__(self) -> None:
        super().__init__()
        self._times = _Times()
        self._last: dict[str, float] = {}

    def put(self, name: str, uri: str, data: bytes, modified: datetime | None = None) -> None:
        """As `Azurite.put`, in another second than the last one."""
        time.sleep(max(0.0, self._last.get(name, 0.0) + 1.05 - time.time()))
        super().put(name, uri, data, modified)
        changed = self.client.get_blob_client(name, uri).get_blob_properties().last_modified
        self._last[name] = changed.timestamp()
        self._times.add(name, uri, changed)

    def placeholders(self, name: str) -> dict[str, str]:
        """What the placeholders of a scenario over the container `name` stand for."""
        return {"endpoint": self.url, "account": self.account, "secret": self.key, **self._times.of(name)}


class PublishedSftp(Sftp):
    """SFTP, with a key that may log in and one that may not."""

    def __init__(self) -> None:
        super().__init__()
        self._key = self.user_key("rsa")

    def placeholders(self, name: str) -> dict[str, Any]:
        """What the placeholders of a scenario over the folder `name` stand for."""
        folder = str(self.folder(name))
        return {
            "folder": folder,
            "folder below the root": folder[1:],
            "address": f"{HOST}:{self.port}",
            "port": self.port,
            "username": self.username,
            "private key": self._key,
            "unknown key": _private_key(openssh=True),
        }


@cache
def _private_key(openssh: bool = False) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    form = serialization.PrivateFormat.OpenSSH if openssh else serialization.PrivateFormat.PKCS8
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _service_account(tokens: str) -> str:
    """The key file of a service account whose tokens come from a server."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "test",
            "private_key_id": "1",
            "private_key": _private_key(),
            "client_email": "tests@test.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{tokens}/token",
        }
    )
