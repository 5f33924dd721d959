"""Files in the folder of a SavedModel: inside it, regular, and of a bounded size.

Whoever sends a model chooses what is in its folder, even links, pipes and devices.
"""

import os
import stat
from pathlib import Path

from kerasnn.errors import InputError

MAX_FILE_BYTES = 64 * 2**20  # of a file that describes a model, such as its manifest


def check_model_file(path: Path, folder: Path) -> None:
    """Check that a path in a version's folder is a file or folder that lies inside it.

    The folder itself may be a link. Opening a pipe would wait for ever, and a device may
    have no end.

    Raises:
        InputError: a link leads out of it, or it is a pipe, a device or a socket.
        FileNotFoundError: there is no such file, or a link leads nowhere.
    """
    root, target = os.path.realpath(folder), os.path.realpath(path)
    if not Path(target).is_relative_to(root):
        raise InputError(
            f"{path} is a link that leads out of the folder of its version, to {target};"
            " put the file itself there"
        )
    mode = os.stat(target).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path} is no regular file, but a pipe, a device or a socket")


def read_model_file(path: Path, folder: Path, *, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Return the content of a file in a version's folder.

    Raises:
        InputError: as `check_model_file`; it is too long, or cannot be read.
        FileNotFoundError: there is no such file.
    """
    check_model_file(path, folder)
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if len(content) > max_bytes:
        raise InputError(f"{path}: it may have at most {max_bytes:,} bytes; it has more")
    return content
