"""The permission table: operation by role by scope by ownership, every cell decided.

A row decides for each kind of caller what becomes of a call with a token without scopes, and which scopes another token
needs for that. It is written down apart from the code that decides calls (permissions/ and the operations), so that
each holds the other: a test makes the call of every cell. `make permissions` prints it into the documentation.

verdicts.py has its terms, decisions.py what rows share, and the others the rows, by what they are about.
"""

from typing import Final

from service.operations.permission_table.job_rows import JOB_IN_NONE_ROWS, JOB_ROWS
from service.operations.permission_table.organization_rows import ORGANIZATION_ROWS
from service.operations.permission_table.pipeline_rows import PIPELINE_ROWS
from service.operations.permission_table.user_rows import DIRECTORY_ROWS, PROVISIONING_ROWS, REACH_ROWS, TOKEN_ROWS

PERMISSION_TABLE: Final = (
    *ORGANIZATION_ROWS,
    *PIPELINE_ROWS,
    *JOB_ROWS,
    *JOB_IN_NONE_ROWS,
    *DIRECTORY_ROWS,
    *REACH_ROWS,
    *TOKEN_ROWS,
    *PROVISIONING_ROWS,
)
