"""The command line: options, output, and one module for each group of commands."""
