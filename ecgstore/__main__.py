"""Run the command line: ``python -m ecgstore``."""

import sys

if __name__ == "__main__":
    try:
        from ecgstore.cli import main
    except KeyboardInterrupt:
        sys.exit(130)
    main()
