"""Ask a server which digit this is: python ask.py [port]."""

import json
import sys
import urllib.request
from pathlib import Path

port = sys.argv[1] if len(sys.argv) > 1 else "8501"
request = urllib.request.Request(
    f"http://127.0.0.1:{port}/v1/models/digits:predict",
    data=Path(__file__).with_name("digit.json").read_bytes(),
)
with urllib.request.urlopen(request, timeout=10) as response:
    (answer,) = json.load(response)["predictions"]
print(
    f"class {answer['class']}, probability {max(answer['probabilities']):.3f}"
)
