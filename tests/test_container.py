"""The Containerfile copies what is there, and starts a server that the options allow."""

import json
import re
from pathlib import Path

import yaml

from kerasnn.cli.serve import serve

ROOT = Path(__file__).parents[1]
CONTAINERFILE = (ROOT / "Containerfile").read_text()
(SERVICE,) = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()


def instruction(name):
    return re.findall(rf"^{name} (.*)$", CONTAINERFILE, re.MULTILINE)


def test_what_is_copied_exists_and_is_not_ignored():
    copied = [words.split()[:-1] for words in instruction("COPY")]
    names = {name for words in copied for name in words if not name.startswith(("-", "/"))}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {name for name in names if not (ROOT / name).exists()} == set()
    assert {f"!{name}" for name in names} == {x for x in ignored if x.startswith("!")}


def test_it_serves_all_models_on_the_ports_that_it_names():
    command = json.loads(instruction("CMD")[0])
    assert json.loads(instruction("ENTRYPOINT")[0]) == ["kerasnn"]
    defaults = {option.name: option.default for option in serve.params}
    context = serve.make_context("serve", [*command[2:], str(ROOT)])
    assert command[0] == "serve"
    assert context.params["host"] == "0.0.0.0"
    ports = [str(defaults[name]) for name in ("rest_port", "grpc_port")]
    assert instruction("EXPOSE") == [" ".join(ports)]
    assert SERVICE["ports"] == [f"127.0.0.1:{port}:{port}" for port in ports]
    assert SERVICE["volumes"] == [f"./saved_models:{command[1]}:ro"]


def test_it_runs_without_rights():
    assert instruction("USER") == ["10001:10001"]
    assert SERVICE["read_only"]
    assert SERVICE["cap_drop"] == ["ALL"]
    seconds = {option.name: option.default for option in serve.params}["drain_seconds"]
    assert int(SERVICE["stop_grace_period"].rstrip("s")) > seconds
