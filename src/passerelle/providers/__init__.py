"""The only way out. Each provider sends bytes in one wire dialect and gives bytes back. See `base`."""
