"""`python -m tests.commands.without_httpx …`: the command line where neither httpx nor the client can be loaded."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

MISSING: Final = {"httpx", "httpcore", "anyio", "flow_pipelines_client"}


class Missing(MetaPathFinder):
    """Refuses to find some packages."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"{fullname} is loaded, and need not be", name=fullname)
        return None


if __name__ == "__main__":
    sys.meta_path.insert(0, Missing())

    from service.__main__ import main

    main()
