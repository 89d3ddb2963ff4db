"""``python -m xsm.command_line``, where the program ``xsm`` is not on the path."""

from xsm.command_line.program import main

raise SystemExit(main())
