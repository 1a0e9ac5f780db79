"""`python -m emitter_stream` is the `emitter-stream` command."""

import sys

from .cli import main

sys.exit(main())
