"""The part of the control API for what people do with chats and groups on their phones, and what they see."""

from __future__ import annotations

from typing import Any

from relay import groups, phone_actions, profile_queries, screen
from relay.model import Group
from relay.phone_api import Answer, PhoneApi
from relay.wabin import JID

ACTIONS = {
    "react": phone_actions.react,
    "edit": phone_actions.edit,
    "delete": phone_actions.delete,
    "vote": phone_actions.vote,
    "ask": phone_actions.ask,
}


class ChatsApi(PhoneApi):
    """Each `do_…` method is an endpoint."""

    async def do_act(self, number: str, to: str, action: str, args: list[Any]) -> Answer:
        """Do something with a message in a chat: one of ACTIONS, with what follows the chat."""
        act: Any = ACTIONS[action]
        return {"id": act(self.hub, self._account(number), self._jid(to), *args)}

    async def do_screen(self, number: str, chat: str = "") -> Answer:
        """Return what the phone of a number shows, of one chat or of all; `relay.screen` has the fields."""
        name = screen.chat_name(self.hub, self._jid(chat)) if chat else ""
        return {"messages": screen.entries(self.hub, self._account(number), name)}

    async def do_ignored(self, number: str) -> Answer:
        """Return what the phone of a number was asked for and does not do."""
        return {"ignored": self._account(number).ignored}

    async def do_block(self, number: str, other: str, action: str) -> Answer:
        """Block somebody on the phone of a number, or "unblock" them."""
        profile_queries.block(self.hub, self._account(number), self._account(other), action)
        return {}

    async def do_blocked(self, number: str) -> Answer:
        """Return the numbers that an account has blocked."""
        return {"blocked": self._account(number).profile.blocked}

    async def do_privacy(self, number: str, **settings: str) -> Answer:
        """Set who may do what with an account, such as groupadd="contacts"."""
        self._account(number).profile.privacy |= settings
        return {}

    async def do_groups(self) -> Answer:
        """Return the subjects of all groups, by JID."""
        return {"groups": {str(jid): group.subject for jid, group in self.hub.groups.items()}}

    async def do_group_join(self, group: str, number: str) -> Answer:
        """Join a group by its invite code, or ask to, on the phone of a number."""
        groups.join(self.hub, self._group(group), self._account(number))
        return {}

    async def do_group_decide(self, group: str, by: str, action: str, number: str) -> Answer:
        """Take somebody in who asked to join ("approve"), or not ("reject"), on the phone of an admin."""
        known, person = self._group(group), self._account(number)
        if known.requests.pop(number, None) and action == "approve":
            groups.change(self.hub, known, self._account(by), "add", [person], reason="invite")
        return {}

    async def do_group_code(self, group: str, by: str) -> Answer:
        """Renew the invite code of a group by the phone of an admin; return it."""
        known = self._group(group)
        groups.renew_code(self.hub, known, self._account(by))
        return {"code": known.code}

    async def do_said(self, number: str, tag: str) -> Answer:
        """Return the stanzas with this tag that the linked devices of a number sent, in order."""
        return {"said": [each for each in self.hub.said if (each["from"], each["tag"]) == (number, tag)]}

    def _group(self, group: str) -> Group:
        return self.hub.groups[JID.parse(group)]
