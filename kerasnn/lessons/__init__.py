"""The lessons as complete jobs, for `kerasnn train iris|digits` and `kerasnn evaluate`.

catalogue  rows, network and settings of each lesson
training   training and evaluation
report     the HTML page
exporting  a trained network with its report, saved
"""

from kerasnn.lessons.catalogue import LESSONS, Lesson, LessonRows, LessonSettings
from kerasnn.lessons.exporting import save
from kerasnn.lessons.training import TrainedLesson, evaluate, train

__all__ = [
    "LESSONS",
    "Lesson",
    "LessonRows",
    "LessonSettings",
    "TrainedLesson",
    "evaluate",
    "save",
    "train",
]
