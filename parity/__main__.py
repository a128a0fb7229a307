"""`python -m parity`: the same as the script `parity`."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # The folder of the call, which Python puts first. A `random.py` in it is not meant.
        sys.path.append(sys.path.pop(0))
    from parity.cli.main import main

    main()
