"""What an account has told the server about itself."""

from __future__ import annotations

from dataclasses import dataclass, field

PRIVACY = ("groupadd", "last", "status", "profile", "readreceipts", "online", "calladd", "messages")


@dataclass
class Profile:
    """The settings of an account, as the server has them."""

    about: str = "an account of the relay"
    about_at: int = 0
    """When the text was set, in Unix seconds."""
    picture: bytes = b""
    privacy: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PRIVACY, "all"))
    blocked: list[str] = field(default_factory=list)
    """The numbers of the people who are blocked: their messages do not arrive."""
    disappearing: int = 0
    """The seconds after which messages of new chats disappear, 0 if they do not."""
    disappearing_at: int = 0
    """When that was set, in Unix seconds."""
