"""The Flow Pipeline service: which pipelines exist, who may do what on each, and which jobs are in them.

docs/explanation/architecture.md describes each package and module here, by layer. Imports run down the layers only
(`make contract`).
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("flow-pipelines")
except PackageNotFoundError:  # run from a checkout that was not installed
    __version__ = "0.1.0"
