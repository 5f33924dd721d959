"""Export of trained networks to `saved_models/<name>/<version>/`, and their loading.

`export` is for networks of rows of numbers, `export_table` for networks of tables. The room
is called `saving`, as in Keras: a sub-package `export` would hide the function
`kerasnn.export`.
"""

from kerasnn.saving.folders import check_writable, version_of_run
from kerasnn.saving.reader import RowAnswers, SavedNetwork, SavedTable, load
from kerasnn.saving.session import session_answers
from kerasnn.saving.table_signatures import SignatureRows, TableSignature
from kerasnn.saving.table_writer import export_table
from kerasnn.saving.writer import export

__all__ = [
    "RowAnswers",
    "SavedNetwork",
    "SavedTable",
    "SignatureRows",
    "TableSignature",
    "check_writable",
    "export",
    "export_table",
    "load",
    "session_answers",
    "version_of_run",
]
