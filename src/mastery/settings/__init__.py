"""What a deployment can choose, read once at the door and passed down by value."""

from mastery.settings.load import Loaded, fields, load_settings, variable
from mastery.settings.model import ApiSettings, DashboardSettings, Settings

__all__ = ["ApiSettings", "DashboardSettings", "Loaded", "Settings", "fields", "load_settings", "variable"]
