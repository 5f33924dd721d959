"""An example of the gallery; scripts/build_gallery.py makes its page."""

# %% [markdown]
# # A client in Python, JavaScript and C
#
# A server answers HTTP, so everything that can send a request can ask it. The request is
# one picture of 8 x 8 pixels, in `clients/digit.json`:
#
# [[clients/digit.json]]
#
# Python, with its standard library:
#
# [[clients/ask.py]]
#
# JavaScript, in Node as it is:
#
# [[clients/ask.mjs]]
#
# C, with sockets alone:
#
# [[clients/ask.c]]
#
# Serve the networks of the lessons, from the top of the repository, and ask:
#
# ```sh
# kerasnn serve saved_models &
# cd docs/gallery/clients
# python ask.py
# node ask.mjs
# cc -o /tmp/ask ask.c && /tmp/ask digit.json
# ```

# %% tags=["run"]
import json
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "clients"
MODELS = Path(__file__).parents[2] / "saved_models"

subprocess.run(
    ["cc", "-Wall", "-Wextra", "-Werror", "-o", "ask", FOLDER / "ask.c"],
    check=True,
)
command = [sys.executable, "-m", "kerasnn", "serve", MODELS, "--json"]
command += ["--rest-port", "0", "--grpc-port", "off"]
with subprocess.Popen(
    command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
) as server:
    port = str(json.loads(server.stdout.readline())["rest_port"])
    for client in (
        [sys.executable, FOLDER / "ask.py", port],
        ["node", FOLDER / "ask.mjs", port],
        ["./ask", FOLDER / "digit.json", port],
    ):
        done = subprocess.run(
            client, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        print(done.stdout, end="")
    server.send_signal(signal.SIGTERM)

# %% [markdown]
# ## What to learn from it
#
# - The request is TensorFlow Serving's, so the same clients ask [its
#   server](tensorflow_serving.md), on the same port.
# - An error is a status that is not 200, and a JSON object with the reason: look at it, as
#   all three do.
# - The page of `kerasnn serve`, at `http://127.0.0.1:8501/`, writes such requests for any row
#   of any model. [Serving](../serving.md) has them for tables, and over gRPC.
