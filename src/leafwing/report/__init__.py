"""Pages that tell of runs: one self-contained HTML file, pictures and curves inside, no network, no script."""
