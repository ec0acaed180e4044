"""The command line: options, output, and one file a group of commands."""
