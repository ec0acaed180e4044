"""A WhatsApp server for this machine, for tests: the real library pairs with it, talks, and meets its faults.

Nothing in it was compared with WhatsApp's own servers; what is a guess says so. The client side for tests is
`relay.driver`; the server is a process of its own, `python -m relay`.
"""
