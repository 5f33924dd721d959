"""`kerasnn inspect`: inputs, outputs and training of an exported network."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from kerasnn.cli.console import (
    echo_line,
    json_option,
    print_json,
    quiet_tensorflow,
    status_on_terminal,
    without_keras,
)
from kerasnn.cli.messages import aligned, as_cli_message, cli_messages
from kerasnn.cli.options import PATH, Command, allow_option
from kerasnn.errors import list_names

_MAX_LEVELS = 4
_HEADINGS = ("metrics", "baselines", "settings", "training", "data", "versions")


@click.command(
    "inspect", cls=Command, short_help="Show inputs, outputs and scores of a network."
)
@click.argument("model", type=PATH)
@json_option
@allow_option
def inspect_command(model: Path, as_json: bool, allow: tuple[str, ...]) -> None:
    """Show inputs, outputs, scores and settings of MODEL, a folder that train wrote.

    A SavedModel is a program. Its graph is not run, and it is an error if it has operations
    that can reach files, other machines or Python, or that are unknown.
    """
    from kerasnn.manifest import find_version, read_manifest

    folder = find_version(model)
    manifest = read_manifest(folder)
    if as_json:
        print_json({"folder": str(folder), **manifest})
    else:
        _print_manifest(folder, manifest)
    with status_on_terminal("Loading TensorFlow ..."), quiet_tensorflow(), without_keras():
        from kerasnn.graphs.loading import read_checked
    with cli_messages():
        saved = read_checked(folder, allow)
    for line in _contradictions(manifest, saved.meta_graph):
        click.echo(f"Warning: {as_cli_message(line)}", err=True)


def _contradictions(manifest: Mapping[str, Any], meta_graph: Any) -> Iterator[str]:
    """Yield what the manifest says of inputs and outputs, and the graph does not."""
    from tensorflow import as_dtype

    from kerasnn.manifest import DEFAULT_SIGNATURE, MANIFEST

    definition = meta_graph.signature_def[DEFAULT_SIGNATURE]
    for way, infos in (("inputs", definition.inputs), ("outputs", definition.outputs)):
        said = {name: tensor["dtype"] for name, tensor in manifest[way].items()}
        found = {name: as_dtype(info.dtype).name for name, info in infos.items()}
        names = sorted(n for n in said.keys() | found if said.get(n) != found.get(n))
        if names:
            yield (
                f"{MANIFEST} does not describe the SavedModel's {way}:"
                f" {list_names(names, 4)}; the SavedModel counts"
            )


def _print_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    network = manifest["network"]
    echo_line(f"{folder}")
    echo_line(f"  {network['class']}, {manifest['task']}, {network['weights']:,} weights")
    lines = _schema_lines(manifest["schema"]) if "schema" in manifest else []
    for line in (*lines, *_signature_lines(manifest), *_other_lines(manifest)):
        echo_line(line)


def _schema_lines(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines about the columns; reads JSON, so that pandas is not loaded."""
    target = schema.get("target")
    if target is not None:
        yield "target"
        reason = f"  ({as_cli_message(target['reason'])})" if target.get("reason") else ""
        yield f"  {target['name']}  {_values(target)}{reason}"
    yield "columns"
    yield from aligned(
        [[f"  {c['name']}", c["kind"], _missing(c), _values(c)] for c in schema["columns"]]
    )
    left_out = schema.get("left_out", [])
    if left_out:
        yield "left out"
        yield from aligned(
            [[f"  {c['name']}", as_cli_message(c["reason"])] for c in left_out]
        )


def _missing(column: Mapping[str, Any]) -> str:
    return f"{column['missing']:,} missing" if column.get("missing") else ""


def _values(column: Mapping[str, Any]) -> str:
    """Return the range of a column or a target, or its first levels."""
    if column.get("low") is not None and column.get("high") is not None:
        return f"{column['low']:.10g} to {column['high']:.10g}"
    if column.get("first") is not None:
        return f"{column['first']} to {column.get('last')}"
    levels = column.get("levels", column.get("classes", []))
    counts = column.get("counts") or [None] * len(levels)  # a schema may not have them
    shown = [
        level if count is None else f"{level} ({count:,})"
        for level, count in zip(levels, counts, strict=False)
    ][:_MAX_LEVELS]
    more = column.get("n_levels", len(levels)) - len(shown)
    return ", ".join(shown) + (f", and {more:,} more" if more > 0 else "")


def _signature_lines(manifest: Mapping[str, Any]) -> Iterator[str]:
    for way in ("inputs", "outputs"):
        yield way
        yield from aligned(
            [[f"  {name}", *_tensor(name, t)] for name, t in manifest[way].items()]
        )
        for tensor in manifest[way].values():
            if "columns" in tensor:
                yield f"      columns {list_names(tensor['columns'], 4)}"


def _tensor(name: str, tensor: Mapping[str, Any]) -> list[str]:
    """Return type and shape; and the column, if its name is not the input's."""
    shape = ", ".join("rows" if n is None else str(n) for n in tensor["shape"])
    column = tensor.get("column", name)
    return [f"{tensor['dtype']} [{shape}]", "" if column == name else f"column {column}"]


def _other_lines(manifest: Mapping[str, Any]) -> Iterator[str]:
    for heading in _HEADINGS:
        if not manifest.get(heading):
            continue
        on = f" on {manifest['measured_on']}" if "measured_on" in manifest else ""
        yield heading + (on if heading == "metrics" else "")
        for name, value in manifest[heading].items():
            interval = manifest.get("intervals", {}).get(name)
            beside = (
                f" ({_text(interval[0])} to {_text(interval[1])})"
                if interval and heading == "metrics"
                else ""
            )
            yield f"  {name}  {_text(value)}{beside}"
    yield "created"
    yield f"  {manifest['created']}"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(v)}" for name, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
