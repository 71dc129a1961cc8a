"""SVG: texts, boxes and arrows, in colours that can be read on light and dark pages alike."""

from html import escape
from typing import Final

CHARACTER: Final = 7.1
"""The width of a character of the usual size, in pixels; fonts differ, so it is a generous one."""
LINE: Final = 18
INK, SOFT, PAPER, BOX, ACCENT = "#1f2937", "#6b7280", "#ffffff", "#eef2ff", "#4f46e5"

STYLE: Final = (
    f"text{{font:13px system-ui,-apple-system,'Segoe UI','Noto Sans',sans-serif;fill:{INK}}}"
    f".soft{{fill:{SOFT};font-size:12px;paint-order:stroke;stroke:{PAPER};stroke-width:4px}}.strong{{font-weight:600}}"
    f".box{{fill:{BOX};stroke:{ACCENT};stroke-width:1.2}}"
    f".line{{fill:none;stroke:{SOFT};stroke-width:1.2}}.dashed{{stroke-dasharray:5 4}}"
    f".frame{{fill:none;stroke:{SOFT};stroke-width:1}}.note{{fill:#fef9c3;stroke:#ca8a04}}"
    f".life{{stroke:#cbd5e1;stroke-width:1}}"
)
HEAD: Final = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
    f'<path d="M0 0L10 5L0 10z" fill="{SOFT}"/></marker></defs>'
)


def width_of(text: str) -> float:
    """Return about how wide a text is."""
    return len(text) * CHARACTER


def document(width: float, height: float, title: str, parts: list[str]) -> str:
    """Return a picture on paper of its own."""
    w, h = round(width), round(height)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">',
            f"<title>{escape(title)}</title><style>{STYLE}</style>{HEAD}",
            f'<rect width="{w}" height="{h}" rx="8" fill="{PAPER}"/>',
            *parts,
            "</svg>\n",
        )
    )


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "middle") -> str:
    """Return a text whose base line is at y."""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    """Return a box by its top left corner."""
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="6" class="{kind}"/>'


def line(points: str, *, dashed: bool = False, head: bool = True) -> str:
    """Return a line along a path, with an arrow's head at its end."""
    kind = "line dashed" if dashed else "line"
    return f'<path d="{points}" class="{kind}"{" marker-end=" + chr(34) + "url(#head)" + chr(34) if head else ""}/>'
