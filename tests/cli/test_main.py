"""The command tree: built once in a process; of a group only the commands that are looked up are built."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Result

from wa.cli.tree import commands as tree
from wa.cli.tree.commands import Commands

Wa = Callable[..., Result]


def test_a_run_builds_no_other_command_of_its_group(wa: Wa) -> None:
    tree.load.cache_clear()

    wa("contacts", "list")

    commands = tree.load("contacts").commands
    assert isinstance(commands, Commands)
    assert list(commands._built) == ["list"]


def test_a_second_run_builds_nothing_anew(wa: Wa) -> None:
    wa("contacts", "list")
    before = tree.load("contacts").commands["list"]

    wa("contacts", "list", "--json")

    assert tree.load("contacts").commands["list"] is before


def test_an_option_of_a_run_does_not_apply_to_the_next(wa: Wa) -> None:
    added = wa("contacts", "add", "Reem", "447700900123", "--tag", "family", "--json")
    assert (added.code, added.err) == (0, "")

    second = wa("contacts", "add", "Adam", "447700900456", "--json")

    assert second.json["tags"] == []
    assert not wa("contacts", "list").out.startswith("[")


@pytest.mark.parametrize("group", ["backup", "contacts", "db", "history", "loopback", "schedule"])
def test_the_help_of_a_group_shows_all_its_commands(wa: Wa, group: str) -> None:
    shown = wa(group, "--help").out

    for name in tree.load(group).commands:
        assert f" {name} " in shown


def test_a_misspelt_command_gets_suggestions(wa: Wa) -> None:
    told = wa("job", "list")
    assert (told.code, "Did you mean 'jobs'?" in told.err) == (2, True)


def test_a_word_in_place_of_a_number_is_told_in_plain_words(wa: Wa) -> None:
    assert "'ten' is not a whole number" in wa("read", "reem", "ten").err


def test_a_misspelt_command_of_a_group_gets_suggestions(wa: Wa) -> None:
    tree.load.cache_clear()

    assert "Did you mean 'list'?" in wa("contacts", "lst").err


@pytest.mark.parametrize(("typed", "found"), [("contacts ad", "add"), ("schedule l", "list"), ("se", "send")])
def test_the_shell_completes_commands_of_groups_too(
    shell: Callable[..., Result], typed: str, found: str
) -> None:
    words = len(typed.split())

    done = shell(_WA_COMPLETE="complete_bash", COMP_WORDS=f"wa {typed}", COMP_CWORD=str(words))

    assert found in done.out.split()
