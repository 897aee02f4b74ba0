"""The subcommands of ``stkit-bench``: one file each, with ``add_parser`` and a function to run."""
