"""The docs say what the commands do: every command is in them, and everything in them exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

import pytest
from conftest import FakeClock
from for_each import for_each

from wa import settings
from wa.cli.options import SENDING
from wa.errors import EXIT_OF_CODE, ExitStatus
from wa.whatsapp.loopback.faults import FAULTS

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "findings/README.md"]
}
README, LOOPBACK, SCHEDULING = (
    PAGES[name] for name in ("README.md", "docs/loopback.md", "docs/scheduling.md")
)
RUNNING, EXIT_CODES = PAGES["docs/running.md"], PAGES["docs/exit-codes.md"]
COMPARED = PAGES["docs/compared.md"]

sys.path.insert(0, str(ROOT / "docs"))
import help_texts  # noqa: E402

CONTEXTS = {ctx.command_path: ctx for ctx in help_texts.commands()}
LEAVES = [path for path, ctx in CONTEXTS.items() if help_texts.does_something(ctx)]


def table(text: str, header: str) -> list[list[str]]:
    """Return the rows of the Markdown table whose first line is `header`, each as its cells."""
    lines = text.split(header + "\n", 1)[1].splitlines()[1:]
    return cells(takewhile(lambda line: line.startswith("|"), lines))


def cells(lines: Iterable[str]) -> list[list[str]]:
    """Return the cells of each row of a Markdown table."""
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def code_lines(text: str) -> list[str]:
    """Return the command lines of all code blocks; a continued line is joined."""
    blocks = re.findall(r"^```(?:sh|crontab)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for session in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        blocks += re.findall(r"^\$ (.*\n)", session, re.MULTILINE)
    return "".join(blocks).replace("\\\n", " ").splitlines()


def wa_commands(line: str) -> list[list[str]]:
    """Return the calls of `wa` in a line of shell or crontab, each as its words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.commenters, lexer.whitespace_split = "#", True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|&;<>()"):
            commands.append([])
        else:
            commands[-1].append(word)
    found = []
    for words in commands:
        while words and (re.fullmatch(r"[A-Z_]+=.*|[*/0-9]+|\$", words[0])):
            words = words[1:]
        if words and words[0].rpartition("/")[2] == "wa":
            # a bare number before a redirection is the file descriptor's
            found.append(["wa", *words[1:]])
    return found


def test_the_walk_finds_the_commands():
    assert {"wa", "wa send", "wa schedule", "wa schedule add", "wa loopback say"} <= set(CONTEXTS)
    assert len(LEAVES) >= 25


@for_each("path", CONTEXTS)
def test_a_command_has_help(path):
    ctx = CONTEXTS[path]
    assert help_texts.summary(ctx), "no help"
    for param in ctx.command.params:
        assert getattr(param, "help", None), f"{param.name} has no help"


@for_each("path", LEAVES)
def test_a_command_has_an_example_of_itself(path):
    examples = help_texts.examples(CONTEXTS[path])
    assert examples, "no `Example:` line"
    for example in examples:
        assert help_texts.parse(example) == path


@for_each("path", CONTEXTS)
def test_the_list_of_commands_cuts_no_summary_off(path):
    assert not re.search(r"^  \S+  .*\.\.\.$", help_texts.help_text(CONTEXTS[path]), re.MULTILINE)


def test_the_readme_names_every_command():
    cells = [row[1].replace("\\", "") for row in table(README, "| to | commands |")]
    listed: list[str] = []
    for call in re.findall("`(.+?)`", " ".join(cells)):
        *group, last = call.split(" ")
        listed += [" ".join([*group, name]) for name in last.split("|")]
    assert sorted(listed) == sorted(LEAVES)


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 200


@for_each("name", PAGES)
def test_command_lines_in_code_blocks_are_real(name):
    for line in code_lines(PAGES[name]):
        for words in wa_commands(line):
            if words[1:] != ["--install-completion"]:  # it would be installed
                help_texts.parse([word for word in words if word not in ("2",)])


def test_there_are_command_lines_in_code_blocks():
    calls = {name: [wa_commands(line) for line in code_lines(text)] for name, text in PAGES.items()}
    assert {name for name, found in calls.items() if any(found)} >= {"README.md", "docs/messages.md"}


