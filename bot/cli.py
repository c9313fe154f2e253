"""``helpline``: the one entry. Each command imports what it needs, so that `parse` and `settings` start without Rasa."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NoReturn, Optional

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads of two libraries fight over two cores

import typer

if TYPE_CHECKING:
    from bot.model import Channel
    from bot.settings import Settings

ROOT = Path(__file__).resolve().parents[1]

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="A multilingual helpline bot.", rich_markup_mode=None
)

# Errors whose message is one line that tells a person what to do.
_PLAIN = frozenset({
    "SettingsError", "ModelError", "TrainError", "StorageUnusable", "StorageUnavailable", "VaultError", "EvaluateError", "MissingPhrase", "ProviderError", "Refused",
    "DrillError", "BenchError",
})  # fmt: skip


class Refused(Exception):
    """A command cannot do what was asked; the message says what to do."""


def main() -> NoReturn:
    """Run ``helpline``. Errors are one line; a traceback, which could hold what somebody wrote, is never printed."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if type(error).__name__ in _PLAIN:
            print(f"helpline: {error}", file=sys.stderr)
            sys.exit(1)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        print(f"helpline: something went wrong that nobody foresaw ({type(error).__name__} at {place}); please report this line", file=sys.stderr)
        sys.exit(70)
    sys.exit(0)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _settings() -> Settings:
    from bot import logs, settings

    loaded = settings.load(os.environ)
    logs.configure(loaded.log_level)
    for name in settings.unknown(os.environ):
        _say(f"helpline: {name} is not a setting; `helpline settings` lists them all")
    return loaded


def _channel(name: str) -> Channel:
    from bot.model import Channel

    try:
        return Channel(name)
    except ValueError:
        raise Refused(f"--channel must be one of: {', '.join(known.value for known in Channel)}") from None


