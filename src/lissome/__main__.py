"""``python -m lissome`` is the command ``lissome``; so is ``torchrun -m lissome``, in several processes."""

from lissome.cli import main

if __name__ == "__main__":
    main()