def quoted_calls(name: str, first: str) -> list[str]:
    """Return the calls of `wa` in the running text and tables of a page whose next word begins like `first`.

    The list of commands in README is left out.
    """
    text = re.sub(r"^(```).*?^```|^\| to \|.*?^$", "", PAGES[name], flags=re.MULTILINE | re.DOTALL)
    return re.findall(rf"`(wa {first}[^`\n]*)`", text)


@for_each("name", PAGES)
def test_commands_named_in_the_text_are_real(name):
    for quoted in quoted_calls(name, "[a-z]"):
        words = [word for word in shlex.split(quoted) if not word.startswith("-") and word != "K"]
        assert any(" ".join(words[:size]) in LEAVES or " ".join(words) in CONTEXTS for size in range(2, 4)), (
            quoted
        )


@for_each("name", PAGES)
def test_options_named_in_the_text_are_real(name):
    for quoted in quoted_calls(name, "[-a-z]"):
        words = shlex.split(quoted)
        path = next(" ".join(words[:size]) for size in (3, 2, 1) if " ".join(words[:size]) in CONTEXTS)
        real = {opt for param in CONTEXTS[path].command.params for opt in param.opts + param.secondary_opts}
        assert {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)} <= real, quoted


def test_the_comparison_shows_what_we_do_and_says_why_not():
    lines = re.findall(r"^\| (?!feature ).*", COMPARED, re.MULTILINE)
    rows = [row for row in cells(lines) if len(row) == 6]
    ours = {row[0]: row[5] for row in rows}
    assert len(ours) == len(rows) > 60
    for feature, shown_by in ours.items():
        assert shown_by == "no" or re.fullmatch("`(wa .+|WA_[A-Z_]+)`", shown_by), feature
    reasons = [feature for row in table(COMPARED, "| what | why |") for feature in row[0].split("; ")]
    assert sorted(reasons) == sorted(feature for feature, shown_by in ours.items() if shown_by == "no")
    assert {cell for row in rows for cell in row[1:5]} == {"yes", "part", "no", "–"}


def test_the_finder_of_command_lines_finds_them():
    assert wa_commands('$ wa send a "b c"  # wa status') == [["wa", "send", "a", "b c"]]
    assert wa_commands("echo x | WA_TZ=UTC .venv/bin/wa chats 5 && wa unread") == [
        ["wa", "chats", "5"],
        ["wa", "unread"],
    ]
    assert wa_commands("* * * * * /home/you/wa run-scheduler --once") == [["wa", "run-scheduler", "--once"]]
    assert wa_commands("make demo   # wa") == []


def test_commands_md_is_current():
    check = [sys.executable, "-m", "cogapp", "--check", "docs/commands.md"]
    found = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, "make docs" + found.stdout + found.stderr


def test_commands_md_is_plain():
    text = PAGES["docs/commands.md"]
    assert not re.search("[\x1b\u2500-\u257f]", text)
    for path in CONTEXTS:
        assert f"## {path}\n" in text


def test_the_readme_has_the_exit_codes():
    rows = table(README, "| exit | means | codes |")
    assert [int(row[0]) for row in rows] == [status.value for status in ExitStatus]
    listed = {code: int(row[0]) for row in rows for code in re.findall(r"`([a-z-]+)`", row[2])}
    assert listed == {code: status.value for code, status in EXIT_OF_CODE.items()}


def test_the_exit_codes_name_the_commands_that_sigterm_does_not_end_with_0():
    sentence = EXIT_CODES.split("SIGTERM ends ")[1].split(" with 130")[0]
    assert tuple(re.findall("`(.+?)`", sentence)) == SENDING


def test_the_page_of_exit_codes_has_the_same():
    rows = table(EXIT_CODES, "| code | exit | what happened, and what to do |")
    assert {row[0].strip("`"): int(row[1]) for row in rows} == EXIT_OF_CODE


def test_the_settings_are_explained():
    rows = table(RUNNING, "| variable | default | meaning |")
    assert [row[0].strip("`") for row in rows] == ["WA_HOME", *settings.NAMES]


