"""`python -m kerasnn` is the command `kerasnn`."""

from kerasnn.cli import main

if __name__ == "__main__":
    main()
