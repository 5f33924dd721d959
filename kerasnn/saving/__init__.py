"""A trained network to and from `saved_models/<name>/<version>/`, a SavedModel.

The room is called `saving`, as in Keras, because `kerasnn.export` is a function: a
sub-package of that name would take its place as soon as it is imported.
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
