"""Run on real engines and time it: warm, pinned, interleaved, with the uncertainty of every ratio."""
