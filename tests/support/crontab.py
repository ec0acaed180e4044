"""The escapes of a crontab line that cron removes before a shell gets the command."""

from __future__ import annotations


def unescaped_by_cron(command: str) -> str:
    r"""Return the text for the shell: `\%` is a %, other backslashes stay (do_command.c of ISC cron).

    A bare % would end the command, which fails the test.
    """
    found: list[str] = []
    escaped = False
    for character in command:
        if escaped and character == "%":
            found[-1] = character
        else:
            assert character != "%", f"a bare % in {command}"
            found.append(character)
        escaped = character == "\\" and not escaped
    return "".join(found)
