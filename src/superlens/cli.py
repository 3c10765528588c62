"""`superlens`: the command line. What goes wrong for the user becomes one sentence on stderr and exit code 2.

Nothing heavy is imported until a command runs.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from superlens.commands import compare, data, demo, evaluate, predict, recipes, train
from superlens.commands.common import FailedError, StoppedError, say

USER_ERROR, INTERRUPTED = 2, 130

app = typer.Typer(
    name="superlens",
    help="One language model, linked to every vision task: ask in words, get words, boxes and masks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("predict")(predict.predict)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("recipes")(recipes.recipes)
app.add_typer(data.app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        import superlens

        typer.echo(f"superlens {superlens.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """One language model, linked to every vision task: ask in words, get words, boxes and masks."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 2 for what the user can mend, 130 after Ctrl-C."""
    try:
        code = app(arguments, prog_name="superlens", standalone_mode=False) or 0
        if code == INTERRUPTED:
            say("Stopped.")
        return code
    except StoppedError as stop:
        say(_sentence(stop))
        return INTERRUPTED
    except KeyboardInterrupt:
        say("Stopped.")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output (`| head`) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, FailedError) as error:
        if os.environ.get("SUPERLENS_DEBUG"):
            raise
        say(_sentence(error))
        return USER_ERROR
    except Exception as error:
        # Which module the mistakes in the command's own words (an unknown option) come from depends on Typer's version.
        if not hasattr(error, "format_message"):
            if type(error).__name__ == "Abort":
                return INTERRUPTED
            raise
        return _command_error(error)


def _command_error(error) -> int:
    """A mistake in the command's own words: one sentence; the whole help where nothing was asked for."""
    words = error.format_message().strip()
    if type(error).__name__ == "NoArgsIsHelpError":
        if words:  # Typer has shown it already, Click leaves that to us
            say(words)
    elif words:
        words = " ".join(words.split())
        say(words if words.endswith((".", "?", ")")) else f"{words}.")
    return error.exit_code


def _sentence(error: BaseException) -> str:
    """An exception as one line: what was wrong, without its class."""
    words = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        words = f"'{error.filename}': {error.strerror}."
    part = getattr(error, "part", None)  # of a NoLinkError, whose class is not imported here: the commands import it when they need it
    if isinstance(part, str):
        from superlens.recipes.schema import these_write

        words += these_write(part)
    return _capital(" ".join(words.split()) or f"{type(error).__name__}.")


def _capital(words: str) -> str:
    named = words.startswith("--") or any(mark in words.partition(" ")[0].rstrip(".,:;") for mark in "./\\")  # an option, a file
    return words if named else words[:1].upper() + words[1:]
