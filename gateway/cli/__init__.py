"""The `tidegate` command, one file per group of subcommands."""
