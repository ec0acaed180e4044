"""The import of the JSON files of wa.js."""
