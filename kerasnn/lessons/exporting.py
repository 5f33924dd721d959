"""A trained network with its report, saved."""

from pathlib import Path

from kerasnn import saving
from kerasnn.lessons.report import lesson_page, lesson_sections
from kerasnn.lessons.training import TrainedLesson
from kerasnn.manifest import data_fingerprint
from kerasnn.reports import png


def save(trained: TrainedLesson, folder: str | Path, *, run: str | None = None) -> Path:
    """Export a network with its report, and return the folder of the new version.

    Args:
        trained: from `train`.
        folder: of the model.
        run: name of the training run; a version of the same run is returned, not repeated.

    Raises:
        InputError: the folder cannot be written; nothing is left behind.
    """
    done = run and saving.version_of_run(folder, run)
    if done:
        return done
    lesson, rows = trained.lesson, trained.rows
    sections = lesson_sections(trained)
    figures = {f"{k}.png": png(figure) for s in sections for k, figure in s.figures.items()}
    tested = "test rows, never learned from" if lesson.held_out else "training rows"
    return saving.export(
        trained.network,
        folder,
        preprocessing=lesson.preprocessing,
        columns=lesson.columns,
        metadata={
            **({"run": run} if run else {}),
            "metrics": {"rows": tested, **trained.metrics},
            "settings": trained.settings.used(),
            "data": {
                "source": lesson.name,
                "rows": len(rows.x_train),
                "fingerprint": data_fingerprint(rows.x_train, rows.y_train),
            },
        },
        files={"report.html": lesson_page(trained, sections).encode(), **figures},
    )
