"""`python -m stream_app`."""

from stream_app.commands.main import main

main()
