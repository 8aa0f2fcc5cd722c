"""Setting weights to zero where they stand: no channel goes, the shapes stay."""