@contextmanager
def _batch() -> Iterator[BinaryIO]:
    """Give the real standard output to the answers alone: whatever a library prints goes to standard error."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            yield answers
        finally:
            sys.stdout.flush()


@app.callback()
def _start(
    settings: Annotated[Optional[Path], typer.Option(help="File of lines NAME=value; the environment wins over it.")] = None,
) -> None:
    if settings is not None:
        from bot.settings import read_file

        for name, value in read_file(settings).items():
            os.environ.setdefault(name, value)


@app.command()
def run() -> None:
    """Doors and engine under one command, on this machine; prints where people write."""
    loaded = _settings()
    from bot.web.supervise import supervise

    supervise(loaded)


@app.command()
def web() -> None:
    """The doors: the chat page, channels, health and metrics."""
    loaded = _settings()
    from bot.web.run import serve

    serve(loaded)


@app.command()
def engine() -> None:
    """The engine: takes conversations and answers them. Any number may run on one database."""
    loaded = _settings()
    from bot.engine.worker_process import main as work

    work(loaded)


@app.command()
def parse() -> None:
    """Understand JSON lines: {"text": …} in, one line out for each. Needs no database and no Rasa."""
    loaded = _settings()
    from bot.engine.converse_lines import answer_lines
    from bot.engine.converse_parse import parser

    with _batch() as out:
        for _ in answer_lines(sys.stdin.buffer, out, parser(loaded)):
            pass


@app.command()
def converse() -> None:
    """Hold conversations from JSON lines: each line one whole turn, on a store that is thrown away."""
    loaded = _settings()
    from bot.engine.converse import Conversations
    from bot.engine.converse_lines import answer_lines

    with _batch() as out, Conversations.open(loaded, progress=_say) as conversations:
        for _ in answer_lines(sys.stdin.buffer, out, conversations.answer):
            pass


@app.command()
def chat(
    language: Annotated[Optional[str], typer.Option(help="Language to begin with, for example fi.")] = None,
    channel: Annotated[str, typer.Option(help="web, telegram or sms.")] = "web",
    understood: Annotated[bool, typer.Option("--understood", help="Show what each message was understood as.")] = False,
) -> None:
    """Talk with the bot in the terminal; nothing is kept."""
    loaded = _settings()
    door = _channel(channel)
    from bot.engine.converse import Conversations
    from bot.engine.converse_chat import talk

    with Conversations.open(loaded, progress=_say) as conversations:
        talk(conversations, door, language, understood)


@app.command()
def evaluate(
    files: Annotated[list[Path], typer.Argument(help="JSON lines: text, intent, language, danger, style?", metavar="FILE…")],
    json: Annotated[Optional[Path], typer.Option(help="Write the figures here.")] = None,
    html: Annotated[Optional[Path], typer.Option(help="Write a report with plots here.")] = None,
) -> None:
    """Measure understanding on labelled texts: by language and style, worst confusions, danger missed and false alarms."""
    loaded = _settings()
    from bot.engine.agent_model import load_understander
    from bot.evaluation import report

    for file in files:
        if not file.is_file():
            raise Refused(f"{file} is not a file")
    _say("loading what understands")
    understander = load_understander(loaded.model)
    _say(f"evaluating {', '.join(str(file) for file in files)}")
    try:
        print(report.run([*files], understander, json_path=json, html_path=html))
    except (ValueError, OSError) as error:
        raise Refused(str(error)) from error


@app.command()
def train(force: Annotated[bool, typer.Option("--force", help="Train even when nothing has changed.")] = False) -> None:
    """Train the model from data/, domain/ and config.yml; does nothing when nothing has changed."""
    loaded = _settings()
    from bot.engine import train as training

    if training.train(ROOT, loaded.model, _say, force=force):
        _say(f"trained: {loaded.model}/")
    else:
        _say("nothing has changed since the model was trained")


@app.command()
def check() -> None:
    """Check that settings, catalogs, data, model and database are all there and fit together."""
    loaded = _settings()
    from bot.engine.worker_check import problems

    found = 0
    for name, problem in problems(ROOT, loaded):
        print(f"{'ok  ' if problem is None else 'FAIL'} {name}{'' if problem is None else ': ' + problem}")
        found += problem is not None
    if found:
        raise typer.Exit(1)


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    loaded = _settings()
    from bot.storage import open_store

    store = open_store(loaded)
    store.migrate()
    store.check()
    _say("the database is up to date")


@app.command()
def retain() -> None:
    """Erase the talks whose time is over, and print how many stood there before and stand there now. The doors do this every hour."""
    loaded = _settings()
    from bot import mailbox
    from bot.storage import conversations, open_store

    store = open_store(loaded)
    store.check()
    with store.read() as tx:
        before = conversations.count(tx)
    erased = mailbox.retain(store)
    with store.read() as tx:
        print(f"conversations before {before}, erased {erased}, now {conversations.count(tx)}")


@app.command()
def drill(
    messages: Annotated[int, typer.Option(help="How many uniquely tagged messages.")] = 1000,
    people: Annotated[int, typer.Option(help="How many people write them.")] = 50,
    engines: Annotated[int, typer.Option(help="Engine processes.")] = 2,
    senders: Annotated[int, typer.Option(help="Sender processes, where the doors do not send by themselves.")] = 2,
    rounds: Annotated[int, typer.Option(help="How often each named point kills a process.")] = 1,
    per_second: Annotated[float, typer.Option(help="Pace of the input; 0: as fast as it goes.")] = 0.0,
    channel: Annotated[str, typer.Option(help="web or telegram.")] = "web",
    database: Annotated[str, typer.Option(help="URL of an empty PostgreSQL database; none: SQLite in a throw-away folder.")] = "",
    real: Annotated[bool, typer.Option("--real/--echo", help="Engines with the trained model, or ones that repeat each message.")] = False,
    seed: Annotated[Optional[int], typer.Option(help="Repeat a drill's schedule.")] = None,
    json: Annotated[Optional[Path], typer.Option(help="Write the figures here.")] = None,
    html: Annotated[Optional[Path], typer.Option(help="Write a report with a time line here.")] = None,
) -> None:
    """Kill processes and fail the provider under load, then count: nothing lost, nothing doubled without a mark, order kept."""
    import secrets

    from bot.evaluation import drill as drills
    from bot.evaluation import drill_report
    from bot.evaluation.drill_lines import LINES

    _settings()
    if channel not in LINES:
        raise Refused(f"--channel must be one of: {', '.join(LINES)}")
    if min(messages, people, engines, senders) < 1:
        raise Refused("a drill needs at least one message, person, engine and sender")
    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    plan = drills.Plan(messages, min(people, messages), engines, senders, chosen, rounds, per_second, not real, channel, database)
    report = drills.Drill(plan, _say).hold()
    for target, content in ((json, report.as_json), (html, lambda: drill_report.page(report))):
        if target is not None:
            target.write_text(content(), encoding="utf-8")
    print(drill_report.text(report))
    if not report.good:
        raise typer.Exit(1)


@app.command()
def bench(
    messages: Annotated[int, typer.Option(help="How many for the sustained rate.")] = 600,
    engines: Annotated[int, typer.Option(help="Engine processes for the sustained rate.")] = 1,
    database: Annotated[str, typer.Option(help="URL of an empty PostgreSQL database; none: SQLite in a throw-away folder.")] = "",
    memory: Annotated[int, typer.Option(help="Also the engine's memory after so many messages more.")] = 0,
    stock: Annotated[bool, typer.Option(help="Also a stock Rasa server, trained and timed in the same run.")] = True,
    texts: Annotated[Optional[list[Path]], typer.Option(help="Files of messages as for `evaluate`; default: the kept-apart ones.")] = None,
    json: Annotated[Optional[Path], typer.Option(help="Write the figures here.")] = None,
) -> None:
    """Time the real processes on this machine, and a stock Rasa server beside them."""
    import json as writer
    import random

    from bot.evaluation import bench as benches
    from bot.evaluation.bench_stock import stock_rate
    from bot.evaluation.report import read_rows

    _settings()
    files = texts or sorted(Path("tests/kept_apart").glob("*.jsonl"))
    found = [row.text for row in read_rows(files)]
    random.Random(1).shuffle(found)  # noqa: S311 - an order, not a secret
    figures = benches.run(found, _say, messages=messages, engines=engines, database=database, memory=memory,
                          stock=(lambda chosen: stock_rate(chosen, _say)) if stock else None)
    shown = writer.dumps(figures.as_dict(), indent=2)
    if json is not None:
        json.write_text(shown + "\n", encoding="utf-8")
    print(shown)


@app.command()
def reconcile() -> None:
    """Ask the SMS provider for messages and delivery states that an outage lost. The doors do this every two minutes and when they start."""
    loaded = _settings()
    if not loaded.sms:
        raise Refused("SMS is off: set HELPLINE_TWILIO_ACCOUNT_SID and what goes with it")
    from bot.channels.sms.reconcile import reconcile_once
    from bot.storage import open_store

    store = open_store(loaded)
    store.check()
    found = reconcile_once(loaded, store)
    print(f"sms: listed {found.listed}, new {found.new}, delivery states learned {found.states}")


channels_app = typer.Typer(no_args_is_help=True, help="Telegram and its kin: what is wrong with them, and registering them with their providers.")
app.add_typer(channels_app, name="channels")


@channels_app.command(name="check")
def channels_check() -> None:
    """Say in plain words what is wrong with tokens, addresses, webhooks and certificates. Changes nothing."""
    _channels(connect=False)


@channels_app.command(name="connect")
def channels_connect() -> None:
    """Register webhooks and menus with the providers, then check."""
    _channels(connect=True)


def _channels(connect: bool) -> None:
    loaded = _settings()
    from bot.web.channels import findings

    found = findings(loaded, connect)
    for name, finding in found:
        print(f"{'ok  ' if finding.ok else 'FAIL'} {name}: {finding.text}")
    if not found:
        print("ok   no channel has settings: people write on the page only")
    if not all(finding.ok for _, finding in found):
        raise typer.Exit(1)


@app.command(name="settings")
def show_settings() -> None:
    """List every setting: name, what to write, default, what it does."""
    from bot.settings import SETTINGS

    for setting in SETTINGS:
        print(f"{setting.name}  ({setting.kind}; default {setting.default or 'empty'}{'; secret' if setting.secret else ''})\n    {setting.help}")


@app.command()
def erase(channel: Annotated[str, typer.Option(help="web, telegram or sms.")]) -> None:
    """Erase a person's conversation. Write the address (number, chat id or page token) on standard input, never as an argument."""
    loaded = _settings()
    door = _channel(channel)
    from bot import mailbox
    from bot.storage import open_store

    if sys.stdin.isatty():
        _say("address:")
    address = sys.stdin.readline().strip()
    if not address:
        raise Refused("write the address on standard input")
    store = open_store(loaded)
    store.check()
    print("erased" if mailbox.erase(store, door.value, address) else "nothing was stored for this address")
