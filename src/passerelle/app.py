"""The composition root: Settings → App; the one place where real parts are joined."""
