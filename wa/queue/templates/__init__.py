"""Texts with fields, such as `Happy birthday, {first}!`, and what is filled in."""
