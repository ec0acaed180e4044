"""The web page: screens for people, rendered here; they call what the API and the commands call."""
