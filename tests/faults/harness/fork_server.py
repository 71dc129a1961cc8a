"""A fork server: it serves in a child process, and forks the next one when that was killed.

A child is forked from a process that has imported everything, as starting Python a thousand times would take minutes.
In all else it is `python -m service serve`.

`python -m tests.faults.harness.fork_server MODULE` prints the process id of each child.
"""

import importlib
import os
import sys
from typing import Final

from service.authentication import last_use as token_use

MODULE: Final = __name__
"""The module to run with the module of a service as its argument."""
NEVER: Final = 86400.0
"""Seconds: longer than any test."""


def main() -> None:
    module = importlib.import_module(sys.argv[1])
    token_use.INTERVAL = NEVER  # type: ignore[misc] # no background task may send statements
    while True:
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # the log goes to stderr, ids of children to stdout
            sys.argv = ["service", "serve"]
            module.main()
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
