"""The failure where the Python client is missing, by which commands call servers."""

from service.errors import StartupError


def client_missing(error: ImportError) -> StartupError:
    """Return the failure of a command that calls a server, where what that takes can't be imported."""
    if isinstance(error, ModuleNotFoundError):
        missing = f"{error.name} is not installed, which calls of a server take"
    else:
        missing = "The Python client that is installed is of another version than this program"
    return StartupError(
        f"{missing}: `pip install` the wheel flow_pipelines_client that is beside this program's, or clients/python of"
        " its source."
    )
