"""What linked devices ask of their own phone, and what it answers: peer data operations.

They come as peer messages, or as ordinary messages to oneself; whether real phones answer the latter is
unknown. Requests other than these are counted as unhandled.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import ParseDict

from relay import history, phones
from relay.hub import Hub
from relay.model import Account, Device


def answer(hub: Hub, account: Account, record: dict[str, Any]) -> None:
    """Answer what one of the account's devices asks of the phone; `record` is the phone's inbox entry.

    The faults "no_answer" and "answer_delay" make the phone silent and slow.
    """
    device = account.devices.get(record["device"])
    message = ParseDict(record.get("message", {}), hub.e2e.Message())
    if message.HasField("deviceSentMessage"):
        message = message.deviceSentMessage.message
    protocol = message.protocolMessage
    if device is None or not protocol.HasField("peerDataOperationRequestMessage"):
        return
    if account.take_fault("no_answer") is not None:
        return
    request, message_id = protocol.peerDataOperationRequestMessage, str(record["id"])
    if late := account.take_fault("answer_delay"):

        async def later() -> None:
            _answer(hub, device, message_id, request)

        hub.later(float(late["seconds"]), later())
        return
    _answer(hub, device, message_id, request)


def _answer(hub: Hub, device: Device, message_id: str, request: Any) -> None:
    kinds = hub.e2e.PeerDataOperationRequestType
    kind = kinds.Name(request.peerDataOperationRequestType)
    if kind == "HISTORY_SYNC_ON_DEMAND":
        part = history.older(hub, device.account, request.historySyncOnDemandRequest)
        phones._announce(hub, device, part, peerDataRequestSessionID=message_id)
    elif kind == "PLACEHOLDER_MESSAGE_RESEND":
        _resend(hub, device, message_id, request)
    elif kind == "FULL_HISTORY_SYNC_ON_DEMAND":
        asked = request.fullHistorySyncOnDemandRequest.requestMetadata
        response = _response(hub, message_id, request)
        part = response.peerDataOperationResult.add().fullHistorySyncOnDemandRequestResponse
        part.requestMetadata.CopyFrom(asked)
        part.responseCode = 0  # REQUEST_SUCCESS
        _send(hub, device, response)
        for each in history.parts(hub, device.account, full=True):
            phones._announce(hub, device, each, fullHistorySyncOnDemandRequestMetadata=asked)
    else:
        hub.note_unhandled(f"peer request {kind}")


def _resend(hub: Hub, device: Device, message_id: str, request: Any) -> None:
    """Answer with each message that the phone has; an item for one that it has not is empty (a guess)."""
    response = _response(hub, message_id, request)
    for wanted in request.placeholderMessageResendRequest:
        item = response.peerDataOperationResult.add().placeholderMessageResendResponse
        item.SetInParent()
        if info := history.find(hub, device.account, wanted.messageKey.ID):
            item.webMessageInfoBytes = info.SerializeToString()
    _send(hub, device, response)


def _response(hub: Hub, message_id: str, request: Any) -> Any:
    kind = request.peerDataOperationRequestType
    return hub.e2e.PeerDataOperationRequestResponseMessage(
        peerDataOperationRequestType=kind, stanzaID=message_id
    )


def _send(hub: Hub, device: Device, response: Any) -> None:
    def fill(protocol: Any) -> None:
        protocol.type = hub.e2e.ProtocolMessage.PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE
        protocol.peerDataOperationRequestResponseMessage.CopyFrom(response)

    phones.tell(hub, device, fill)
