"""``python -m airbyte_cdk.cli.source_files``."""

from airbyte_cdk.cli.source_files import main

if __name__ == "__main__":
    main()
