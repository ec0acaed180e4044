"""A WhatsApp server on this machine for tests: the real library pairs with it, talks, and meets its faults.

No part of it was compared with WhatsApp's own servers; a comment marks each guess. The client side for tests
is `relay.driver`; the server is a process of its own, `python -m relay`.
"""
