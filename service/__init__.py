"""The Flow Pipeline service: which pipelines exist, who may do what on each, and which jobs are in them.

Imports run down this list only (`make contract`): __main__ · commands · process · app · tracing, prometheus, admin ·
http · operations · authentication · schemas, batching, transfer · health, doctor, embedded, repositories · database ·
telemetry, identity · permissions, settings · errors, deadlines, identifiers. docs/architecture.md says what each is.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("flow-pipelines")
except PackageNotFoundError:  # run from a checkout that was not installed
    __version__ = "0.1.0"
