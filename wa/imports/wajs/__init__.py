"""The JSON files of wa.js."""
