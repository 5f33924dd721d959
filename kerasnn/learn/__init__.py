"""`kerasnn learn`: a page on which a small network trains in front of its reader.

settings  what the reader chooses, checked; the ways to break a training
rows      irises, digits, or a table of the reader's own
session   one training, step by step, in the compiled loop
frames    what the page shows of a training at one moment
program   the same training as a few lines of Python
sessions  the trainings of all tabs, limited in number
app       the HTTP application: page, sessions, Server-Sent Events
server    listens until a signal comes

`static/` holds the page, and its texts in English and Chinese.
"""

from kerasnn.learn.rows import LearnRows, csv_rows
from kerasnn.learn.session import LearnSession, ValueNetwork
from kerasnn.learn.settings import LearnSettings

__all__ = ["LearnRows", "LearnSession", "LearnSettings", "ValueNetwork", "csv_rows"]
