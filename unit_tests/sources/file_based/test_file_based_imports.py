"""The config is read at every command, so it must be light to import."""

import subprocess
import sys

HEAVY = ("pyarrow", "fastavro", "requests", "jsonschema", "wcmatch", "msgspec", "polars", "dateutil")


def test_the_config_loads_no_heavy_library() -> None:
    code = (
        "import sys, airbyte_cdk.sources.file_based.config.abstract_file_based_spec as spec;"
        "import airbyte_cdk.sources.file_based.schema_validation_policies, airbyte_cdk.sources.file_based.globs;"
        "spec.AbstractFileBasedSpec.schema();"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
