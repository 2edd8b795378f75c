"""The ready-made file connector: ``source-files spec|check|discover|read``."""

from __future__ import annotations

import sys


def main(args: list[str] | None = None) -> None:
    """Run one command of the connector.

    Args:
        args: The command line without the program's name; None for that of the process.
    """
    from airbyte_cdk.cli.source_files.source import SourceFiles
    from airbyte_cdk.entrypoint import launch

    argv = sys.argv[1:] if args is None else args
    launch(SourceFiles.from_args(argv), argv)
