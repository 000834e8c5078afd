"""Start the dashboard: Streamlit, with all that it needs said on its command line, so that no file of the user's
home folder changes what it does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mastery.apps.dashboard.look import THEME
from mastery.settings import Settings

PAGE = Path(__file__).with_name("page.py")


def command(settings: Settings) -> list[str]:
    """Return the command line of a dashboard for these settings."""
    options = {
        "server.address": settings.dashboard.host,
        "server.port": settings.dashboard.port,
        "server.headless": "true",  # opens no browser, asks for no e-mail address
        "server.fileWatcherType": "none",
        "server.enableStaticServing": "false",
        "server.maxUploadSize": 1,
        "browser.gatherUsageStats": "false",
        "runner.magicEnabled": "false",  # would print the strings that stand alone in the page's code
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",  # a traceback in the page would show what it was about
        "client.showErrorLinks": "false",  # they lead to the internet, with what went wrong
        "logger.enableRich": "false",  # it would print what failed to standard output, which nobody reads
        "logger.level": "warning",
        **{f"theme.{name}": value for name, value in THEME.items()},
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", str(PAGE), *flags, "--", "--api-url", settings.api_url]
