"""Is the new release well? Checks that look (checks), a baseline to compare with, and a pure judge (probation)."""
