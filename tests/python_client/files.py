"""The files that `make client` writes."""

from pathlib import Path
from typing import Final

from tests.python_client.models import Models
from tests.python_client.operations import ASYNC, SYNC, module, table
from tests.python_client.reference import PAGE, page
from tests.python_client.text import formatted

PACKAGE: Final = Path(__file__).parents[2] / "clients/python/flow_pipelines_client"


def files() -> dict[Path, str]:
    """Return the text of each file."""
    models = Models.of()
    sources = {
        "models.py": models.text(),
        "table.py": table(),
        "operations.py": module(SYNC),
        "async_operations.py": module(ASYNC),
    }
    made = {PACKAGE / name: formatted(source, name) for name, source in sources.items()}
    return {**made, PAGE: page(models)}
