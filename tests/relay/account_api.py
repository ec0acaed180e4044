"""The part of the control API for what happens to accounts: their keys, settings and app state."""

from __future__ import annotations

from typing import Any

from relay import keys, notices, pairing, phone_settings
from relay.chats_api import ChatsApi
from relay.model import now
from relay.phone_api import Answer
from relay.wabin import Dictionary


class AccountApi(ChatsApi):
    """Each `do_…` method is an endpoint."""

    async def do_reinstall(self, number: str, notice: str = "pn") -> Answer:
        """Install an account's phone anew; its linked devices are logged out.

        The server says so by number ("pn"), by hidden id ("lid") or not at all ("").
        """
        for device in self._devices(number):
            await pairing.unlink(self.hub, device, "stream")
        keys.reinstall(self.hub, self._account(number), notice)
        return {}

    async def do_few_prekeys(self, number: str, left: int = 0) -> Answer:
        """Forget one-time prekeys of the account's devices until so many are left; ask for more."""
        for device in self._devices(number):
            keys.keep_prekeys(self.hub, device, left)
        return {}

    async def do_write_settings(
        self, number: str, collection: str, settings: list[tuple[list[str], dict[str, Any] | None]]
    ) -> Answer:
        """Write settings into app state, as the phone.

        Each is an index, such as ["pin_v1", JID], and a SyncActionValue in protobuf's JSON; null removes it.
        """
        changes = [phone_settings.change(self.hub, index, value) for index, value in settings]
        phone_settings.write(self.hub, self._account(number), collection, changes)
        return {}

    async def do_settings(self, number: str) -> Answer:
        """Return the app state as the phone reads it: version and values, by collection."""
        read = self._account(number).settings_read
        return {name: {"version": each.version, "values": each.values} for name, each in read.items()}

    async def do_dirty(self, number: str, kind: str) -> Answer:
        """Tell the account's devices, now and at each login, that something changed until they clean it.

        The kinds that clients know are "account_sync" and "groups".
        """
        for device in self._devices(number):
            device.dirty[kind] = now()
            await notices.send_dirty(device)
        return {}

    async def do_dictionary(self, version: int, single: list[str | None], double: list[list[str]]) -> Answer:
        """Give the relay the token dictionary of older clients."""
        words = Dictionary([each or "" for each in single], double)
        self.hub.dictionaries[version] = words
        return {}

    async def do_first_frame_delay(self, seconds: float) -> Answer:
        """Wait after each handshake before the first frame, for clients that are late with their keys."""
        self.hub.first_frame_delay = seconds
        return {}
