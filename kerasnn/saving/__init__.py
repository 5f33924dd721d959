"""A trained network to and from `saved_models/<name>/<version>/`, a SavedModel.

The room is called `saving`, as in Keras, because `kerasnn.export` is a function: a
sub-package of that name would take its place as soon as it is imported.
"""

from kerasnn.saving.folders import check_writable
from kerasnn.saving.reader import SavedNetwork, load
from kerasnn.saving.session import session_answers
from kerasnn.saving.writer import export

__all__ = [
    "SavedNetwork",
    "check_writable",
    "export",
    "load",
    "session_answers",
]
