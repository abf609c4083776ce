"""What the gateway costs: `scripts/bench`, explained in docs/performance.md. None of this is collected by pytest."""
