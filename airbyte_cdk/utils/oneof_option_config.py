"""Schema options of one variant of a union in a config."""

from __future__ import annotations

from typing import Any

__all__ = ["OneOfOptionConfig"]


class OneOfOptionConfig:
    """Base of the inner ``Config`` of a pydantic (v1) model that is one variant of a oneOf.

    ```
    class OAuth(BaseModel):
        class Config(OneOfOptionConfig):
            title = "OAuth"
            description = "Sign in with a browser."
            discriminator = "auth_type"

        auth_type: str = Field("oauth", const=True)
    ```

    Attributes:
        title: Name of the variant in the form.
        description: Put in the schema if not empty.
        discriminator: Name of the constant field that tells the variants apart; becomes required in the schema.
    """

    title: str = ""
    description: str = ""
    discriminator: str | None = None

    @staticmethod
    def schema_extra(schema: dict[str, Any], model: Any) -> None:
        """Complete the schema of `model` in place; pydantic calls it."""
        config = model.__config__
        if config.description:
            schema["description"] = config.description
        required = schema.get("required", [])
        if config.discriminator and config.discriminator not in required:
            schema["required"] = [*required, config.discriminator]
