"""`kerasnn learn`: a page on which a network trains in front of its reader."""

import click

from kerasnn.cli.console import echo_line, json_option, print_json, quiet_tensorflow
from kerasnn.cli.options import Command, option
from kerasnn.cli.serve.command import check_extra, log_to_standard_error


@click.command("learn", cls=Command, short_help="Watch a network train, in a browser.")
@json_option
@option(
    "--port", click.IntRange(0, 65535), "0: any free one.", default=8502, show_default=True
)
@option(
    "--host",
    str,
    "Name or address to listen on; 0.0.0.0 for all. Anyone who can reach it may train.",
    default="127.0.0.1",
    show_default=True,
)
def learn_command(port: int, host: str, as_json: bool) -> None:
    """Serve a page on which a small network trains in front of you.

    On irises, on handwritten digits, or on a table of yours, in the loop that trains
    everything else here. Start and pause it, change its settings, break it, and take the
    program with you. Nothing is saved, and nothing is loaded from elsewhere.
    """
    check_extra()
    from kerasnn.serving.http.browsers import browser_policy
    from kerasnn.serving.ports import address, bound_port, is_loopback

    with bound_port(host, port, "--port") as bound:
        log_to_standard_error()
        if not is_loopback(host):
            echo_line(
                f"Note: anyone who can reach {host} may train here; there are no passwords",
                err=True,
            )
        with quiet_tensorflow(status=0):
            from kerasnn.learn.server import run_learn_server
        number = bound.getsockname()[1]
        if as_json:
            print_json({"host": host, "port": number})
        else:
            echo_line(f"Learn at http://{address(host, number)} (Ctrl-C stops)")
        run_learn_server(bound, browser_policy(host))
