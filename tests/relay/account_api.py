"""The part of the control API for what happens to accounts: their keys, settings and app state."""

from __future__ import annotations

from typing import Any

from relay import keys, pairing, phone_settings
from relay.phone_api import Answer, PhoneApi


class AccountApi(PhoneApi):
    """Each `do_…` method is an endpoint."""

    async def do_reinstall(self, number: str, notice: str = "lid") -> Answer:
        """Install an account's phone anew; its linked devices are logged out.

        The server says so by hidden id ("lid"), by number ("pn") or not at all ("").
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
