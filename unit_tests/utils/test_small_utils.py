from __future__ import annotations

from pathlib import Path

import pytest
from pydantic.v1 import BaseModel, Field

from airbyte_cdk.models import (
    AirbyteMessageSerializer,
    AirbyteStream,
    AirbyteStreamStatus,
    AirbyteStreamStatusReason,
    AirbyteStreamStatusReasonType,
    FailureType,
    StreamDescriptor,
)
from airbyte_cdk.utils import OneOfOptionConfig, is_cloud_environment
from airbyte_cdk.utils.analytics_message import create_analytics_message
from airbyte_cdk.utils.memory_guard import INTERVAL, INTERVAL_UNDER_PRESSURE, MemoryGuard
from airbyte_cdk.utils.request_guard import refusal
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
from airbyte_cdk.utils.traced_exception import AirbyteTracedException


def test_variants_of_a_config() -> None:
    class Token(BaseModel):
        class Config(OneOfOptionConfig):
            title = "Token"
            description = "Use a token."
            discriminator = "kind"

        kind: str = Field("token", const=True)
        token: str

    class Plain(BaseModel):
        class Config(OneOfOptionConfig):
            discriminator = "kind"

        kind: str

    schema = Token.schema()
    assert (schema["title"], schema["description"]) == ("Token", "Use a token.")
    assert schema["required"] == ["token", "kind"]
    assert Plain.schema()["required"] == ["kind"]
    assert Token.schema() == schema


@pytest.mark.parametrize(("value", "cloud"), [("cloud", True), ("CLOUD", True), ("", False), ("oss", False)])
def test_cloud_mode(monkeypatch: pytest.MonkeyPatch, value: str, cloud: bool) -> None:
    monkeypatch.setenv("DEPLOYMENT_MODE", value)
    assert is_cloud_environment() is cloud


def test_analytics_message() -> None:
    message = AirbyteMessageSerializer.dump(create_analytics_message("t", 3))
    assert message["trace"]["type"] == "ANALYTICS"
    assert message["trace"]["analytics"] == {"type": "t", "value": "3"}
    assert AirbyteMessageSerializer.dump(create_analytics_message("t", None))["trace"]["analytics"] == {"type": "t"}


def test_stream_status_message() -> None:
    stream = AirbyteStream(name="s", namespace="n", json_schema={}, supported_sync_modes=[])
    message = AirbyteMessageSerializer.dump(as_airbyte_message(stream, AirbyteStreamStatus.STARTED))
    assert message["trace"]["stream_status"] == {
        "stream_descriptor": {"name": "s", "namespace": "n"},
        "status": "STARTED",
    }
    reason = AirbyteStreamStatusReason(type=AirbyteStreamStatusReasonType.RATE_LIMITED)
    running = as_airbyte_message(StreamDescriptor(name="s"), AirbyteStreamStatus.RUNNING, [reason])
    assert AirbyteMessageSerializer.dump(running)["trace"]["stream_status"]["reasons"] == [{"type": "RATE_LIMITED"}]


def cgroup(root: Path, version: int, usage: int, limit: str, anonymous: int) -> Path:
    names = {2: ("memory.current", "memory.max", "anon"), 1: ("memory.usage_in_bytes", "memory.limit_in_bytes", "rss")}
    folder = root if version == 2 else root / "memory"
    folder.mkdir(exist_ok=True)
    (folder / names[version][0]).write_text(f"{usage}\n")
    (folder / names[version][1]).write_text(f"{limit}\n")
    (folder / "memory.stat").write_text(f"file 10\n{names[version][2]} {anonymous}\nslab 0\n")
    return root


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("usage", "limit", "anonymous", "stops"),
    [
        (960, "1000", 900, True),
        (960, "1000", 100, False),
        (940, "1000", 940, False),
        (960, "max", 900, False),
        (960, str(2**63 - 4096), 900, False),
    ],
)
def test_memory_guard(tmp_path: Path, version: int, usage: int, limit: str, anonymous: int, stops: bool) -> None:
    guard = MemoryGuard(cgroup(tmp_path, version, usage, limit, anonymous))
    guard.count(INTERVAL - 1)
    if not stops:
        guard.count(1)
        return
    with pytest.raises(AirbyteTracedException) as caught:
        guard.count(1)
    assert caught.value.failure_type is FailureType.system_error


def test_memory_guard_looks_more_often_under_pressure(tmp_path: Path) -> None:
    guard = MemoryGuard(cgroup(tmp_path, 2, 920, "1000", 900))
    guard.count(INTERVAL)
    cgroup(tmp_path, 2, 990, "1000", 980)
    guard.count(INTERVAL_UNDER_PRESSURE - 1)
    with pytest.raises(AirbyteTracedException):
        guard.count(1)


def test_memory_guard_without_a_cgroup(tmp_path: Path) -> None:
    guard = MemoryGuard(tmp_path / "nowhere")
    guard.count(10 * INTERVAL)
    guard.look()


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("http://127.0.0.1/", True),
        ("ftp://8.8.8.8/", True),
        ("https://127.0.0.1/", True),
        ("https://10.0.0.1:8443/x", True),
        ("https://[::1]/", True),
        ("https://localhost/", True),
        ("https://8.8.8.8/", False),
        ("https://no-such-host.invalid/", False),
    ],
)
def test_requests_that_the_cloud_refuses(url: str, refused: bool) -> None:
    assert (refusal(url) is not None) == refused


def test_requests_are_guarded_where_the_library_is_installed() -> None:
    requests = pytest.importorskip("requests")
    from airbyte_cdk.utils.request_guard import allow_public_requests_only

    send = requests.Session.send
    try:
        allow_public_requests_only()
        allow_public_requests_only()
        assert requests.Session.send.__wrapped__ is send
        with pytest.raises(AirbyteTracedException, match="https") as caught:
            requests.get("http://127.0.0.1:1/", timeout=1)
        assert caught.value.failure_type is FailureType.config_error
        with pytest.raises(AirbyteTracedException, match="private network"):
            requests.get("https://127.0.0.1:1/", timeout=1)
    finally:
        requests.Session.send = send
