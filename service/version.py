"""The version of this program, which takes a tenth of a second to look up."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("flow-pipelines")
except PackageNotFoundError:  # run from a checkout that was not installed
    __version__ = "0.1.0"
