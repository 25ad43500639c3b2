"""The page itself: HTML that holds everything it shows, good on light and dark screens and on paper."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from leafwing.explore.charts import STYLE as CHART_STYLE

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--card:#f6f7f9;--ink:#1c1f24;--soft:#5b6470;--line:#dfe3e8;--mark:#0b6bcb;
--warn:#8a4b00;--warnpaper:#fff4e5}
@media (prefers-color-scheme:dark){:root{--paper:#16191d;--card:#1f242a;--ink:#e8eaed;--soft:#a3abb5;--line:#343a42;
--mark:#7ab8ff;--warn:#ffc27a;--warnpaper:#33291c}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main,header,footer{max-width:1136px;margin:0 auto;padding:0 24px}
header{padding-top:40px}h1{font-size:30px;line-height:1.2;margin:0 0 6px}
.lead{color:var(--soft);margin:0 0 20px}
nav{display:flex;flex-wrap:wrap;gap:6px 16px;padding:12px 0;border-bottom:1px solid var(--line)}
a{color:var(--mark);text-decoration:none}a:hover{text-decoration:underline}
section{padding:26px 0 6px}h2{font-size:21px;margin:0 0 4px}section>p{margin:0 0 12px;color:var(--soft);max-width:76ch}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:10px;margin:18px 0}
dl div{background:var(--card);border-radius:8px;padding:9px 13px}dt{color:var(--soft);font-size:13px}
dd{margin:0;font-weight:600;overflow-wrap:anywhere}
figure{margin:0 0 18px}figure img{display:block;max-width:100%;height:auto;border-radius:6px;background:#fff}
figcaption{color:var(--soft);font-size:14px;margin-top:6px;max-width:76ch}
.pixels{image-rendering:pixelated}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(420px,100%),1fr));gap:14px;margin-bottom:14px}
.charts svg,.beside figure{background:var(--card);border-radius:8px;padding:10px;width:100%}
.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(280px,100%),1fr));gap:14px}
.scroll{overflow-x:auto;margin-bottom:14px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14.5px}
caption{caption-side:bottom;text-align:left;color:var(--soft);font-size:14px;padding-top:6px}
th,td{padding:5px 11px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}thead th{color:var(--soft);font-weight:600;border-bottom-width:2px}
.heat td{border:2px solid var(--paper);text-align:center;min-width:56px;print-color-adjust:exact;
-webkit-print-color-adjust:exact}
.better{color:#0a7d33;font-weight:600}
.differs{font-weight:700}.differs::after{content:" *"}
.missing,.warn{background:var(--warnpaper);color:var(--warn);border-radius:8px;padding:9px 13px}
section>.missing,section>.warn{color:var(--warn);max-width:none;margin:0 0 14px}
details{margin:0 0 14px}summary{cursor:pointer;color:var(--mark)}
pre{background:var(--card);border-radius:8px;padding:13px;overflow-x:auto;font-size:13px;line-height:1.45}
footer{color:var(--soft);font-size:14px;padding-top:18px;padding-bottom:40px;border-top:1px solid var(--line)}
@media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc;--mark:#000;
--warn:#5c3200;--warnpaper:#fff}
@page{margin:14mm}body{font-size:11pt}header,main,footer{max-width:none;padding-left:0;padding-right:0}header{padding-top:0}
nav{display:none}section{padding-top:14px}h2{break-after:avoid}figure,tr,.charts svg,dl div{break-inside:avoid}
.charts{grid-template-columns:1fr 1fr}.charts svg,dl div,.missing,.warn{border:1px solid #ccc}
pre{white-space:pre-wrap;border:1px solid #ccc}figure img{max-height:235mm;width:auto}.scroll{overflow:visible}}
"""
"""Colours by variable, so that dark screens and paper change them in one place."""

POLICY = "default-src 'none';img-src data:;style-src 'unsafe-inline'"
"""What the page may load: nothing but what it holds."""


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        anchor: its name in links.
        title: its heading.
        body: HTML.
    """

    anchor: str
    title: str
    body: str


def text(value: object) -> str:
    """Anything as text that HTML cannot misread."""
    return html.escape(str(value), quote=True)


def paragraph(*sentences: str) -> str:
    """Sentences as a paragraph; nothing for none."""
    return f"<p>{text(' '.join(sentences))}</p>" if sentences else ""


def missing(sentence: str) -> str:
    """What is not here, and why."""
    return f'<p class="missing">Not here: {text(sentence)}</p>'


def figure(image: Image.Image, alt: str, caption: str = "", wide: int | None = None) -> str:
    """A picture within the page.

    Args:
        image: stored as PNG, so that every pixel is the one that was drawn.
        alt: says the picture to who cannot see it.
        caption: below it.
        wide: pixels wide on the screen; its own width if None, never wider than the page.
    """
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    shown = f' style="width:{wide}px"' if wide else ""
    data = base64.b64encode(file.getvalue()).decode()
    below = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    size = f'width="{image.width}" height="{image.height}"'
    source = f'src="data:image/png;base64,{data}"'
    return f'<figure><img class="pixels" {size}{shown} alt="{text(alt)}" {source}>{below}</figure>'


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", kind: str = "", row_heads: bool = True
) -> str:
    """A table; cells that begin with ``<td`` are taken as they are, others are text."""

    def cell(value: str, first: bool) -> str:
        if value.startswith("<td"):
            return value
        return f'<th scope="row">{text(value)}</th>' if first and row_heads else f"<td>{text(value)}</td>"

    top = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    body = "".join(f"<tr>{''.join(cell(v, i == 0) for i, v in enumerate(row))}</tr>" for row in rows)
    under = f"<caption>{text(caption)}</caption>" if caption else ""
    which = f' class="{kind}"' if kind else ""
    return f'<div class="scroll"><table{which}>{under}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(pairs: Sequence[tuple[str, object]]) -> str:
    """Short facts as cards."""
    return f"<dl>{''.join(f'<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>' for k, v in pairs)}</dl>"


def charts(drawn: Sequence[str]) -> str:
    """Charts in as many columns as fit."""
    return f'<div class="charts">{"".join(drawn)}</div>'


def folded(title: str, content: str) -> str:
    """Plain text that opens on a click."""
    return f"<details><summary>{text(title)}</summary><pre>{text(content)}</pre></details>"


def page(title: str, lead: str, top: str, sections: Sequence[Section], foot: str) -> str:
    """The whole file."""
    links = "".join(f'<a href="#{section.anchor}">{text(section.title)}</a>' for section in sections)
    body = "".join(f'<section id="{s.anchor}"><h2>{text(s.title)}</h2>{s.body}</section>\n' for s in sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{text(title)}</title><style>{CHART_STYLE}{STYLE}</style></head>\n"
        f'<body><header><h1>{text(title)}</h1><p class="lead">{text(lead)}</p>{top}'
        f'<nav aria-label="Parts of this page">{links}</nav></header>\n<main>{body}</main>\n'
        f"<footer>{text(foot)}</footer></body></html>\n"
    )
