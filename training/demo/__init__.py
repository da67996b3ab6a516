"""The demo: the whole loop on real data, shown on the terminal and as one page."""
