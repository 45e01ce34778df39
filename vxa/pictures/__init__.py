"""Pictures of heat maps: overlays, grids, differences, animations."""
