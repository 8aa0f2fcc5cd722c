"""The file we ship: engine files and a card that says what they are, without pickle."""
