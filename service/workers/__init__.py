"""Several workers on one machine: a parent that listens, watches and replaces them, and the workers themselves."""
