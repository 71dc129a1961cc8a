"""The directory of the SQL files that belong to this version of the service."""

from pathlib import Path


def sql_directory() -> Path:
    """Return the directory of the SQL files: inside of the installed package, or beside it in a checkout."""
    installed = Path(__file__).parents[1] / "sql"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "sql"
