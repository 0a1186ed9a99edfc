"""The command line. A command's module is imported only when the command runs, so that help is instant."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType

import click

from deployers.errors import ConfigurationError, TagboatError
from entrypoint import __version__
from entrypoint.commands.context import Context

COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    "Read the registry": {
        "parse": ("registry:parse", "Take a tag apart, by the grammar alone."),
        "show": ("registry:show", "What is registered, and what is in which stage."),
        "history": ("registry:history", "Every event of the registry, newest first."),
        "audit": ("audit:audit", "Who put what where, when, and by which gates."),
        "resolve": ("registry:resolve", "The release that a tag stands for."),
        "compare": ("compare:compare", "Two versions side by side: metrics, data, requirements."),
        "report": ("report:report", "What a change does to the models, as on a pull request."),
        "download": ("download:download", "The model's files, verified."),
    },
    "Write the registry": {
        "register": ("tagging:register", "Register a version."),
        "assign": ("tagging:assign", "Put a version in a stage."),
        "unassign": ("tagging:unassign", "Take a version out of a stage."),
        "deregister": ("tagging:deregister", "Take a registration back."),
        "deprecate": ("tagging:deprecate", "Retire an artifact."),
    },
    "Deploy": {
        "plan": ("deploy:plan", "What a deployment would change."),
        "deploy": ("deploy:deploy", "Bring a release live, prove it, or roll back."),
        "image": ("image:image", "A release as a container image."),
        "status": ("slots:status", "What is really served, slot by slot."),
        "rollback": ("slots:rollback", "Back to the last verified release."),
        "remove": ("slots:remove", "Take a slot down."),
        "release-hold": ("slots:release_hold", "Let events and reconcile at a held slot again."),
        "reconcile": ("deploy:reconcile", "Bring every slot to what the registry says."),
        "promote": ("promote:promote", "From stage to stage, what passes its gates."),
    },
    "Try": {
        "serve": ("serve:serve", "Serve a model here, until Ctrl-C."),
    },
    "Set up": {
        "init": ("init:init", "Write tagboat.yaml and the workflows."),
        "doctor": ("doctor:doctor", "What is wrong, and how to mend it."),
        "iam-policy": ("iam_policy:iam_policy", "What AWS must allow for a target."),
    },
}
"""Heading → command → (module:function below entrypoint.commands, one line of help)."""

HIDDEN = {"action": ("action:action", "The container Action's entry point.")}


class LazyGroup(click.Group):
    """A group that knows its commands' names and one-liners without importing them."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Every command that help shows, in reading order."""
        return [name for commands in COMMANDS.values() for name in commands]

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import one command, or None where there is none of that name."""
        for commands in (*COMMANDS.values(), HIDDEN):
            if name in commands:
                module, function = commands[name][0].split(":")
                command = getattr(import_module(f"entrypoint.commands.{module}"), function)
                assert isinstance(command, click.Command)  # noqa: S101 - the table above is ours, and tested
                return command
        return None

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one gets the nearest name as a hint."""
        if args and not args[0].startswith("-") and self.get_command(context, args[0]) is None:
            import difflib

            close = difflib.get_close_matches(args[0], self.list_commands(context), n=1)
            hint = f" Did you mean '{close[0]}'?" if close else " See tagboat --help."
            context.fail(f"There is no command '{args[0]}'.{hint}")
        return super().resolve_command(context, args)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the table of commands under its headings."""
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, line) for name, (_, line) in commands.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-C", "--directory", type=click.Path(exists=True, file_okay=False, path_type=Path), default=None,
              metavar="DIR", help="Work on the checkout in DIR instead of this folder's.")  # fmt: skip
@click.version_option(__version__, message="tagboat %(version)s")
@click.pass_context
def cli(context: click.Context, directory: Path | None) -> None:
    """Tagboat turns a Git tag into a running model.

    The Git repository is the registry: GTO's tags say which version of which artifact is in which stage. Tagboat
    downloads that version, verifies it, wraps it as a REST server, puts it where tagboat.yaml says, proves that it
    is live, or rolls back.

    A REF is a full tag (churn#prod#3) or GTO's shortcut: churn#prod, churn@latest, churn@v1.4.0.
    """
    if directory is not None:
        context.find_object(Context).directory = directory.resolve()  # type: ignore[union-attr]


def main(args: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code (DESIGN: 0 to 5)."""
    signal.signal(signal.SIGTERM, _interrupt)
    context = Context(directory=Path.cwd(), environment=os.environ)
    sys.exit(run(context, args))


def run(context: Context, args: Sequence[str] | None) -> int:
    """Run one command; errors are shown, and become the exit code."""
    try:
        code = cli.main(args, prog_name="tagboat", standalone_mode=False, obj=context)
    except TagboatError as error:
        context.fail(error)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ConfigurationError.exit_code
    except click.ClickException as error:
        hint = getattr(error, "ctx", None) and f"See {error.ctx.command_path} --help."  # type: ignore[attr-defined]
        context.fail(ConfigurationError(error.format_message(), hint=hint))
        return ConfigurationError.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        # click turns the one into the other; what was interrupted may say what goes on all the same.
        said = str(error.__cause__ or error)
        click.echo(
            f"interrupted: {f'{said}; ' if said else ''}run the same command again, it goes on from here", err=True
        )
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code if isinstance(code, int) else 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does: the same unwinding, the same state left behind."""
    raise KeyboardInterrupt
