"""An example of the gallery; scripts/build_gallery.py makes its page."""

# %% [markdown]
# # Two workers
#
# The same script in two processes, here of one machine. Each takes half of the rows of every
# step, and both make the same update. The script is `workers/train.py`:
#
# [[workers/train.py]]
#
# `workers/two.sh` starts it twice:
#
# [[workers/two.sh]]
#
# `python train.py` alone, and then `sh two.sh`, print:

# %% tags=["run"]
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "workers"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # this Python

runpy.run_path(str(FOLDER / "train.py"))

with socket.socket() as first, socket.socket() as second:
    for one in (first, second):
        one.bind(("127.0.0.1", 0))
    ports = [str(one.getsockname()[1]) for one in (first, second)]
done = subprocess.run(
    ["sh", "two.sh", *ports],
    cwd=FOLDER,
    env=os.environ | {"PATH": PATH},
    capture_output=True,
    text=True,
)
assert done.returncode == 0, done.stderr
print(done.stdout, end="")

# %% [markdown]
# ## What to learn from it
#
# - The result is that of one process, to rounding: two workers are a matter of time, not of
#   quality.
# - They do not pay for a network as small as this one: below about 5 ms of arithmetic a step
#   the workers wait for each other. Give them different seeds or settings instead.
# - `kerasnn train table.csv --target y` divides the rows of a table in the same way, if
#   TF_CONFIG is set. [Several machines](../several-machines.md) says what happens when a
#   worker dies, and what was measured.