def test_the_defaults_of_the_settings_are_right():
    rows = {
        row[0].strip("`"): row[1].strip("`") for row in table(RUNNING, "| variable | default | meaning |")
    }
    given = {name: rows[name] for name in settings.NAMES if rows[name] not in ("none", "the system's zone")}
    assert settings.parse_settings(given, lambda: "UTC") == settings.parse_settings({}, lambda: "UTC")


def test_the_states_are_explained():
    from wa.queue.rows import STATUSES

    assert [row[0].strip("`") for row in table(SCHEDULING, "| state | means |")] == list(STATUSES)


def test_the_forms_of_a_time_are_read():
    from datetime import datetime, timezone
    from zoneinfo import ZoneInfo

    from wa.when import parse_when

    now = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
    looking_back = PAGES["docs/messages.md"].partition("Besides, there are")[2].partition("\n\n")[0]
    back = re.findall("`(.+?)`", looking_back)
    assert all(parse_when(form, now, ZoneInfo("Europe/London"), past=True) < now for form in back)
    assert "last week" in back
    forms = [
        each for row in table(SCHEDULING, "| form | examples |") for each in re.findall("`(.+?)`", row[1])
    ]
    assert len(forms) >= 12
    for form in forms:
        assert parse_when(form, now, ZoneInfo("Europe/London")) >= now


def test_the_faults_are_explained():
    named = [row[0].strip("`").split()[0] for row in table(LOOPBACK, "| fault | what happens |")]
    assert sorted(named) == sorted(FAULTS)


def test_the_json_lines_in_the_docs_are_accepted(wa):
    for line in code_lines(LOOPBACK):
        for said in re.findall(r"\{.*\}", line):
            assert wa("loopback", "say", "-", stdin=said).code == 0


def test_the_faults_in_the_docs_are_accepted(wa):
    for row in table(LOOPBACK, "| fault | what happens |"):
        assert wa("loopback", "fault", *row[0].strip("`").split()).code == 0


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@for_each("name", PAGES)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[name]):
        path, _, anchor = target.partition("#")
        page = (ROOT / name).parent.joinpath(path).resolve() if path else ROOT / name
        assert page.exists(), target
        assert not anchor or anchor in anchors(page.read_text(encoding="utf-8")), target


def test_every_page_is_linked_from_the_readme():
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)", README))
    assert linked == {name for name in PAGES if name.startswith("docs/")}


@pytest.mark.parametrize("name", ["README.md", "docs/development.md"])
def test_paths_named_in_the_text_exist(name):
    named = re.findall(r"`((?:wa|tests|docs|contacts|findings)/[\w./*-]*)`", PAGES[name])
    for path in named:
        assert list(ROOT.glob(path)), path


def test_the_map_has_every_package():
    named = re.findall(r"^\| `(wa/\w+)/` \|", PAGES["docs/development.md"], re.MULTILINE)
    assert sorted(named) == sorted(f"wa/{path.parent.name}" for path in ROOT.glob("wa/*/__init__.py"))


def test_the_sample_in_the_readme_is_the_real_output(wa):
    clock = FakeClock("2026-11-28T10:30:10")
    sample = re.search(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    session = re.split(r"^\$ ", sample[1], flags=re.MULTILINE)[1:]
    assert len(session) >= 6
    for command, _, expected in (step.partition("\n") for step in session):
        if command.startswith("wa "):
            done = wa(*shlex.split(command)[1:], now=clock)
            assert done.code == 0, done.err
            assert as_cells(expected) == as_cells(done.err + done.out), command


def as_cells(output: str) -> list[list[str]]:
    """Return the cells that a command prints, on a terminal or in a pipe, without ids and headings."""
    output = re.sub(r"\b(\d{13}_[0-9a-f]{6}|[0-9A-F]{20})\b", "ID", output)
    rows = [re.split(r"\t| {2,}", line) for line in output.splitlines()]
    return [row for row in rows if row[0] not in ("id", "time")]


def test_only_made_up_numbers_are_shown():
    """Only Ofcom's numbers for drama and 555-01xx occur in the docs."""
    for path in [ROOT / "README.md", *filter(Path.is_file, (ROOT / "docs").iterdir())]:
        for number in re.findall(r"(?<![\w.])\+?(?:44|1)\d{9,11}(?!\d)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"\+?(447700900\d{3}|1\d{3}55501\d{2}|1795232000)", number), number
