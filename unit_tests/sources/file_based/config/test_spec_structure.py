"""The JSON schema of the config, which forms, the platform and published connectors rely on."""

import json
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import dpath
import pytest
from pydantic.v1 import BaseModel, Field

from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import (
    AbstractFileBasedSpec,
    DeliverPermissions,
    DeliverRawFiles,
    DeliverRecords,
)
from airbyte_cdk.sources.file_based.config.csv_format import CsvFormat
from airbyte_cdk.sources.file_based.config.file_based_stream_config import FileBasedStreamConfig
from airbyte_cdk.utils.oneof_option_config import OneOfOptionConfig

EXPECTED = json.loads((Path(__file__).parent / "spec_structure.json").read_text())


def without_texts(node: Any, names: bool = False) -> Any:
    if isinstance(node, dict):
        texts = set() if names else {"title", "description"}
        return {k: without_texts(v, k == "properties") for k, v in node.items() if k not in texts}
    return [without_texts(item) for item in node] if isinstance(node, list) else node


def objects(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        return [node, *(found for value in node.values() for found in objects(value))]
    return [found for item in node for found in objects(item)] if isinstance(node, list) else []


class Colour(Enum):
    RED = "red"


class Key(BaseModel):
    class Config(OneOfOptionConfig):
        title = "Key"
        discriminator = "auth_type"

    auth_type: Literal["key"] = Field("key", const=True)
    secret: str = Field(airbyte_secret=True)


class Anonymous(BaseModel):
    class Config(OneOfOptionConfig):
        title = "Anonymous"
        discriminator = "auth_type"

    auth_type: Literal["anonymous"] = Field("anonymous", const=True)


class Streams(FileBasedStreamConfig):
    quick: bool = False


class ConnectorSpec(AbstractFileBasedSpec, BaseModel):
    """Reads a colourful storage."""

    class Config:
        title = "Colourful"

    bucket: str = Field(title="Bucket", order=0)
    streams: list[Streams] = Field(title="Streams", order=2)
    credentials: Key | Anonymous = Field(title="Credentials", discriminator="auth_type", type="object", order=3)
    colour: Colour | None = Field(title="Colour")
    delivery_method: DeliverRecords | DeliverRawFiles = Field(
        title="Delivery", discriminator="delivery_type", type="object", order=7, default="use_records_transfer"
    )

    @classmethod
    def documentation_url(cls) -> str:
        return "https://example.com"


def test_structure_and_order_are_as_published() -> None:
    assert json.dumps(without_texts(AbstractFileBasedSpec.schema())) == json.dumps(EXPECTED)


def test_every_option_has_a_title_and_a_description() -> None:
    schema = AbstractFileBasedSpec.schema()
    stream = schema["properties"]["streams"]["items"]["properties"]
    fields = [*schema["properties"].items(), *stream.items()]
    for variant in stream["format"]["oneOf"]:
        fields += [(name, field) for name, field in variant["properties"].items() if name != "filetype"]
    assert [name for name, field in fields if not field.get("title")] == []
    assert [name for name, field in fields if not field.get("description")] == []
    assert all(variant["title"] for variant in schema["properties"]["delivery_method"]["oneOf"])


def test_the_new_option_stands_last_of_a_stream() -> None:
    stream = AbstractFileBasedSpec.schema()["properties"]["streams"]["items"]["properties"]
    assert list(stream)[-1] == "on_bad_rows"
    assert stream["on_bad_rows"]["default"] == "fail"
    assert stream["on_bad_rows"]["enum"] == ["fail", "skip"]


@pytest.mark.parametrize("model", [AbstractFileBasedSpec, FileBasedStreamConfig, Streams, ConnectorSpec])
def test_nothing_is_referenced_or_shared(model: type[BaseModel]) -> None:
    first, second = model.schema(), model.schema()
    assert "$ref" not in json.dumps(first)
    assert "definitions" not in first
    nodes = objects(first)
    assert len({id(node) for node in [*nodes, *objects(second)]}) == 2 * len(nodes)
    first["properties"].clear()
    assert model.schema() == second


def test_no_discriminator_is_left() -> None:
    schema = ConnectorSpec.schema()
    assert all("discriminator" not in node for node in objects(schema["properties"]))
    assert all("discriminator" not in node for node in objects(schema))


def test_edits_of_published_connectors_find_their_places() -> None:
    schema = ConnectorSpec.schema()
    stream = "properties/streams/items/properties"
    assert dpath.delete(schema, f"{stream}/legacy_prefix") == 1
    assert dpath.delete(schema, f"{stream}/format/oneOf/*/properties/inference_type") == 1
    processing = dpath.get(schema, f"{stream}/format/oneOf/4/properties/processing/oneOf")
    assert [variant["properties"]["mode"]["const"] for variant in processing] == ["local", "api"]
    schema["properties"]["start_date"]["order"] = 2


def test_a_connector_adds_and_narrows_fields() -> None:
    schema = ConnectorSpec.schema()
    assert schema["title"] == "Colourful"
    assert schema["description"] == "Reads a colourful storage."
    assert schema["required"] == ["streams", "bucket", "credentials"]
    assert list(schema["properties"])[:3] == ["start_date", "streams", "delivery_method"]
    assert schema["properties"]["credentials"]["type"] == "object"
    key, anonymous = schema["properties"]["credentials"]["oneOf"]
    assert key["required"] == ["secret", "auth_type"]
    assert anonymous["required"] == ["auth_type"]
    assert len(schema["properties"]["delivery_method"]["oneOf"]) == 2
    assert schema["properties"]["colour"]["allOf"][0]["enum"] == ["red"]
    items = schema["properties"]["streams"]["items"]
    assert list(items["properties"])[-1] == "quick"
    assert "description" not in items


def test_docstrings_of_this_package_stay_out_and_those_of_connectors_stay_in() -> None:
    class Documented(FileBasedStreamConfig):
        """One folder."""

    class Tabs(CsvFormat):
        """Text with tabs."""

    assert "description" not in FileBasedStreamConfig.schema()
    assert "description" not in CsvFormat.schema()
    assert Documented.schema()["description"] == "One folder."
    assert Tabs.schema()["description"] == "Text with tabs."


def test_permissions_are_the_third_way_of_delivery() -> None:
    variants = AbstractFileBasedSpec.schema()["properties"]["delivery_method"]["oneOf"]
    assert variants[2]["properties"]["delivery_type"]["const"] == DeliverPermissions().delivery_type
