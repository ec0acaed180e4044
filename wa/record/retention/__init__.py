"""Retention: messages that are pruned, the archives that they go to, and the ledger that keeps them away."""
