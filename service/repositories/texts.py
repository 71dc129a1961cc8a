"""Texts in statements: compared as columns are, whatever the database's own collation is."""


def folded(parameter: int) -> str:
    """Return the SQL of a text parameter in lower case, as `lower()` of a column has it: A to Z alone.

    By itself a parameter has the database's collation, which turns other letters, too, and in Turkish I into one that
    no name has.
    """
    return f'lower(${parameter}::text COLLATE "C")'


def any_folded(parameter: int) -> str:
    """Return the SQL of any of a parameter's texts, each in lower case likewise; to be compared with by `=`."""
    return f'ANY (ARRAY(SELECT lower(named.name COLLATE "C") FROM unnest(${parameter}::text[]) named (name)))'
