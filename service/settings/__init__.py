"""Settings: for each an environment variable, a default that works, and a sentence for values that do not.

declared.py has all of them, environment.py reads values, unknown.py finds variables with typing errors.
"""

from service.settings.declared import Settings, WrongSettings, read_settings
from service.settings.environment import MAX_SOCKET_PATH, Network
from service.settings.unknown import find_unknown

__all__ = ["MAX_SOCKET_PATH", "Network", "Settings", "WrongSettings", "find_unknown", "read_settings"]
