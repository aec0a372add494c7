"""Stories over the public API of `heliogram.mls`: what people do, and what must come of it."""
