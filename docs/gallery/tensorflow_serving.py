"""An example of the gallery; scripts/build_gallery.py makes its page."""

# %% [markdown]
# # TensorFlow Serving by compose file
#
# What kerasnn writes is served by TensorFlow Serving unchanged, where a service shall not
# depend on Python. `tensorflow_serving/compose.yaml`:
#
# [[tensorflow_serving/compose.yaml]]
#
# `tensorflow_serving/models.config`, which names the models:
#
# [[tensorflow_serving/models.config]]
#
# **It was not run here, for want of a container engine.** A test checks the files: the folders
# and ports that they name, and that `kerasnn serve`, which reads the same kind of file, takes
# `models.config`.

# %% tags=["test"]
from pathlib import Path

import yaml

from kerasnn.serving.models.sources import parse_config

FOLDER = Path(__file__).parent / "tensorflow_serving"
(service,) = yaml.safe_load((FOLDER / "compose.yaml").read_text())[
    "services"
].values()
mounted = dict(
    reversed(volume.split(":")[:2]) for volume in service["volumes"]
)
assert mounted.keys() == {"/models", "/config/models.config"}
assert service["command"][0] == "--model_config_file=/config/models.config"
for place in mounted.values():
    assert (FOLDER / place).exists()
assert service["ports"] == ["127.0.0.1:8501:8501", "127.0.0.1:8500:8500"]

models = parse_config((FOLDER / "models.config").read_text())
for name, model in models.items():
    assert model.folder == Path("/models", name)
    assert (
        FOLDER / mounted["/models"] / name / "1" / "saved_model.pb"
    ).exists()

# %% [markdown]
# ## What to learn from it
#
# - Models are mounted read-only, the container has no rights, and the ports are published to
#   this machine only: there are no users and no passwords.
# - The [clients in Python, JavaScript and C](clients.md) ask it without a change.
# - `kerasnn serve saved_models` answers the same requests, with limits, a page and metrics;
#   [what differs](../serving.md#differences-from-tensorflow-serving).
