"""Frames a second of `kerasnn learn` while digits train, in a headless Chromium.

    python scripts/measure_learn.py --seconds 10

Prints the frames that the page drew in each second, those that the server trained and sent,
what the browser's main thread spent on a frame, and the load of the machine. Needs the
extra `[test]` and a Chromium.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from statistics import median

from playwright.sync_api import sync_playwright

SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu"]
STEPS_PER_FRAME = 4  # the page's speed to begin with
METRICS = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration")

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--seconds", type=int, default=10)
parser.add_argument("--data", choices=("digits", "iris"), default="digits")
parser.add_argument("--width", type=int, default=1280, help="of the window, in pixels")
arguments = parser.parse_args()

chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
command = [sys.executable, "-m", "kerasnn", "learn", "--port", "0", "--json"]
server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
port = json.loads(server.stdout.readline())["port"]
try:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        page = browser.new_page(viewport={"width": arguments.width, "height": 900})
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        if arguments.data == "iris":
            page.check("[name=data][value=iris]", force=True)
            page.wait_for_timeout(2000)
        page.click("#play")
        page.wait_for_timeout(3000)  # the first frames trace and warm up
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")

        def spent() -> dict[str, float]:
            """Return seconds of the browser's main thread, by what it did."""
            found = session.send("Performance.getMetrics")["metrics"]
            return {m["name"]: m["value"] for m in found if m["name"] in METRICS}

        def steps() -> int:
            """Return the steps since the start, from "3 + 7/23"."""
            epoch, _, done = page.inner_text("#now-epoch").split()
            done, of = done.split("/")
            return int(epoch) * int(of) + int(done)

        before, seconds, first, began = spent(), [], steps(), time.time()
        for _ in range(arguments.seconds):
            page.wait_for_timeout(1000)
            seconds.append(int(page.inner_text("#fps")))
        after, sent = spent(), (steps() - first) / STEPS_PER_FRAME / (time.time() - began)
        browser.close()
finally:
    server.terminate()
    server.wait()

print(f"{arguments.data}, {arguments.width} px: frames a second {seconds}")
frames = max(sum(seconds), 1)
shares = {name: f"{1000 * (after[name] - before[name]) / frames:.1f}" for name in METRICS}
print(f"median {median(seconds):g} drawn, {sent:.0f} sent")
print(f"milliseconds of the browser's main thread a frame {shares}")
load, cores = os.getloadavg()[0], os.cpu_count()
print(f"load {load:.1f} on {cores} cores, this program and others together")
