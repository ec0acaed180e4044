"""Faults that are put into a copy of `wa`, or into what the server gets from it, each with a test.

The test must fail then; `tests/processes/test_seeded_faults.py` runs them. A fault in our source replaces one
text, which has to be there exactly once; a fault of the library is one of the mistakes of
`relay.broken_clients`, made on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass

CONTENT = "tests/real/test_linked_content.py::"
CONTRACT = "tests/real/test_neonize_transport.py::TestContract::"
ENDS = "tests/real/test_linked_ends.py::"
LINKED = "tests/real/test_linked.py::"
MEDIA = "tests/real/test_linked_media.py::"
JOBS = "tests/queue/test_jobs.py::"
QUEUE = "tests/queue/test_queue.py::"
KINDS = "tests/queue/test_message_kinds.py::"
KINDS_SENT = "tests/real/test_linked_kinds.py::"
CHANGED = "tests/cli/test_react_edit_delete.py::"
ASKED = "tests/connection/test_actions.py::"
GROUPS = "tests/connection/test_groups.py::"

SEVERAL = CONTENT + "test_messages_of_a_burst_reach_each_their_own_recipient"
MARKED = CONTENT + "test_each_message_has_a_mark_with_its_id_and_a_secret_of_its_own"
QUOTE = CONTENT + "test_an_answer_quotes_id_sender_and_text_of_its_message"
DOCUMENT = CONTENT + "test_a_document_has_its_name_size_and_digests"
PICTURES = CONTENT + "test_each_picture_has_its_own_size_and_thumbnail"
ARRIVES = LINKED + "test_a_message_goes_out_through_the_listener"
IMAGE = MEDIA + "test_a_file_arrives_unchanged[image]"
VOICE = MEDIA + "test_a_file_arrives_unchanged[voice]"
FILES = MEDIA + "test_several_files_arrive_in_order_and_the_first_has_the_caption"


@dataclass(frozen=True)
class Fault:
    """A text in a file of `wa`, the text in its place, and a test that must fail then.

    `says` is a text in the failed lines of that test, so that no other failure counts.
    """

    name: str
    file: str
    old: str
    new: str
    test: str
    says: str


@dataclass(frozen=True)
class WireFault:
    """A mistake of `relay.broken_clients` in every message of our devices, and a test that must fail then.

    `says` is as in Fault. A mistake `after_links` begins when another person has linked a device.
    """

    name: str
    mistake: str
    test: str
    says: str
    after_links: bool = False


ENCODE = "whatsapp/neonize/encoding/message.py"
CLIENT = "whatsapp/neonize/client.py"
CONNECTION = "whatsapp/neonize/connection.py"
ERRORS = "whatsapp/neonize/errors.py"
WIRE_LOG = "whatsapp/neonize/wire_log.py"
MENTIONS = "whatsapp/neonize/encoding/mentions.py"
CHECKS = "queue/checks.py"
SEND = "queue/send.py"
OUTCOMES = "queue/outcomes.py"
ROWS = "queue/rows.py"
STATES = "queue/states.py"
COMPOSE = "queue/compose.py"
DELIVER = "connection/deliver.py"
OWNER = "connection/owner.py"
ANSWERS = "connection/actions/answers.py"
ONCE = "connection/actions/once.py"
CHANGES = "connection/actions/changes.py"
OUTGOING = "media/outgoing.py"
CHAIN = "queue/jobs/chain.py"
CLAIMS = "queue/jobs/claims.py"
DETAILS = "media/details.py"

FAULTS = [
    # ── What is said ──
    Fault(
        "a text is cut off",
        ENCODE,
        "proto.conversation = message.text",
        "proto.conversation = message.text[:60_000]",
        CONTRACT + "test_a_text_is_delivered_unchanged[text2]",
        "in other.delivered()] == [text]",
    ),
    Fault(
        "an answer loses its text",
        ENCODE,
        "part.text = message.text",
        'part.text = ""',
        QUOTE,
        "assert '' == 'the answer to 1'",
    ),
    Fault(
        "an answer quotes another id",
        SEND,
        "    return Quote(\n        message_id,\n",
        '    other = store.value("SELECT message_id FROM messages WHERE chat_jid = ? ORDER BY id DESC",'
        " [canonical(store, chat)])\n    return Quote(\n        other,\n",
        QUOTE,
        "At index 0 diff: '3A",
    ),
    Fault(
        "an answer quotes the text of another message",
        SEND,
        '" WHERE chat_jid = ? AND message_id = ?",\n        [canonical(store, chat), message_id],',
        '" WHERE chat_jid = ? ORDER BY id DESC",\n        [canonical(store, chat)],',
        QUOTE,
        "{'conversation': 'question 2'} != {'conversation': 'question 1'}",
    ),
    Fault(
        "an answer to our own message quotes the recipient",
        ENCODE,
        "sender = quote.sender or message.to_jid",
        "sender = message.to_jid",
        CONTENT + "test_an_answer_to_our_own_message_quotes_us",
        "At index 1 diff: ",
    ),
    Fault(
        "an answer in a group quotes the group",
        ENCODE,
        "about.participant = client.lid_of(sender) or sender",
        "about.participant = client.lid_of(message.to_jid) or message.to_jid",
        CONTENT + "test_an_answer_in_a_group_quotes_its_member",
        "'120363000000000000@g.us' != ",
    ),
    Fault(
        "a quoted person is named by number",
        ENCODE,
        "client.lid_of(sender) or sender",
        "sender",
        QUOTE,
        "@s.whatsapp.net' != ",
    ),
    Fault(
        "a file is no answer",
        COMPOSE,
        "return [Part(text, kept[0], quoted_id), *(",
        "return [Part(text, kept[0], None), *(",
        CONTENT + "test_a_file_can_be_an_answer",
        "KeyError: 'contextInfo'",
    ),
    # ── More than a text ──
    Fault(
        "the secret of a poll is not kept",
        OUTCOMES,
        'secret=sent["secret"] if kind == "poll" else None,',
        "secret=None,",
        KINDS + "test_a_poll_is_a_row_and_a_message_with_its_secret",
        'kept["theirs"] == kept["ours"]',
    ),
    Fault(
        "a vote before the acknowledgement of its poll does not count",
        OUTCOMES,
        "        message_sent.run(store, message_id)",
        "        pass",
        "tests/connection/test_sealed.py::"
        "test_a_vote_in_our_poll_that_comes_before_its_acknowledgement_counts",
        "'Soup': 0",
    ),
    Fault(
        "another poll answers the key of one",
        CHECKS,
        'is_same = spent.is_text(first["details"], row.get("details"))',
        "is_same = True",
        KINDS + "test_a_key_names_one_message_of_any_kind",
        "list index out of range",
    ),
    Fault(
        "a mention is by number",
        MENTIONS,
        "client.lid_of(jid) or jid",
        "jid",
        KINDS_SENT + "test_a_mention_is_by_hidden_id_once_that_is_known",
        "'hi @",
    ),
    Fault(
        "a forward does not say that it is one",
        ENCODE,
        'part.contextInfo.isForwarded, part.contextInfo.forwardingScore = True, said["forwarded"]',
        "pass",
        KINDS_SENT + "test_a_picture_is_forwarded_whole_with_listener_and_without",
        "'isForwarded': True",
    ),
    Fault(
        "what is to be viewed once can be viewed again",
        ENCODE,
        "part.viewOnce, inside = True, proto",
        "inside = proto",
        KINDS_SENT + "test_a_picture_to_be_viewed_once",
        "viewOnce",
    ),
    # ── Files ──
    Fault(
        "a caption is dropped",
        ENCODE,
        "part.caption = message.text",
        'part.caption = ""',
        IMAGE,
        "assert '' == 'look at this'",
    ),
    Fault(
        "every file has the caption",
        COMPOSE,
        'return [Part(text, kept[0], quoted_id), *(Part("", file) for file in kept[1:])]',
        "return [Part(text, file, quoted_id) for file in kept]",
        FILES,
        "assert ['all of it', 'all of it', ''] ==",
    ),
    Fault(
        "a file has a wrong type",
        ENCODE,
        "part.fileLength, part.mimetype = len(data), kind.mimetype",
        'part.fileLength, part.mimetype = len(data), "application/octet-stream"',
        IMAGE,
        "'application/octet-stream' != 'image/jpeg'",
    ),
    Fault(
        "a file has a wrong size",
        ENCODE,
        "part.fileLength, part.mimetype = len(data), kind.mimetype",
        "part.fileLength, part.mimetype = len(data) - 1, kind.mimetype",
        DOCUMENT,
        "1008 != 1009",
    ),
    Fault(
        "the digests of a file are exchanged",
        ENCODE,
        "part.fileEncSHA256, part.fileSHA256 = uploaded.FileEncSHA256, uploaded.FileSHA256",
        "part.fileSHA256, part.fileEncSHA256 = uploaded.FileEncSHA256, uploaded.FileSHA256",
        IMAGE,
        "(got,) = received(adam)",
    ),
    Fault(
        "a file is encrypted for another kind",
        ENCODE,
        '"document": "MediaDocument",',
        '"document": "MediaImage",',
        DOCUMENT,
        "the HMAC of the media is wrong",
    ),
    Fault(
        "a document has the name of our copy",
        ENCODE,
        "part.fileName = part.title = message.file_name or path.name",
        "part.fileName = part.title = path.name",
        DOCUMENT,
        "!= 'bill.pdf'",
    ),
    Fault(
        "a voice message is an audio file",
        ENCODE,
        "part.PTT, part.waveform = True, about.waveform",
        "part.PTT, part.waveform = False, about.waveform",
        VOICE,
        "At index 1 diff: False != True",
    ),
    Fault(
        "a picture has no thumbnail",
        ENCODE,
        'part.JPEGThumbnail = about.thumbnail or b""',
        'part.JPEGThumbnail = b""',
        IMAGE,
        'assert got["thumbnail"] > 0',
    ),
    Fault(
        "a picture has the thumbnail of another",
        DETAILS,
        "    picture.draft(",
        '    picture = Image.new("RGB", picture.size, "green")\n    picture.draft(',
        PICTURES,
        "< SAME_PICTURE",
    ),
    Fault(
        "width and height are exchanged",
        ENCODE,
        "part.width, part.height = about.width",
        "part.height, part.width = about.width",
        PICTURES,
        "assert (200, 320) == (320, 200)",
    ),
    Fault(
        "a recording has no length",
        ENCODE,
        "part.seconds = about.seconds or 0",
        "part.seconds = 0",
        CONTENT + "test_a_recording_says_how_long_it_is[note.ogg]",
        "assert 0 == 3",
    ),
    Fault(
        "all files are kept under one name",
        OUTGOING,
        'target = folder / f"{digest}{extension',
        'target = folder / f"file{extension',
        PICTURES,
        "assert (200, 320) == (320, 200)",
    ),
    Fault(
        "a file that cannot be uploaded is sent without it",
        ENCODE,
        "    uploaded = client.upload(data, lib.media_type[_UPLOADED_AS[kind.name]])\n    part = ",
        "    try:\n        uploaded = client.upload(data, lib.media_type[_UPLOADED_AS[kind.name]])\n"
        '    except NotSent:\n        proto.conversation = message.text or "?"\n        return proto\n'
        "    part = ",
        MEDIA + "test_a_file_that_cannot_be_uploaded_is_not_sent[spoiled on its way]",
        'assert (done.code, done.error["code"], done.out)',
    ),
    Fault(
        "a refused upload is tried again and again",
        OUTCOMES,
        "if 400 <= status < 500 and status not in UPLOAD_MAY_PASS:",
        "if 400 <= status < 400:",
        MEDIA + "test_a_file_that_cannot_be_uploaded_is_not_sent[too large]",
        "assert (7, 'network-error', '') == (5, 'send-failed', '')",
    ),
    Fault(
        "an upload that fails leaves the message queued",
        OUTCOMES,
        'row["attempts"] >= UPLOAD_TRIES and _is_waited_for(row, now)',
        "_is_waited_for(row, now) and False",
        MEDIA + "test_a_file_that_cannot_be_uploaded_is_not_sent[cut in half]",
        "TimeoutExpired: Command",
    ),
    # ── Recipients ──
    Fault(
        "a message goes to ourselves",
        CONNECTION,
        "client.native.send_message(lib.jid(to_jid), proto)",
        "client.native.send_message(lib.jid(self._known.jid), proto)",
        ARRIVES,
        "(got,) = [entry for entry in adam.inbox()",
    ),
    Fault(
        "the second of two messages goes to the recipient of the first",
        CONNECTION,
        "client.native.send_message(lib.jid(to_jid), proto)",
        'client.native.send_message(lib.jid(client.__dict__.setdefault("first", to_jid)), proto)',
        SEVERAL,
        '(entry["id"], entry["text"]) for entry in got(person)] == expected',
    ),
    Fault(
        "a message goes to the recipient of the newest row",
        SEND,
        '    message = Outgoing(\n        row["to_jid"],',
        "    message = Outgoing(\n"
        '        store.value("SELECT to_jid FROM scheduled_messages ORDER BY id DESC LIMIT 1"),',
        SEVERAL,
        '(entry["id"], entry["text"]) for entry in got(person)] == expected',
    ),
    Fault(
        "a message to a group goes to its newest sender",
        SEND,
        '    message = Outgoing(\n        row["to_jid"],',
        "    message = Outgoing(\n"
        '        row["to_jid"] if not row["to_jid"].endswith("@g.us") else store.value(\n'
        '            "SELECT sender FROM messages WHERE chat_jid = ? ORDER BY id DESC", [row["to_jid"]]\n'
        "        ),",
        CONTENT + "test_an_answer_in_a_group_quotes_its_member",
        "!= '120363000000000000@g.us'",
    ),
    Fault(
        "a hidden id is taken for a number",
        CONNECTION,
        "client.native.send_message(lib.jid(to_jid), proto)",
        'client.native.send_message(lib.jid(message.to_jid.replace("@lid", "@s.whatsapp.net")), proto)',
        LINKED + "test_an_answer_to_a_hidden_id_reaches_its_owner",
        "recipient-not-found",
    ),
    Fault(
        "a sent message is recorded in our own chat",
        OUTCOMES,
        '    event = MessageReceived(\n        sent["to_jid"],',
        "    event = MessageReceived(\n        me,",
        SEVERAL,
        "for row in device.chat(person)} == ids",
    ),
    # ── Marks, ids and secrets ──
    Fault(
        "no mark is made",
        WIRE_LOG,
        "self._handlers.mark(message_id, to_jid)",
        "pass",
        CONTRACT + "test_the_mark_is_made_before_the_message_is_accepted",
        "assert accepted_at_mark == [[]]",
    ),
    Fault(
        "the mark is made after the frame",
        WIRE_LOG,
        "self._handlers.mark(message_id, to_jid)",
        "threading.Timer(1.0, self._handlers.mark, (message_id, to_jid)).start()",
        CONTRACT + "test_the_mark_is_made_before_the_message_is_accepted",
        "assert accepted_at_mark == [[]]",
    ),
    Fault(
        "the mark has another id",
        WIRE_LOG,
        "self._mark(found[1], found[2])",
        "self._mark(found[1][::-1], found[2])",
        MARKED,
        "(mark,) = stored(device",
    ),
    Fault(
        "a message leaves although its mark failed",
        WIRE_LOG,
        "os._exit(fault.exit_status)",
        "pass",
        ENDS + "test_without_its_mark_no_message_leaves_and_the_exit_code_says_that_it_stays",
        "assert (0, 'still-queued') == (6, 'still-queued')",
    ),
    Fault(
        "the id of a sent message is another",
        CONNECTION,
        "return Accepted(sent.ID, int(sent.Timestamp))",
        'return Accepted(sent.ID[:-1] + "X", int(sent.Timestamp))',
        ARRIVES,
        "At index 1 diff: '3EB0",
    ),
    Fault(
        "the secret is not sent",
        ENCODE,
        "proto.messageContextInfo.messageSecret = message.secret",
        "proto.messageContextInfo.messageSecret = bytes(32)",
        CONTRACT + "test_evidence_tells_attempts_apart_by_their_secret",
        "for each in (first, second)] == ids",
    ),
    Fault(
        "the secret is not renewed",
        SEND,
        "secret = new_secret()",
        'secret = row["secret"] or new_secret()',
        QUEUE + "test_every_attempt_has_a_secret_of_its_own",
        "assert second.message.secret != first.message.secret",
    ),
    Fault(
        "the outcome is that of another row",
        SEND,
        'return Claim(row["id"], message)',
        'return Claim(store.value("SELECT id FROM scheduled_messages ORDER BY id LIMIT 1"), message)',
        SEVERAL,
        'device.json("schedule", "show", row["id"])["status"] == "sent"',
    ),
    Fault(
        "marks from before the claim count",
        SEND,
        'wire_after=None if row["media_path"] else outcomes.newest_mark(store),',
        "wire_after=0,",
        QUEUE + "test_an_uncertain_attempt_without_a_wire_mark_was_not_sent",
        "nobody has to ask for evidence here",
    ),
    # ── Jobs ──
    Fault(
        "a job goes on while a row of it is open",
        CHAIN,
        'if makes and not table.has(store, job["id"], "open"):',
        "if makes:",
        JOBS + "test_a_job_sends_its_parts_in_order_to_one_person_after_the_other",
        "more than one row is open",
    ),
    Fault(
        "a row that goes back to pending is not held while its job is paused",
        CHAIN,
        'elif row["status"] == "pending" and job["status"] == "paused":',
        "elif False:",
        JOBS + "test_a_job_paused_while_it_sends_makes_no_further_row",
        "[(0, 0, 'pending')] == [(0, 0, 'held')]",
    ),
    Fault(
        "who has had a part gets it under another address too",
        CLAIMS,
        '_MAY_HAVE_IT = ("sending", "sent", "unknown")',
        "_MAY_HAVE_IT = ()",
        JOBS + "test_two_recipients_that_turn_out_to_be_one_person_get_each_part_once",
        "Left contains 2 more items",
    ),
    # ── The claim and the outcome ──
    Fault(
        "the claim is made after the message was sent",
        SEND,
        'status="sending",\n        secret=secret,',
        'status="pending",\n        secret=secret,',
        QUEUE + "test_claim_commits_sending_before_the_transport_is_called",
        "assert 'pending' == 'sending'",
    ),
    Fault(
        "a refusal counts as sent",
        CONNECTION,
        "            raise send_error(str(error), to_jid) from None",
        '            return Accepted("", int(time.time()))',
        ENDS + "test_a_message_that_whatsapp_refuses_fails[479]",
        '== (5, "", "send-failed")',
    ),
    Fault(
        "a refused message is tried again",
        ERRORS,
        "return Refused(int(found[1]))",
        "return NotSent(text)",
        ENDS + "test_a_message_that_whatsapp_refuses_fails[479]",
        '== (5, "", "send-failed")',
    ),
    Fault(
        "an error of the server counts as not sent",
        OUTCOMES,
        "isinstance(result, Refused) and result.status < 500",
        "isinstance(result, Refused)",
        ENDS + "test_after_an_error_of_the_server_the_outcome_is_unknown",
        "assert (5, 'send-failed') == (6, 'unknown-outcome')",
    ),
    Fault(
        "a lost acknowledgement counts as not sent",
        ERRORS,
        "        return NotConnected(text)\n    return SendError(text)",
        "        return NotConnected(text)\n    return NotSent(text)",
        ENDS
        + "test_a_connection_cut_twice_before_the_acknowledgement_never_sends_twice[before it was passed on]",
        '== (6, "unknown-outcome")',
    ),
    Fault(
        "an unknown outcome is tried again",
        OUTCOMES,
        "    if evidence.sent is False:\n        _back_off",
        "    if not evidence.sent:\n        _back_off",
        ENDS
        + "test_a_connection_cut_twice_before_the_acknowledgement_never_sends_twice[before it was passed on]",
        '== (6, "unknown-outcome")',
    ),
    Fault(
        "an attempt without a mark counts as sent",
        OUTCOMES,
        "    if not marks:\n        return Evidence(sent=False)",
        '    if not marks:\n        return Evidence(sent=True, message_id="3EB0")',
        QUEUE + "test_an_uncertain_attempt_without_a_wire_mark_was_not_sent",
        "assert 'sent' == 'pending'",
    ),
    Fault(
        "the wait for a message leaves it in the queue",
        DELIVER,
        "        return waiting.give_up(context.store, waiter, context.now(), fault)",
        "        return rows.get(context.store, waiter.row_id)",
        ENDS + "test_a_message_is_withdrawn_when_its_sender_is_interrupted[2]",
        "assert 6 == 130",
    ),
    Fault(
        "the same key sends twice",
        ROWS,
        "if key is not None and (first := _first_of(store, key)):",
        'row["idempotency_key"] = None\n        if key is None and (first := _first_of(store, key)):',
        LINKED + "test_a_key_sends_its_message_once",
        'assert first["id"] == second["id"]',
    ),
    Fault(
        "an unforeseen error of an attempt counts as not sent",
        OWNER,
        'result = SendError(f"{type(error).__name__}: {error}")',
        'result = outcomes.NotSent(f"{type(error).__name__}: {error}")',
        QUEUE + "test_an_unforeseen_error_after_the_message_has_gone_does_not_send_it_again",
        'status_of(store, row_id) not in ("pending", "sending")',
    ),
    Fault(
        "the attempts of dead processes stay open",
        OWNER,
        "self.settled.extend(outcomes.settle_dead(self._store, self._transport.evidence, now))",
        "self.settled.extend([])",
        QUEUE + "test_an_owner_sends_again_a_row_whose_sender_died_before_the_wire_mark",
        "what was waited for did not happen",
    ),
    Fault(
        "a mark of another attempt is evidence",
        "whatsapp/neonize/session_db.py",
        "if message_id is not None and message_id not in marked:",
        "if False:",
        CONTRACT + "test_evidence_of_an_attempt_that_never_left_says_not_sent",
        '["3EB0SOMEBODYELSES"]).sent is False',
    ),
    Fault(
        "evidence is that of any attempt",
        "whatsapp/neonize/session_db.py",
        'whatsmeow_message_secrets WHERE key = ?", [secret])',
        'whatsmeow_message_secrets WHERE key != ?", [b""])',
        CONTRACT + "test_evidence_tells_attempts_apart_by_their_secret",
        "for each in (first, second)] == ids",
    ),
    Fault(
        "a receipt settles rows of any status",
        OUTCOMES,
        "WHERE message_id = ? AND status = 'unknown'\"",
        'WHERE message_id = ?"',
        QUEUE + "test_a_receipt_changes_only_unknown_rows",
        "assert 'sent' == 'failed'",
    ),
    Fault(
        "an unknown message is sent again without force",
        STATES,
        'if row["status"] == "unknown" and not force:',
        "if False:",
        QUEUE + "test_retry_force_sends_an_unknown_row_again",
        "assert 0 == 6",
    ),
    Fault(
        "a pause stops no owner that is awake",
        SEND,
        "        if pacing.blocked(store, now, settings, state) is not None:\n            return None\n",
        "",
        QUEUE + "test_claim_sees_a_pause_made_after_the_owner_woke_up",
        "assert Claim(",
    ),
    Fault(
        "a message is sent before its time",
        SEND,
        'order = f"AND {_DUE} <= :now ORDER BY',
        'order = f"AND :now != {_DUE} ORDER BY',
        QUEUE + "test_claim_takes_no_row_before_its_time",
        "assert Claim(",
    ),
    Fault(
        "a message is sent after its grace",
        SEND,
        "if expires < now or (quiet_end and expires < quiet_end):",
        "if quiet_end and expires < quiet_end:",
        QUEUE + "test_claim_makes_an_expired_row_missed_and_takes_the_next",
        "assert claim.id == new",
    ),
    Fault(
        "a cancelled message is sent",
        SEND,
        "Scope.ALL: f\"{_QUEUE} queue_due WHERE status = 'pending'\"",
        "Scope.ALL: \"scheduled_messages WHERE status IN ('pending', 'cancelled')\"",
        QUEUE + "test_claim_sees_a_cancel_made_after_the_owner_woke_up",
        "assert Claim(",
    ),
    Fault(
        "the record of a sent file has no file",
        OUTCOMES,
        'if number is not None and sent["media_path"]:',
        "if False:",
        MEDIA + "test_a_file_that_we_sent_is_in_the_record_and_needs_no_download",
        'device.json("download"',
    ),
    Fault(
        "the record of a sent answer names no message",
        OUTCOMES,
        'quoted_id=sent["quoted_id"],',
        "quoted_id=None,",
        LINKED + "test_an_answer_quotes_its_message",
        "assert None == '3A",
    ),
    Fault(
        "the time of sending is in milliseconds",
        CONNECTION,
        "int(sent.Timestamp))",
        "int(sent.Timestamp) * 1000)",
        CONTRACT + "test_send_returns_the_id_and_the_time_in_seconds",
        "< sent.timestamp <",
    ),
    Fault(
        "a recipient who asks again is not answered",
        "whatsapp/neonize/client.py",
        "        self.retries.wait(lambda: self.is_up and not self.is_cut)\n",
        "",
        "tests/real/test_linked_devices.py::"
        "test_without_a_listener_a_person_who_reinstalled_reads_the_next_message",
        "the message to be read did not come true",
    ),
    # ── Reading ──
    Fault(
        "only the first message is marked as read",
        CLIENT,
        "*mark.message_ids, chat=",
        "*mark.message_ids[:1], chat=",
        LINKED + "test_marking_as_read_tells_the_sender",
        "the receipts did not come true",
    ),
    Fault(
        "a receipt for a group goes to the sender's own chat",
        CLIENT,
        "chat, sender = (self.lid_of(jid) or jid for jid in (mark.chat_jid, mark.sender))",
        "chat = sender = self.lid_of(mark.sender) or mark.sender",
        CONTENT + "test_marking_as_read_names_to_each_sender_the_chat_and_the_own_messages_alone",
        "the receipts did not come true",
    ),
    Fault(
        "everybody's messages are named to one sender",
        ANSWERS,
        'marks.setdefault(row["sender"], ReadMark(chat, row["sender"]))',
        'marks.setdefault("", ReadMark(chat, row["sender"]))',
        CONTENT + "test_marking_as_read_names_to_each_sender_the_chat_and_the_own_messages_alone",
        "the receipts did not come true",
    ),
    # ── Changing what was sent ──
    Fault(
        "a deletion of ours is an admin's",
        CHANGES,
        'bool(found["is_from_me"]))',
        "False)",
        CHANGED + "test_the_key_says_whose_message_it_is",
        "[False, False, False, False] == [True, True",
    ),
    Fault(
        "an edit lacks the chat's timer",
        CHANGES,
        "timer = Timer(seconds, set_at) if seconds else None",
        "timer = Timer(seconds, set_at) if seconds is None else None",
        CHANGED + "test_an_edit_keeps_whom_it_mentions_and_the_chat_s_timer",
        "assert None",
    ),
    Fault(
        "what is too old is looked for before it is asked alone",
        CHANGES,
        '    check(kind, store, found, args["text"], now)\n    key',
        "    key",
        ASKED + "test_limits_are_looked_at_again_at_the_claim",
        "'doing' == 'failed'",
    ),
    Fault(
        "a change that has left no mark may be done",
        ONCE,
        "    if not marks:\n        return Evidence(sent=False)\n",
        "    if not marks:\n        return Evidence(sent=None)\n",
        ASKED + "test_a_change_of_a_dead_process_without_a_mark_is_not_done",
        "'unknown' == 'failed'",
    ),
    Fault(
        "a change is done although sending is paused since",
        ONCE,
        "            expect_allowed(store, settings, now)\n",
        "",
        ASKED + "test_a_claim_that_comes_late_is_none",
        "'doing' == 'failed'",
    ),
    Fault(
        "a change of a group is sent again when the line was cut",
        "whatsapp/neonize/group_actions/unrepeated.py",
        "            self._ended.wait()\n",
        "",
        "tests/real/test_linked_groups.py::"
        "test_what_the_cut_line_leaves_unknown_is_done_once_and_seen_at_the_next_look",
        "too many values to unpack",
    ),
    Fault(
        "a message goes to a group that we have left",
        "people/recipients.py",
        "        members.check_in(store, found.jid)\n",
        "        pass\n",
        GROUPS + "test_a_left_group_keeps_its_history_and_takes_nothing",
        "'send', 'family', 'x'",
    ),
    Fault(
        "the groups are not asked for anew after an answer was lost",
        ONCE,
        "            requests.doubt_groups(store)  # how it is now is asked of WhatsApp soon\n",
        "            pass\n",
        GROUPS + "test_a_lost_answer_is_unknown_and_the_next_look_says_what_is_so",
        "'Choir'",
    ),
]

WIRE_FAULTS = [
    WireFault(
        "the recipient is not among the participants",
        "dropped",
        ARRIVES,
        "it is for no device of its recipient",
    ),
    WireFault("a participant is somebody else", "foreign", SEVERAL, "is not in the chat"),
    WireFault("the stanza is addressed to somebody else", "wrong to", SEVERAL, "is not in the chat"),
    WireFault("the hash of the list of devices is wrong", "phash", ARRIVES, "'phash': '2:AAAAAAAA'"),
    WireFault(
        "a device of the recipient is left out",
        "stale",
        "tests/real/test_linked_devices.py::test_a_new_device_gets_the_next_message",
        "no Message within",
        after_links=True,
    ),
    WireFault("a participant has no ciphertext", "no enc", ARRIVES, "it has 0 ciphertexts for"),
    WireFault(
        "the id is that of another's message",
        "another's id",
        LINKED + "test_an_answer_quotes_its_message",
        "it has the id of a message of somebody else",
    ),
]
