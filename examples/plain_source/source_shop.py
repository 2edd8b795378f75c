"""A whole connector: the orders in an SQLite database, from the last one that was read on."""

import sqlite3
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from airbyte_cdk import AbstractSource, Stream, launch


class Orders(Stream):
    primary_key = "id"
    cursor_field = "id"

    def __init__(self, database: str) -> None:
        self.database = database
        self.state: Mapping[str, Any] = {}

    def read_records(self, *args: Any, **kwargs: Any) -> Iterator[Mapping[str, Any]]:
        orders = sqlite3.connect(self.database).execute(
            "SELECT id, customer, price FROM orders WHERE id > ? ORDER BY id", [self.state.get("id", 0)]
        )
        for id, customer, price in orders:
            self.state = {"id": id}
            yield {"id": id, "customer": customer, "price": price}


class SourceShop(AbstractSource):
    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        return [Orders(config["database"])]


if __name__ == "__main__":
    launch(SourceShop(), sys.argv[1:])
