"""Parts of a request put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["combine_mappings", "get_interpolation_context"]


def combine_mappings(
    mappings: Sequence[Mapping[str, Any] | str | None], allow_same_value_merge: bool = False
) -> Mapping[str, Any] | str:
    """One mapping with the keys of all, or the only text among them.

    Args:
        mappings: Mappings, or one text; None and empty mappings count for nothing.
        allow_same_value_merge: A key may come more than once if its values are equal; mappings under it are merged.

    Raises:
        ValueError: a key comes more than once, a second text, or a text and a mapping. The message names the key.
    """
    given = [mapping for mapping in mappings if mapping or isinstance(mapping, str)]
    texts = [part for part in given if isinstance(part, str)]
    if len(texts) > 1:
        raise ValueError("several texts cannot be combined")
    if texts:
        if len(given) > 1:
            raise ValueError("a text cannot be combined with anything else")
        return texts[0]
    combined: dict[str, Any] = {}
    for mapping in given:
        if isinstance(mapping, Mapping):
            _add(combined, mapping, allow_same_value_merge, "")
    return combined


def _add(combined: dict[str, Any], added: Mapping[str, Any], merge: bool, place: str) -> None:
    for key, value in added.items():
        known = combined.get(key)
        if key not in combined:
            combined[key] = _copied(value)
        elif merge and isinstance(known, dict) and isinstance(value, Mapping):
            _add(known, value, merge, f"{place}{key}.")
        elif not merge or known != value:
            raise ValueError(f"the key {place}{key} is given more than once")


def _copied(value: Any) -> Any:
    """What is merged into later must not be the caller's."""
    return {key: _copied(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def get_interpolation_context(
    stream_state: Mapping[str, Any] | None = None,
    stream_slice: Mapping[str, Any] | None = None,
    next_page_token: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What templates of a request may name: slice and page token. The state is not among them."""
    return {"stream_slice": stream_slice, "next_page_token": next_page_token}
