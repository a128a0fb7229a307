"""Prints as JSON where each loop comes from, and which are not used.

python -m torch_impl.native
"""

import json
import sys

from torch_impl.native.origins import origins

if __name__ == "__main__":
    sys.stdout.write(json.dumps(origins()) + "\n")
