"""`kerasnn inspect`: what an exported network takes, gives, and how it was made."""

from pathlib import Path
from typing import Any

import click

from kerasnn.cli.console import json_option, print_json
from kerasnn.cli.parsing import Command


@click.command(cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@json_option
def inspect(model: Path, as_json: bool) -> None:
    """Signature, metrics and settings of MODEL, a folder that train wrote."""
    from kerasnn.manifest import find_version, read_manifest

    folder = find_version(model)
    manifest = read_manifest(folder)
    if as_json:
        print_json({"folder": str(folder), **manifest})
        return
    network = manifest["network"]
    click.echo(f"{folder}")
    click.echo(f"  {network['class']}, {manifest['task']}, {network['weights']:,} weights")
    for way in ("inputs", "outputs"):
        click.echo(way)
        for name, tensor in manifest[way].items():
            shape = ", ".join("rows" if n is None else str(n) for n in tensor["shape"])
            click.echo(f"  {name}  {tensor['dtype']} [{shape}]")
            if "columns" in tensor:
                click.echo(f"      columns {_shortened(tensor['columns'])}")
    for heading in ("metrics", "settings", "data", "versions"):
        if heading not in manifest:
            continue
        click.echo(heading)
        for name, value in manifest[heading].items():
            click.echo(f"  {name}  {_text(value)}")
    click.echo(f"created\n  {manifest['created']}")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _shortened(names: list[str]) -> str:
    if len(names) <= 8:
        return ", ".join(names)
    return f"{', '.join(names[:3])}, ..., {names[-1]}"
