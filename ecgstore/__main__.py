"""Run the command line: ``python -m ecgstore``."""

from ecgstore.cli import main

if __name__ == "__main__":
    main()
