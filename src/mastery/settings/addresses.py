"""Addresses of servers, as people may read them."""

from __future__ import annotations

import re


def shown(url: str) -> str:
    """Return a URL as messages may show it: without what gives access.

    >>> shown("postgresql://mastery:secret@db:5432/school?password=secret&sslmode=require")
    'postgresql://mastery:***@db:5432/school?password=***&sslmode=require'
    """
    url = re.sub(r"//([^/@:]*):[^/]*@", r"//\1:***@", url)
    return re.sub(r"((?:password|passphrase|sslpassword)=)[^&#\s]*", r"\1***", url)
