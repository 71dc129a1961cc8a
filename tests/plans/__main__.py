"""`make plans` fills the large database by this module, once: it takes minutes, and shows its progress."""

import asyncio
import sys
from time import perf_counter

from service.embedded.cluster import embedded_postgres
from tests.plans.database import LARGE, SERVER, fill

SIZE = 826
"""The approximate size of the large data set, in megabytes."""


def main() -> None:
    if (LARGE.directory / "filled").exists():
        return
    started, read = perf_counter(), 0

    def progress(size: int) -> None:
        nonlocal read
        read += size
        seconds = perf_counter() - started
        print(
            f"\rImporting the large data set: {read / 1e6:,.0f} of about {SIZE:,} MB, {seconds:.0f} s ",
            end="",
            file=sys.stderr,
            flush=True,
        )

    LARGE.directory.mkdir(parents=True, exist_ok=True)
    with embedded_postgres(LARGE.directory, SERVER) as dsn:
        asyncio.run(fill(dsn, LARGE, LARGE.directory, progress))
    print(f"\nFilled in {perf_counter() - started:.0f} s.", file=sys.stderr)


if __name__ == "__main__":
    main()
