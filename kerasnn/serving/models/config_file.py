"""A file that lists the models, read again at each refresh."""

import logging
from pathlib import Path

from kerasnn.errors import InputError
from kerasnn.serving.models.sources import Sources, parse_config

_log = logging.getLogger("kerasnn.serving")


class ConfigFile:
    """The models that a ModelServerConfig file lists.

    If the file is damaged while the server runs, that is logged once and the models stay.

    Args:
        path: of the file.

    Raises:
        InputError: it cannot be read, or is no ModelServerConfig.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text, self._sources = self._read()
        self._complaint = ""

    def __call__(self) -> Sources:
        """Return the models; reads the file again if it has changed."""
        try:
            self._text, self._sources = self._read(self._text)
            self._complaint = ""
        except InputError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.warning("%s; the previous models stay", error)
        return self._sources

    def _read(self, known: str | None = None) -> tuple[str, Sources]:
        option = f"--model-config-file {self._path}"
        try:
            text = self._path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{option}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InputError(f"{option}: is not text") from None
        if text == known:
            return text, self._sources
        try:
            return text, parse_config(text)
        except InputError as error:
            raise InputError(f"{option}: {error}") from None
