"""The schema, as numbered migration steps. A step that was released never changes."""
