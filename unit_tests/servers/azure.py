"""An Azure Blob Storage server: Azurite, Microsoft's own emulator."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from servers.process import HOST, Process, Server, ServerMissing, answers

INSTALLED = Path(__file__).parents[2] / ".servers" / "node_modules" / ".bin" / "azurite-blob"


class Azurite(Server):
    """Azurite with its blobs in memory; checks account keys and SAS tokens.

    Attributes:
        port: Where it listens on the loopback interface.
        url: The endpoint, which ends in the name of the account.
        account: The name of its account.
        key: The key of the account.
    """

    account = "testaccount"
    key = "dGVzdC1hY2NvdW50LWtleS1vZi10aGUtYXp1cml0ZS1zZXJ2ZXI="

    def __init__(self) -> None:
        # AZURITE: another installation of it
        program = Path(os.environ.get("AZURITE", INSTALLED))
        if not program.exists():
            raise ServerMissing(
                f"The test server Azurite is missing at {program}: run `make servers`, which installs it there by npm."
            )
        if shutil.which("node") is None:
            raise ServerMissing("Node.js, which runs the test server Azurite, is missing: install Node.js 18 or later.")

        def command(port: int, _: object) -> list[str | Path]:
            # it counts its use for its makers, and knows no newer clients than itself, unless told otherwise
            switches = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
            return [program, "--blobHost", HOST, "--blobPort", str(port), *switches]

        accounts = {"AZURITE_ACCOUNTS": f"{self.account}:{self.key}"}
        self._process = Process("azurite", command, answers, accounts)
        self.port = self._process.port
        self.url = f"http://{HOST}:{self.port}/{self.account}"
        self._made: set[str] = set()
        self._making = Lock()

        from azure.storage.blob import BlobServiceClient

        self.client = BlobServiceClient.from_connection_string(self.connection_string())

    def connection_string(self, endpoint: str | None = None) -> str:
        """The connection string of the account.

        Args:
            endpoint: Instead of `url`, such as that of a proxy.
        """
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.key};"
            f"BlobEndpoint={endpoint or self.url};"
        )

    def provider(self, name: str, **overrides: Any) -> dict[str, Any]:
        """As `Server.provider`; names have three characters or more, and no capitals."""
        self._make(name)
        options = {
            "storage": "azure",
            "account_name": self.account,
            "container": name,
            "endpoint": self.url,
            "credentials": {"auth_type": "account_key", "account_key": self.key},
            **overrides,
        }
        return {option: value for option, value in options.items() if value is not None}

    def put(self, name: str, uri: str, data: bytes, modified: datetime | None = None) -> None:
        """As `Server.put`."""
        if modified is not None:
            raise ValueError("Azurite cannot set times")
        self._make(name)
        self.client.get_blob_client(name, uri).upload_blob(data, overwrite=True)

    def remove(self, name: str, uri: str) -> None:
        """As `Server.remove`."""
        self.client.get_blob_client(name, uri).delete_blob()

    def close(self) -> None:
        """As `Server.close`."""
        self._process.close()

    def _make(self, name: str) -> None:
        with self._making:
            if name not in self._made:
                self.client.create_container(name)
                self._made.add(name)
