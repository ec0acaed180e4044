"""What a phone writes into app state, its name, its contacts and any setting, and what it reads there."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from relay import syncd
from relay.appstate import REMOVE, SET, Change, PhoneSettings, decode, encode
from relay.hub import Hub
from relay.model import Account, now
from relay.wabin import JID

Settings = dict[tuple[str, ...], dict[str, Any]]
NAME, CONTACTS = "critical_block", "critical_unblock_low"
"""The collections of the push name and of the address book."""


def write(hub: Hub, account: Account, name: str, changes: list[Change]) -> None:
    """Write settings into a collection; the account's linked devices are told."""
    read(hub, account)
    seen = account.settings_read.setdefault(name, PhoneSettings())
    patch = encode(hub.sync, account.sync_key, name, seen.version + 1, dict(seen.macs), changes)
    syncd.accept(hub, account, name, patch, None)
    read(hub, account)


def change(hub: Hub, index: list[str], value: dict[str, Any] | None, version: int = 1) -> Change:
    """Return a change that sets a SyncActionValue, given in protobuf's JSON, or removes a setting (None)."""
    action = ParseDict(value or {}, hub.action.SyncActionValue(timestamp=now() * 1000))
    return Change(index, action.SerializeToString(), version, SET if value else REMOVE)


def read(hub: Hub, account: Account) -> None:
    """Read the patches that other devices have written. Raise ValueError for one that does not verify."""
    for name, held in account.collections.items():
        seen = account.settings_read.setdefault(name, PhoneSettings())
        for data in held.patches[seen.version :]:
            patch = hub.sync.SyncdPatch.FromString(data)
            seen.version = patch.version.version
            changes = decode(hub.sync, hub.action, account.sync_key, name, seen.macs, patch)
            for operation, index, value in changes:
                seen.values.pop(json.dumps(index), None)
                if operation == SET:
                    seen.values[json.dumps(index)] = MessageToDict(value)
                _apply(account, index, value if operation == SET else None)


def publish(hub: Hub, account: Account) -> None:
    """Write the push name and the address book as they are now, where app state says something else."""
    read(hub, account)
    name: Settings = {("setting_pushName",): {"pushNameSetting": {"name": account.name}}}
    _replace(hub, account, NAME, "setting_pushName", name)
    contacts = dict(_contact(number, full) for number, full in account.contacts.items())
    _replace(hub, account, CONTACTS, "contact", contacts)


def _apply(account: Account, index: list[str], value: Any) -> None:
    """Change the phone's push name or address book as a device says (None removes an entry)."""
    if index[0] == "setting_pushName" and value:
        account.name = value.pushNameSetting.name
    elif index[0] == "contact":
        number = JID.parse(index[1]).user
        account.contacts.pop(number, None)
        if value:
            account.contacts[number] = value.contactAction.fullName


def _contact(number: str, full: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    person = Account(number, full)
    action = {"fullName": full, "firstName": full.split()[0], "lidJID": str(person.lid)}
    return ("contact", str(person.pn)), {"contactAction": action}


def _replace(hub: Hub, account: Account, name: str, kind: str, wanted: Settings) -> None:
    """Make a collection have just these settings of a kind."""
    seen = account.settings_read.get(name, PhoneSettings()).values
    old: Settings = {
        tuple(json.loads(index)): {key: part for key, part in value.items() if key != "timestamp"}
        for index, value in seen.items()
        if json.loads(index)[0] == kind
    }
    changes = [
        change(hub, list(index), wanted.get(index))
        for index in dict.fromkeys([*old, *wanted])
        if old.get(index) != wanted.get(index)
    ]
    if changes:
        write(hub, account, name, changes)
