"""What a chip can do: one TOML file a device, each figure with its source. Loads no torch."""
