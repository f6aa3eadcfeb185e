"""The genres finishkit ships, one TOML file each."""
