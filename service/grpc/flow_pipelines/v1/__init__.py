"""Version 1 of the package flow_pipelines."""
