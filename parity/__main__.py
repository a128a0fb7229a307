"""`python -m parity`: the same as the script `parity`."""

from parity.cli.main import main

if __name__ == "__main__":
    main()
