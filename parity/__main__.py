"""`python -m parity`: the same as the script `parity`."""

from parity.cli import main

if __name__ == "__main__":
    main()
