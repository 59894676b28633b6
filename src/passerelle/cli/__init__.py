"""The `passerelle` command, a file per command group."""
