"""The command line: one file for each command.

Beside them, context.py runs their work on the database, options.py has the options and types of values that several of
them take, and output.py prints for people and for programs. A command's docstring is its help text.
"""
