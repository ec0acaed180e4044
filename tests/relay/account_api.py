"""The part of the control API for what happens to accounts: their keys, settings and app state."""

from __future__ import annotations

from relay import keys, pairing
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
