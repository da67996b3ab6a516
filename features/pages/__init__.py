"""Self-contained HTML pages: their frame, pieces of markup, and drawings as inline SVG."""
