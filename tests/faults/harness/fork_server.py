"""Serves in a child, and in the next one when that was killed: forked from what has everything loaded, as starting a
Python a thousand times would take minutes. A child is what `python -m service serve` is in all else.

`python -m tests.faults.harness.fork_server MODULE`; prints the process id of each child.
"""

import importlib
import os
import sys
from typing import Final

from service.authentication import last_use as token_use

MODULE: Final = __name__
NEVER: Final = 86400.0


def main() -> None:
    module = importlib.import_module(sys.argv[1])
    token_use.INTERVAL = NEVER  # type: ignore[misc] # nothing but the requests themselves asks the database
    while True:
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # its log
            sys.argv = ["service", "serve"]
            module.main()
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
