"""Colours and words of the dashboard.

Orange to blue by lightness: the four bands keep their order in every kind of colour blindness and in print, and no
cell is told by colour alone, for it bears its score. Measured contrast of the ink on each is at least 4.5 : 1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Band:
    """How one band looks: its name in words, its colour, the ink upon it, a line in it on white, and its scores."""

    label: str
    fill: str
    ink: str
    line: str
    meaning: str


BANDS = {
    "needs_help": Band("Needs help", "#b4441c", "#ffffff", "#b4441c", "< 30"),
    "developing": Band("Developing", "#f3b98a", "#3b2412", "#c06a1f", "30–59"),
    "proficient": Band("Proficient", "#a9cdea", "#10293f", "#3f87bd", "60–84"),
    "mastered": Band("Mastered", "#1f5f99", "#ffffff", "#1f5f99", "85 +"),
    "not_enough_evidence": Band("Too little evidence", "#eceef1", "#5b6470", "#8d96a1", "no number"),
}

THRESHOLDS = (0.30, 0.60, 0.85)

INK, FAINT, LINE, ACCENT = "#1c2430", "#5b6470", "#dfe3e8", "#1f5f99"
FONT = "'Source Sans', 'Source Sans Pro', system-ui, sans-serif"

THEME = {
    "base": "light",
    "primaryColor": ACCENT,
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f5f7f9",
    "textColor": INK,
}
"""Streamlit's own colours."""

HEATMAP = "heatmap"
"""Key of the container of the class's chart."""

STYLE = f"""
<style>
  .block-container {{ padding: 1.4rem 2rem 2rem; max-width: 1700px; }}
  header[data-testid="stHeader"] {{ background: transparent; height: 0; }}
  .m-title {{ font: 650 1.55rem/1.2 {FONT}; color: {INK}; margin: 0; }}
  .m-faint {{ color: {FAINT}; font-size: .84rem; }}
  .m-tiles {{ display: flex; gap: .6rem; flex-wrap: wrap; }}
  .m-tile {{ border: 1px solid {LINE}; border-radius: 8px; padding: .3rem .8rem; }}
  .m-tile b {{ display: block; font-size: 1.25rem; line-height: 1.5rem; font-weight: 650; }}
  .m-legend {{ display: flex; gap: .9rem; flex-wrap: wrap; font-size: .8rem; color: {FAINT}; align-items: center; }}
  .m-swatch {{ display: inline-block; width: .95rem; height: .95rem; border-radius: 3px; vertical-align: -2px;
              margin-right: .3rem; }}
  .m-hatched {{ background-image: repeating-linear-gradient(135deg, #b9c0c9 0 1px, transparent 1px 4px); }}
  .m-chip {{ font-size: .74rem; font-weight: 600; border-radius: 9px; padding: .05rem .5rem; white-space: nowrap; }}
  .m-topic, .m-need {{ padding: .3rem 0 .4rem; border-bottom: 1px solid {LINE}; }}
  .m-topic:last-child, .m-need:last-child {{ border-bottom: 0; }}
  .m-head {{ display: flex; justify-content: space-between; align-items: baseline; gap: .6rem; }}
  .m-name {{ font-weight: 600; color: {INK}; }}
  .m-score {{ font-variant-numeric: tabular-nums; font-weight: 650; white-space: nowrap; }}
  .m-score small {{ color: {FAINT}; font-weight: 400; }}
  .m-bar {{ position: relative; height: .5rem; border-radius: 4px; background: #eceef1; margin: .2rem 0; }}
  .m-range {{ position: absolute; top: 0; bottom: 0; border-radius: 4px; opacity: .45; }}
  .m-point {{ position: absolute; top: -2px; bottom: -2px; width: 4px; margin-left: -2px; border-radius: 2px; }}
  .m-mark {{ position: absolute; top: 0; bottom: 0; width: 1px; background: #fff; }}
  .m-why {{ font-size: .86rem; line-height: 1.3rem; color: {INK}; }}
  .m-tag {{ font-size: .74rem; border: 1px solid {LINE}; border-radius: 9px; padding: 0 .45rem; margin-right: .3rem;
            color: {FAINT}; white-space: nowrap; }}
  .st-key-{HEATMAP} {{ overflow-x: auto; }}
  .m-wrap {{ flex-wrap: wrap; row-gap: 0; }}
  /* On a tablet class and student stand below each other, each as wide as the screen; what stands inside them stays. */
  @media (max-width: 1000px) {{
    [data-testid="stColumn"] {{ min-width: 100%; }}
    [data-testid="stHorizontalBlock"] {{ flex-wrap: wrap; }}
  }}
  @media (min-width: 641px) {{
    [data-testid="stColumn"] [data-testid="stColumn"] {{ min-width: 0; }}
    [data-testid="stColumn"] [data-testid="stHorizontalBlock"] {{ flex-wrap: nowrap; }}
  }}
  @media (max-width: 640px) {{
    .block-container {{ padding: 1rem .8rem; }}
    .m-tile {{ flex: 1 1 auto; }}
  }}
</style>
"""


def at_least(width_px: int) -> str:
    """Return a style that keeps the heatmap this wide: on a narrow screen it is scrolled, not squeezed."""
    return f'<style>.st-key-{HEATMAP} [data-testid="stElementContainer"] {{ min-width: {width_px}px; }}</style>'
