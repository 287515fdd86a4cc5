"""What a client starts of the bundle: the relay, in the repository that was chosen."""

import sys

from ao_mcp.__main__ import main

sys.exit(main())
