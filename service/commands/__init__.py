"""The command line: one file for each command.

Beside them, context.py runs their work on the database, options.py has the options and types of values that several of
them take, output.py alone prints, for people and for programs, target.py opens the files that they write to, and
ending.py tells failures and gives the exit code. A command's docstring is its help text.
"""
