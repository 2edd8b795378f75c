"""Scenarios: what is in a storage, a connector's config, and the commands that it is given one after the other.

A file of scenarios/ has the keys ``connector``, ``server`` (one of those in `saved`, or none), ``environment``
(variables that the connector runs with, with placeholders), ``config`` (which the configs of its scenarios add to) and
``scenarios``. A scenario has

- ``name``;
- ``files``: entries with a ``uri``, a time ``modified`` (UTC) if the server lets us, and a content: see `contents`;
- ``config``: merged into that of the file of scenarios; null takes a key away. ``{bucket}``, ``{endpoint}``,
  ``{key}`` and ``{secret}`` in texts stand for those of the server;
- ``commands``: by a name of its own each, in the order in which they run, with
    - ``command``: spec, check, discover or read; taken from the name if that is one of them, else read,
    - ``config``: merged into the scenario's,
    - ``put``: files, and ``remove``: uris, before the command,
    - ``mode`` of a read: full_refresh (if not given) or incremental, for all streams or by stream,
    - ``catalog`` of a read: a JSON schema for each stream; if not given, what the command ``discover`` found on the
      original,
    - ``state`` of a read: a state for each stream; or the name of an earlier command, for that one's final state, if
      it has ``saved_by: original`` or ``saved_by: ours`` that of this framework, whichever one runs now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from published.contents import content

if TYPE_CHECKING:
    from servers.process import Server

FOLDER = Path(__file__).parent / "scenarios"


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Attributes:
        name: File and name, such as ``s3/csv``.
        connector: Such as ``s3``.
        server: Name of the fixture, or None.
        environment: Variables that the connector runs with, before the placeholders are replaced.
        config: Before the placeholders are replaced.
        files: What is in the storage at first.
        commands: By name.
    """

    name: str
    connector: str
    server: str | None
    environment: Mapping[str, str]
    config: Mapping[str, Any]
    files: list[Mapping[str, Any]]
    commands: Mapping[str, Mapping[str, Any]]


def scenarios() -> Iterator[Scenario]:
    """All scenarios of the folder."""
    for path in sorted(FOLDER.glob("*.yaml")):
        file = yaml.safe_load(path.read_text())
        for entry in file["scenarios"]:
            unknown = set(entry) - {"name", "config", "files", "commands"}
            if unknown:
                raise ValueError(f"{path.name}, scenario {entry['name']}: unknown {', '.join(sorted(unknown))}")
            yield Scenario(
                name=f"{path.stem}/{entry['name']}",
                connector=file["connector"],
                server=file.get("server"),
                environment=file.get("environment", {}),
                config=merged(file.get("config", {}), entry.get("config", {})),
                files=entry.get("files", []),
                commands={name: details or {} for name, details in entry["commands"].items()},
            )


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `changes`; what is None there is taken away."""
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


@dataclass(frozen=True)
class Storage:
    """The storage of one run of a scenario: a bucket, container or folder of a server.

    Args:
        server: Where it is; None for connectors that read from none.
        name: Its name there.
    """

    server: Server | None
    name: str

    def put(self, file: Mapping[str, Any]) -> None:
        """Write a file of a scenario."""
        assert self.server is not None
        self.server.put(self.name, file["uri"], content(file), file.get("modified"))

    def remove(self, uri: str) -> None:
        """Delete a file."""
        assert self.server is not None
        self.server.remove(self.name, uri)

    def placeholders(self) -> dict[str, Any]:
        """What the placeholders of a config stand for: texts, or a number that is the whole value."""
        if self.server is None:
            return {}
        if hasattr(self.server, "placeholders"):
            # that of the folder has the name in it
            return {**self.server.placeholders(self.name), "bucket": self.name}
        names = {"url": "endpoint", "key": "key", "secret": "secret"}
        found = {placeholder: getattr(self.server, name, None) for name, placeholder in names.items()}
        return {"bucket": self.name, **{key: value for key, value in found.items() if value is not None}}

    def filled(self, value: Any) -> Any:
        """`value` with the placeholders in all its texts replaced."""
        return replaced(value, {"{" + key + "}": found for key, found in self.placeholders().items()})


def replaced(value: Any, texts: Mapping[str, Any]) -> Any:
    """A JSON value with each of `texts` replaced in all its texts, those of keys included."""
    if isinstance(value, str):
        for old, new in texts.items():
            if isinstance(new, int) and value == old:
                return new
            value = value.replace(old, str(new))
        return value
    if isinstance(value, Mapping):
        return {replaced(key, texts): replaced(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, texts) for item in value]
    return value
