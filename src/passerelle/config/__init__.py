"""Settings: `passerelle.toml` and the environment, read once, checked whole, every mistake named."""
