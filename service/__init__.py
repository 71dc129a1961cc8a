"""The Flow Pipeline service: which pipelines exist, who may do what on each, and which jobs are in them.

docs/explanation/architecture.md describes each package and module here, by layer. Imports run down the layers only
(`make contract`).
"""
