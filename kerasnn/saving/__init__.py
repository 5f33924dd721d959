"""Writes and loads trained networks as SavedModels, `saved_models/<name>/<version>/`.

The room is called `saving`, as in Keras, because `kerasnn.export` is a function, which a
sub-package of that name would replace.
"""

from kerasnn.saving.folders import check_writable, version_of_run
from kerasnn.saving.reader import SavedNetwork, load
from kerasnn.saving.session import session_answers
from kerasnn.saving.table_reader import SavedTable
from kerasnn.saving.table_writer import export_table
from kerasnn.saving.writer import export

__all__ = [
    "SavedNetwork",
    "SavedTable",
    "check_writable",
    "export",
    "export_table",
    "load",
    "session_answers",
    "version_of_run",
]
