"""The progress of a training, shown to the user and passed on to a function."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kerasnn.choices import Verbose
from kerasnn.ensembles.train import RunOptions
from kerasnn.errors import InputError
from kerasnn.progress import FitBar, is_shown


@contextmanager
def shown_progress(
    options: RunOptions, verbose: Verbose, text: str = "Training"
) -> Iterator[RunOptions]:
    """Context manager that shows the progress of a run; yields the options for it.

    Args:
        options: of the run; their `progress` is called as before.
        verbose: as in `NetworkClassifier`.
        text: what is being done.

    Raises:
        InputError: verbose is none of "auto", 0, 1 and 2.
    """
    if verbose not in ("auto", 0, 1, 2):
        raise InputError(f"verbose must be 'auto', 0, 1 or 2; got {verbose!r}")
    if not is_shown(options.workers.verbose(verbose)):
        yield options
        return
    with FitBar(text, in_log=True) as bar:

        def report(done: int, epochs: int, losses: Mapping[str, float]) -> None:
            bar(done, epochs, losses)
            if options.progress is not None:
                options.progress(done, epochs, losses)

        yield dataclasses.replace(options, progress=report)
